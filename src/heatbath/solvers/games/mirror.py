"""Extragradient mirror ascent to quantal response equilibria: the plain method, and a check on the fast one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heatbath.core.errors import InvalidInput
from heatbath.solvers.games.payoffs import Array, payoffs, temperatures
from heatbath.solvers.games.strategies import Equilibrium, expected, log_softmax

LOOK = 16
"""Iterations between looks at the residual."""


def mirror_ascent(
    payoff: ArrayLike, t1: ArrayLike, t2: ArrayLike, *, tolerance: float = 1e-13, iterations: int = 200_000
) -> Equilibrium:
    """Step both strategies along the gradient at a point ahead, in log space, until they answer each other.

    It contracts at every positive temperature, in a number of iterations that grows like max |A| / t: some hundred at
    t = 1, ten thousands at 0.01.

    Args:
        payoff: A, shape `(..., m, n)`.
        t1, t2: temperatures of row and column player, positive, broadcast with the games.
        tolerance: of the largest difference between a probability and the answer's.
        iterations: at which to give up; the residual says how far it came.

    Raises:
        InvalidInput: for payoffs or temperatures that are none.

    >>> mirror_ascent([[2, -1], [-1, 1]], 1.0, 1.0).row[0].round(6)
    np.float64(0.488674)
    """
    A = payoffs(payoff)
    t1, t2 = temperatures(t1, "t1", positive=True), temperatures(t2, "t2", positive=True)
    if iterations < 1:
        raise InvalidInput(f"`iterations` must be at least 1, got {iterations}")
    shape = np.broadcast_shapes(A.shape[:-2], t1.shape, t2.shape)
    A = np.broadcast_to(A, (*shape, *A.shape[-2:]))
    t1, t2 = t1[..., None], t2[..., None]
    rate = 1.0 / (2 * np.abs(A).max((-2, -1))[..., None] + np.maximum(t1, t2))
    x, y = (np.full((*shape, size), -np.log(size)) for size in A.shape[-2:])

    def ascend(ahead_x: Array, ahead_y: Array) -> tuple[Array, Array]:
        gain, loss = _worth(A, ahead_x, ahead_y)
        return log_softmax((1 - rate * t1) * x + rate * gain), log_softmax((1 - rate * t2) * y - rate * loss)

    for iteration in range(1, iterations + 1):
        x, y = ascend(*ascend(x, y))
        if iteration % LOOK == 0 or iteration == iterations:
            gain, loss = _worth(A, x, y)
            answers = np.exp(log_softmax(gain / t1)), np.exp(log_softmax(-loss / t2))
            residual = np.maximum(np.abs(np.exp(x) - answers[0]).max(-1), np.abs(np.exp(y) - answers[1]).max(-1))
            if residual.max(initial=0.0) < tolerance:
                break
    return Equilibrium(np.exp(x), np.exp(y), expected(A, np.exp(x), np.exp(y)), residual)


def _worth(A: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """A e^y and A^T e^x."""
    return (A @ np.exp(y)[..., None])[..., 0], (np.exp(x)[..., None, :] @ A)[..., 0, :]
