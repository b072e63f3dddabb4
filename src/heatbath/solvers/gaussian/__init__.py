"""Gaussians conditioned on linear constraints, exactly and without their covariance matrix.

One line after any model that gives means and variances makes it conserve mass:

>>> import torch
>>> from heatbath.solvers.gaussian import Diagonal, LinearConstraint, condition
>>> x = torch.linspace(0, 1, 201)
>>> mean, variance = torch.rand(201), torch.full((201,), 0.01)
>>> posterior = condition(mean, Diagonal(variance), LinearConstraint.quadrature(x, 0.5))
>>> bool(posterior.residual().abs() < 1e-12)
True

Public names are imported when first asked for, so that this package's options can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heatbath.core.lazy import lazily

if TYPE_CHECKING:
    from heatbath.solvers.gaussian.conditioned import ConditionedGaussian, condition
    from heatbath.solvers.gaussian.constraint import LinearConstraint
    from heatbath.solvers.gaussian.covariance import (
        BlockDiagonal,
        Dense,
        Diagonal,
        DiagonalPlusLowRank,
        Operator,
    )
    from heatbath.solvers.gaussian.inequality import monotone_fill, water_fill
    from heatbath.solvers.gaussian.protocol import Covariance

_HOMES = {
    "BlockDiagonal": "covariance",
    "ConditionedGaussian": "conditioned",
    "Covariance": "protocol",
    "Dense": "covariance",
    "Diagonal": "covariance",
    "DiagonalPlusLowRank": "covariance",
    "LinearConstraint": "constraint",
    "Operator": "covariance",
    "condition": "conditioned",
    "monotone_fill": "inequality",
    "water_fill": "inequality",
}

__all__ = [
    "BlockDiagonal",
    "ConditionedGaussian",
    "Covariance",
    "Dense",
    "Diagonal",
    "DiagonalPlusLowRank",
    "LinearConstraint",
    "Operator",
    "condition",
    "monotone_fill",
    "water_fill",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
