"""Newton's method on logarithms of strategies: the last digits of an equilibrium, however small a probability is."""

from __future__ import annotations

import numpy as np

from heatbath.solvers.games.payoffs import Array
from heatbath.solvers.games.strategies import log_softmax
from heatbath.solvers.games.systems import solved

STEPS = 15
PATIENCE = 4
"""Steps in a row that may pass without a smaller residual."""


def newton(A: Array, t1: Array, t2: Array, x: Array, y: Array, tolerance: Array) -> tuple[Array, Array, Array]:
    """Solve x = log_softmax(A e^y / t1), y = log_softmax(-A^T e^x / t2) from nearby.

    Args:
        A: payoffs, shape `(batch, m, n)`.
        t1, t2: positive temperatures, shape `(batch,)`.
        x, y: logarithms of strategies, shapes `(batch, m)` and `(batch, n)`.
        tolerance: of the residual, shape `(batch,)`.

    Returns:
        The best x and y that were met, and their residual, the largest difference of a probability from its answer.
    """
    best_x, best_y, best = x.copy(), y.copy(), np.full(len(A), np.inf)
    left, waited = np.arange(len(A)), np.zeros(len(A), dtype=int)
    t1, t2 = t1[:, None], t2[:, None]
    for _ in range(STEPS):
        mu, nu = np.exp(x), np.exp(y)
        answer1 = log_softmax((A @ nu[..., None])[..., 0] / t1)
        answer2 = log_softmax(-(mu[:, None, :] @ A)[:, 0] / t2)
        residual = np.maximum(np.abs(mu - np.exp(answer1)).max(1), np.abs(nu - np.exp(answer2)).max(1))
        better = residual < best[left]
        waited = np.where(better, 0, waited + 1)
        at = left[better]
        best_x[at], best_y[at], best[at] = x[better], y[better], residual[better]
        going = (residual > tolerance) & (waited < PATIENCE)
        if not going.all():
            if not going.any():
                break
            left, waited, tolerance, A = left[going], waited[going], tolerance[going], A[going]
            parts = (x, y, mu, nu, answer1, answer2, t1, t2)
            x, y, mu, nu, answer1, answer2, t1, t2 = (part[going] for part in parts)
        dx, dy = _direction(A, t1, t2, mu, nu, x - answer1, y - answer2)
        pace = np.maximum(dx.max(1), dy.max(1))[:, None]
        step = 1.0 / np.maximum(1.0, pace)  # no probability grows by more than a factor of e
        x, y = log_softmax(x + step * dx), log_softmax(y + step * dy)
    return best_x, best_y, best


def _direction(A: Array, t1: Array, t2: Array, mu: Array, nu: Array, r1: Array, r2: Array) -> tuple[Array, Array]:
    """The step that removes the residuals r1, r2 to first order.

    Averages are taken with the strategies in place of their answers, which makes an error of second order and every
    system solvable: I + N^-1 (a positive semi-definite matrix) N in all but notation.
    """
    n = A.shape[2]
    centred = A - mu[:, None, :] @ A
    weighed = (centred * mu[..., None]).swapaxes(1, 2)
    system = weighed @ centred / (t1 * t2)[..., None]
    system -= nu[:, None, :] @ system
    system *= nu[:, None, :]
    system.reshape(len(A), n * n)[:, :: n + 1] += 1.0
    pull = (weighed @ r1[..., None])[..., 0]
    right = (pull - (nu * pull).sum(1, keepdims=True)) / t2 - r2
    dy = solved(system, right[..., None])[..., 0]
    gain = (A @ (nu * dy)[..., None])[..., 0] / t1
    return gain - (mu * gain).sum(1, keepdims=True) - r1, dy
