"""A conserved quantity kept while a solver steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heatbath.solvers.gaussian import Diagonal, LinearConstraint, condition


@dataclass(frozen=True, slots=True)
class MassCorrection:
    """y <- the mean of N(y, diag(variance)), given w . y = mass(t): an `on_step` for any solver of `ode`.

    After each accepted step the state has the right total to round-off, where a scheme that does not conserve drifts.
    No synchronisation: inputs are not checked.

    Args:
        weights: w, quadrature weights, shape `(n,)`.
        mass: the total at a time, a number or of the state's batch shape.
        variance: where the scheme is to be trusted less, of the state's shape, or a function of the state; None trusts
            it alike everywhere.

    >>> weights = torch.full((4,), 0.25, dtype=torch.float64)
    >>> correction = MassCorrection(weights, lambda t: 1.0)
    >>> correction(0.5, torch.zeros(4, dtype=torch.float64), {}).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    weights: Tensor
    mass: Callable[[float], Tensor | float]
    variance: Tensor | Callable[[Tensor], Tensor] | None = None

    def __call__(self, t: float, y: Tensor, info: Mapping[str, Any]) -> Tensor:
        trust = self.variance(y) if callable(self.variance) else self.variance
        law = Diagonal(torch.ones_like(y) if trust is None else trust)
        known = LinearConstraint.weighted(self.weights, self.mass(t))
        return condition(y, law, known, check=False).mean.to(y.dtype)
