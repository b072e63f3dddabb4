"""Scores of normal laws, point by point."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def pointwise_log_likelihood(target: Tensor, mean: Tensor, variance: Tensor, floor: float = 1e-8) -> Tensor:
    """log N(target; mean, variance), shape `(..., n)`, in nats; variances are at least `floor`.

    The paper's LL is the mean of this over the points: it does not see correlations.

    Reference:
        Hansen et al., ICML 2023, section 4; the floor is that of its code.

    >>> round(float(pointwise_log_likelihood(torch.zeros(1), torch.zeros(1), torch.ones(1))), 4)
    -0.9189
    """
    variance = variance.clamp_min(floor)
    return -0.5 * ((target - mean).square() / variance + variance.log() + math.log(2 * math.pi))


def crps(target: Tensor, mean: Tensor, variance: Tensor, floor: float = 1e-8) -> Tensor:
    """Continuous ranked probability score of N(mean, variance) at the target, in the target's unit; smaller is better.

    sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)),  z = (target - mean) / sigma.

    Reference:
        Gneiting, Raftery, Westveld, Goldman, Monthly Weather Review 133, 2005, equation 5.

    >>> round(float(crps(torch.zeros(1), torch.zeros(1), torch.ones(1))), 4)
    0.2337
    """
    sigma = variance.clamp_min(floor).sqrt()
    z = (target - mean) / sigma
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    return sigma * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))
