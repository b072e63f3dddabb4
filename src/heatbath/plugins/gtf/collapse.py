"""Whether a trajectory has come to rest, or runs in a circle."""

from __future__ import annotations

import torch
from torch import Tensor

CLOSE = 0.02
"""How near two states are that count as one, in standard deviations of the true series."""
WATCHED = 4000
"""Steps over which a trajectory must repeat itself."""


def cycle_length(trajectory: Tensor, scale: Tensor) -> int:
    """After how many steps the end of a trajectory repeats itself: 1 at a fixed point, 0 when it does not.

    A lag p is one when |x_t - x_{t-p}| stays below 2 % of the scale in every variable over the last steps, 4000 of them
    or half of all. On a limit cycle that no whole number of steps closes, it is the multiple of the period that one
    nearly does. Two chaotic trajectories that were close would part long before. A trajectory that all the time stays
    where it ends is at rest.

    Args:
        trajectory: shape `(time, dim)`.
        scale: of each variable, such as the standard deviation of a true series, shape `(dim,)`.

    Returns:
        The smallest lag; 1 where a value is not finite, for then nothing follows.

    >>> t = torch.arange(10_000.0)
    >>> cycle_length(torch.stack([(t / 7).sin(), (t / 7).cos()], 1), torch.ones(2))  # 14 pi = 43.98
    44
    """
    if not bool(trajectory.isfinite().all()):
        return 1
    x = trajectory / scale
    watched = min(WATCHED, len(x) // 2)
    apart = (x.flip(0) - x[-1]).abs().amax(-1)  # by lag
    away = (apart >= CLOSE).nonzero().flatten()
    if not len(away) or int(away[0]) >= watched:
        return 1
    lags = torch.arange(int(away[0]), len(x) - watched, device=x.device)  # sooner, it has not left yet
    nearest = (apart[lags] < CLOSE) & (apart[lags] <= apart[lags - 1]) & (apart[lags] <= apart[lags + 1])
    end = x[-watched:]
    for lag in lags[nearest].tolist():
        if bool(((end - x[len(x) - watched - lag : len(x) - lag]).abs() < CLOSE).all()):
            return int(lag)
    return 0
