"""The self-paced update of a Gamma law's shape, solved exactly: it has one dimension.

    min_k KL(k || k_target)  s.t.  KL(k || k_old) <= eps,  (1/M) sum_i w_i(k) J_i >= xi,  w_i = p_k(x_i) / p_k_old(x_i)

The divergence grows away from k_target on either side, so the answer is the first k, coming from the target, that both
constraints allow: the edge of the trust region if it earns enough, else where the earnings cross xi.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from heatbath.plugins.qarl.gamma_law import crossing, gamma_kl

Array = NDArray[np.float64]
GRID = 64
"""Places at which the earnings are looked at before a crossing is searched, since they may cross xi more than once."""


def trust_region_edge(k_old: float, target: float, max_kl: float) -> float:
    """The target, or the shape on the way to it at which KL(k || k_old) is `max_kl`, never more.

    >>> round(trust_region_edge(50.0, 1.0, 0.5), 3)
    43.294
    """
    if gamma_kl(target, k_old) <= max_kl:
        return target
    return crossing(lambda k: max_kl - gamma_kl(k, k_old), k_old, target)


def next_shape(
    k_old: float,
    target: float,
    max_kl: float,
    threshold: float,
    log_weights: Callable[[float], Array],
    returns: Array,
    self_normalised: bool = False,
) -> float:
    """The shape after one update; k_old where the mean return is below the threshold.

    Args:
        k_old: the shape now.
        target: the shape at the end.
        max_kl: eps, in nats.
        threshold: xi.
        log_weights: k to ln w_i(k), shape `(M,)`.
        returns: J, shape `(M,)`.
        self_normalised: divide by the sum of the weights instead of M. The published method divides by M, which makes
            much of little where the new law has its mass where the old one had it too.
    """
    if returns.mean() < threshold:
        return k_old

    def surplus(k: float) -> float:
        logarithms = log_weights(k)
        top = logarithms.max()
        weights = np.exp(logarithms - top)
        if self_normalised:
            return float(weights @ returns / weights.sum() - threshold)
        with np.errstate(over="ignore"):
            return float(np.exp(min(top, 700.0)) * (weights @ returns) / len(returns) - threshold)

    edge = trust_region_edge(k_old, target, max_kl)
    if edge == k_old or surplus(edge) >= 0.0:
        return edge
    behind = edge
    for part in range(1, GRID):
        k = edge + (k_old - edge) * part / GRID
        if surplus(k) >= 0.0:
            return crossing(surplus, k, behind)
        behind = k
    return crossing(surplus, k_old, behind) if surplus(k_old) >= 0.0 else k_old


def gamma_log_weights(samples: Array, rate: float, k_old: float) -> Callable[[float], Array]:
    """ln w_i(k) = (k - k_old) ln(rate x_i) - ln Gamma(k) + ln Gamma(k_old)."""
    logarithms, old = np.log(rate * samples), math.lgamma(k_old)
    return lambda k: (k - k_old) * logarithms - math.lgamma(k) + old
