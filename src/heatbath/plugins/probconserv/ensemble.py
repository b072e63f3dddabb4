"""From the laws of members to one law."""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.core.contracts import Gaussian


def merged(members: Gaussian) -> Gaussian:
    """The mean and covariance of the mixture of laws with equal weights: the law of total covariance.

    Sigma = mean_k Sigma_k + mean_k (mu_k - mu)(mu_k - mu)^T. Where G mu_k = b and G Sigma_k = 0 for each member, they
    hold for the merged law, whose draws so conserve as well.

    Args:
        members: mean of shape `(members, batch, n)`, the other parts with the same leading axes.

    Returns:
        Of shape `(batch, n)`. Its covariance includes what the members differ by, which the published code leaves out
        of its matrices.

    >>> both = merged(Gaussian(torch.tensor([[[0.0]], [[2.0]]]), torch.ones(2, 1, 1)))
    >>> float(both.mean), float(both.marginal_variance)
    (1.0, 2.0)
    """
    count = members.mean.shape[0]
    mean = members.mean.mean(0)
    between = _columns((members.mean - mean).unsqueeze(-1), count)
    spread = between if members.spread is None else torch.cat([between, _columns(members.spread, count)], -1)
    factor = None if members.factor is None else _columns(members.factor, count)
    return Gaussian(mean, members.variance.mean(0), factor, spread)


def _columns(parts: Tensor, count: int) -> Tensor:
    """`(members, batch, n, k)` as `(batch, n, members k)`, scaled so that the outer product is the members' mean."""
    columns: Tensor = parts.movedim(0, -2).flatten(-2) / count**0.5
    return columns


def stacked(law: Gaussian) -> Gaussian:
    """Members and batch in one leading axis, as constraints and losses take it."""
    return Gaussian(*(None if part is None else part.flatten(0, 1) for part in _parts(law)))  # type: ignore[arg-type]


def unstacked(law: Gaussian, members: int) -> Gaussian:
    """The opposite of `stacked`."""
    parts = (None if part is None else part.unflatten(0, (members, -1)) for part in _parts(law))
    return Gaussian(*parts)  # type: ignore[arg-type]


def _parts(law: Gaussian) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    return law.mean, law.variance, law.factor, law.spread
