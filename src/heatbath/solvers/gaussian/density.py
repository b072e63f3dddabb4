"""The density of a conditioned law, on the plane that it lives on."""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian.constraint import LinearConstraint
from heatbath.solvers.gaussian.covariance import LOG_2PI
from heatbath.solvers.gaussian.factor import Factor
from heatbath.solvers.gaussian.protocol import Covariance
from heatbath.solvers.gaussian.shapes import stacked


def log_density(
    prior: Covariance,
    deviation: Tensor,
    constraint: LinearConstraint,
    u: Tensor,
    factor: Factor,
    chi_square: Tensor,
    *,
    check: bool,
) -> Tensor:
    """log N(u; mu, Sigma) + log N(b_N; N u, noise) - log N(b; G mu, S) - log det(E E^T) / 2, shape `(...)`, nats.

    With respect to the surface of the plane on which points without variance have their mean and the exact rows E,
    those without noise, hold: E E^T runs over the points with variance, N are the other rows. Bayes' rule for the
    densities, and the last term (the coarea formula) for the surface. On all of space where there is no such plane.

    Args:
        prior: Sigma.
        deviation: u - mu, shape `(..., n)`.
        constraint: G, b and the noise.
        u: on the plane, shape `(..., n)`; what it is off by is not seen.
        factor: of S.
        chi_square: (G mu - b)^T S^{-1} (G mu - b).
        check: read back whether the answer is finite.

    Raises:
        InvalidInput: when the prior has no density; with `check`, when it or the answer is not finite.
    """
    mixing, noise = factor.mixing, constraint.noise
    found = prior.log_prob(deviation) + 0.5 * (chi_square + factor.log_det() + factor.freedom() * LOG_2PI)
    dropped = torch.diag_embed((factor.whitener.diagonal(dim1=-2, dim2=-1) <= 0).to(u.dtype))
    columns = constraint.rows.transposed()
    if noise is not None:
        found = found + noise.log_prob(constraint.residual(u))
        exact = (noise.variance() == 0).to(u.dtype)
        columns, dropped = columns * exact.unsqueeze(-2), torch.diag_embed(1 - exact)
        if mixing is not None:  # -inf where rows were dropped: which of them are the exact ones is lost in the mixing
            found = found - torch.linalg.slogdet(mixing.matrix).logabsdet
            found = torch.where(mixing.dropped.diagonal(dim1=-2, dim2=-1).sum(-1) > 0.5, torch.nan, found)
    elif mixing is not None:
        columns, dropped = mixing.columns, mixing.dropped
    random = (prior.variance() != 0).to(u.dtype)
    # Of E^T itself, not of E E^T: a product would square the dependence of rows.
    triangle = torch.linalg.qr(stacked(columns * random.unsqueeze(-1), dropped)).R
    found = found - _log_diagonal(triangle)
    if check and not bool(found.isfinite().all()):
        raise InvalidInput(
            f"{int((~found.isfinite()).sum())} fields have no finite density: `u` has values that are not finite, the "
            "covariance is singular (beyond points without variance), or exact rows that depend on each other stand "
            "beside noisy ones; give the covariance a diagonal of its own, or leave out the dependent rows"
        )
    return found


def _log_diagonal(triangle: Tensor) -> Tensor:
    found: Tensor = triangle.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
    return found
