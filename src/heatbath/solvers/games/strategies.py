"""Strategies against each other: values, answers to them, and what it costs to be predictable.

Symbols:
    A: payoff to the row player, shape `(..., m, n)`.
    mu, nu: strategies of row and column player, shapes `(..., m)` and `(..., n)`.
    t1, t2: their temperatures, shape `(...)`, in the unit of the payoffs; entropies are in nats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from heatbath.solvers.games.payoffs import Array, payoffs, strategy, temperatures


class Equilibrium(NamedTuple):
    """Strategies `row`, shape `(..., m)`, and `column`, `(..., n)`; the game's `value` mu^T A nu, shape `(...)`.

    `residual`, shape `(...)`, says how far they are from answering each other: where both temperatures are positive,
    the largest difference between a probability and the answer's, else `regret`.
    """

    row: Array
    column: Array
    value: Array
    residual: Array


def softmax(logits: Array) -> Array:
    """exp(logits) / sum exp(logits) along the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def log_softmax(logits: Array) -> Array:
    """Its logarithm."""
    lowered = logits - logits.max(-1, keepdims=True)
    return np.asarray(lowered - np.log(np.exp(lowered).sum(-1, keepdims=True)))


def entropy(p: ArrayLike) -> Array:
    """H(p) = -sum p ln p along the last axis, in nats.

    >>> round(float(entropy([0.5, 0.5])), 6)
    0.693147
    """
    masses = np.asarray(p, dtype=np.float64)
    logarithms = np.log(masses, out=np.zeros_like(masses), where=masses > 0)
    return np.asarray(-(masses * logarithms).sum(-1))


def best_responses(payoff: ArrayLike, row: ArrayLike, column: ArrayLike) -> tuple[Array, Array]:
    """The row player's best action against `column` and the column player's against `row`; the first of several.

    Returns:
        Indices, both of shape `(...)`.

    Raises:
        InvalidInput: for payoffs or strategies that are none.
    """
    A, mu, nu = _checked(payoff, row, column)
    return np.asarray(_gains(A, nu).argmax(-1)), np.asarray(_losses(A, mu).argmin(-1))


def exploitability(payoff: ArrayLike, row: ArrayLike, column: ArrayLike) -> Array:
    """max_a (A nu)_a - min_b (A^T mu)_b, shape `(...)`: what both players could gain; 0 at a Nash equilibrium.

    Raises:
        InvalidInput: for payoffs or strategies that are none.

    >>> float(exploitability([[2, -1], [-1, 1]], [0.4, 0.6], [0.4, 0.6])) < 1e-15
    True
    """
    A, mu, nu = _checked(payoff, row, column)
    return np.asarray(_gains(A, nu).max(-1) - _losses(A, mu).min(-1))


def regret(payoff: ArrayLike, row: ArrayLike, column: ArrayLike, t1: ArrayLike, t2: ArrayLike) -> Array:
    """The exploitability at temperatures, at least 0 but for rounding, and 0 at the quantal response equilibrium alone.

    max_p [p^T A nu + t1 H(p)] - t2 H(nu) - min_q [mu^T A q - t2 H(q)] - t1 H(mu)

    Raises:
        InvalidInput: for payoffs, strategies or temperatures that are none.
    """
    A, mu, nu = _checked(payoff, row, column)
    t1, t2 = temperatures(t1, "t1"), temperatures(t2, "t2")
    gain = soft_maximum(_gains(A, nu), t1) - t1 * entropy(mu)
    return np.asarray(gain + soft_maximum(-_losses(A, mu), t2) - t2 * entropy(nu))


def soft_maximum(values: Array, t: Array) -> Array:
    """t ln sum exp(values / t) along the last axis, which is max_p p . values + t H(p); the maximum for t = 0."""
    top = values.max(-1)
    heat = np.where(t > 0, t, 1.0)
    return np.asarray(top + t * np.log(np.exp((values - top[..., None]) / heat[..., None]).sum(-1)))


def responses(
    payoff: ArrayLike, row: ArrayLike, column: ArrayLike, t1: ArrayLike, t2: ArrayLike
) -> tuple[Array, Array]:
    """Quantal responses softmax(A nu / t1) and softmax(-A^T mu / t2), shapes `(..., m)` and `(..., n)`.

    Raises:
        InvalidInput: for payoffs or strategies that are none, or temperatures that are not positive.
    """
    A, mu, nu = _checked(payoff, row, column)
    t1, t2 = temperatures(t1, "t1", positive=True), temperatures(t2, "t2", positive=True)
    return softmax(_gains(A, nu) / t1[..., None]), softmax(-_losses(A, mu) / t2[..., None])


def expected(A: Array, mu: Array, nu: Array) -> Array:
    """mu^T A nu, shape `(...)`."""
    return np.asarray((mu * _gains(A, nu)).sum(-1))


def _gains(A: Array, nu: Array) -> Array:
    return np.asarray((A @ nu[..., None])[..., 0])


def _losses(A: Array, mu: Array) -> Array:
    return np.asarray((mu[..., None, :] @ A)[..., 0, :])


def _checked(payoff: ArrayLike, row: ArrayLike, column: ArrayLike) -> tuple[Array, Array, Array]:
    A = payoffs(payoff)
    return A, strategy(row, A.shape[-2], "the row strategy"), strategy(column, A.shape[-1], "the column strategy")
