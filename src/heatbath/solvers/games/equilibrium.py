"""Quantal response equilibria of zero-sum matrix games, many at once; at temperature 0, Nash equilibria.

    max_mu min_nu  mu^T A nu + t1 H(mu) - t2 H(nu)
    mu = softmax(A nu / t1),  nu = softmax(-A^T mu / t2)

Iterating the two softmaxes diverges at low temperature. Here an interior-point method gets close and Newton's method on
logarithms finishes, in ten to twenty steps at any temperature (`docs/decisions/0008-games-in-numpy.md`).

Reference:
    McKelvey, Palfrey, "Quantal response equilibria for normal form games", 1995; one temperature a player: Rogers,
    Palfrey, Camerer, "Heterogeneous quantal response equilibrium and cognitive hierarchies", 2009.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heatbath.core.errors import InvalidInput
from heatbath.solvers.games.interior import interior_point
from heatbath.solvers.games.newton import newton
from heatbath.solvers.games.payoffs import Array, payoffs, temperatures
from heatbath.solvers.games.strategies import Equilibrium, expected, log_softmax, regret

TOLERANCE = 1e-13
"""Of the residual; at very low temperature the rounding of A / t is more, and counts instead."""
CLOSE = (1e-3, 1e-6, 1e-9)
"""Barriers from which Newton's method is tried, as parts of the lower temperature."""
LEAST_BARRIER = 1e-14
COLD = 1e-7
"""Temperatures below it, as parts of half the range of the payoffs, are taken for 0: what they change is rounding."""


def quantal_response(
    payoff: ArrayLike, t1: ArrayLike, t2: ArrayLike | None = None, *, start: Equilibrium | None = None
) -> Equilibrium:
    """The equilibrium of each game at its temperatures; there is exactly one where both are positive.

    Args:
        payoff: A, what the row player gets, shape `(..., m, n)`.
        t1: temperature of the row player, in the unit of the payoffs, shape `(...)`; 0 for perfect rationality, for
            which less than 1e-7 of half the payoffs' range is taken.
        t2: of the column player, that of the row player by default. Games and temperatures are broadcast.
        start: an equilibrium of similar games, to begin from; it saves steps and changes the answer by rounding only.

    Returns:
        An `Equilibrium` of arrays with the broadcast leading axes. With both temperatures 0 it is a Nash equilibrium,
        where there are many one in the middle of them.

    Raises:
        InvalidInput: for payoffs or temperatures that are none, or shapes that do not go together.

    >>> equilibrium = quantal_response([[2, -1], [-1, 1]], [0.05, 0.05, 0], [10.0, 0.1, 0])
    >>> equilibrium.row[:, 0].round(6).tolist()
    [0.956438, 0.408419, 0.4]
    >>> equilibrium.value[2].round(9)
    np.float64(0.2)
    """
    A, heats, shape = _broadcast(payoff, t1, t1 if t2 is None else t2)
    begun = None if start is None else _begun(start, A.shape)
    if A.shape[2] > A.shape[1]:  # the systems have the size of the column player
        column, row, residual = _solve(-A.swapaxes(1, 2), heats[1], heats[0], begun and begun[::-1])
    else:
        row, column, residual = _solve(A, *heats, begun)
    value = expected(A, row, column)
    return Equilibrium(*(part.reshape((*shape, *part.shape[1:])) for part in (row, column, value, residual)))


def nash(payoff: ArrayLike) -> Equilibrium:
    """A Nash equilibrium of each game, shape `(..., m, n)`: `quantal_response` at temperature 0; raises as it does.

    >>> float(nash([[0, -1, 2], [1, 0, -3], [-2, 3, 0]]).value.round(12)) + 0.0
    0.0
    """
    return quantal_response(payoff, 0.0)


def equilibrium_path(payoff: ArrayLike, t1: ArrayLike, t2: ArrayLike | None = None) -> Equilibrium:
    """The equilibria of one game along temperatures, each begun from the one before.

    Args:
        payoff: A, shape `(m, n)`.
        t1: along the path, shape `(length,)` or `()`.
        t2: the same for the column player, that of the row player by default.

    Returns:
        An `Equilibrium` whose arrays have the axis `length` in front.

    Raises:
        InvalidInput: for payoffs or temperatures that are none, or lengths that differ.
    """
    A, heats, shape = _broadcast(payoffs(payoff)[None], t1, t1 if t2 is None else t2)
    if len(shape) != 1:
        raise InvalidInput(f"the path of one game: expected temperatures of shape (length,), got {shape}")
    path: list[Equilibrium] = []
    for game, cold, warm in zip(A, *heats, strict=True):
        path.append(quantal_response(game, cold, warm, start=path[-1] if path else None))
    return Equilibrium(*(np.stack(part) for part in zip(*path, strict=True)))


def _broadcast(payoff: ArrayLike, t1: ArrayLike, t2: ArrayLike) -> tuple[Array, tuple[Array, Array], tuple[int, ...]]:
    """Games in a row, shape `(batch, m, n)`, their temperatures, `(batch,)`, and the axes that were there."""
    A = payoffs(payoff)
    heats = temperatures(t1, "t1"), temperatures(t2, "t2")
    try:
        shape = np.broadcast_shapes(A.shape[:-2], heats[0].shape, heats[1].shape)
    except ValueError:
        raise InvalidInput(
            f"games of shape {A.shape[:-2]} and temperatures of shapes {heats[0].shape} and {heats[1].shape} "
            "do not go together: each axis must be equal or 1"
        ) from None
    games = np.broadcast_to(A, (*shape, *A.shape[-2:])).reshape(-1, *A.shape[-2:])
    cold, warm = (np.broadcast_to(heat, shape).reshape(-1) for heat in heats)
    return games, (cold, warm), shape


def _begun(start: Equilibrium, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Logarithms to begin from."""
    strategies = []
    for part, actions in ((start.row, shape[1]), (start.column, shape[2])):
        if np.shape(part)[-1:] != (actions,):
            raise InvalidInput(f"`start` has strategies of shape {np.shape(part)}, the game has {actions} actions")
        masses = np.maximum(np.asarray(part, dtype=np.float64), 1e-300)
        strategies.append(log_softmax(np.log(np.broadcast_to(masses.reshape(-1, actions), (shape[0], actions)))))
    return strategies[0], strategies[1]


def _solve(A: Array, t1: Array, t2: Array, begun: tuple[Array, Array] | None) -> tuple[Array, Array, Array]:
    """mu, nu and residuals, shapes `(batch, m)`, `(batch, n)`, `(batch,)`."""
    highest, lowest = A.max((1, 2)), A.min((1, 2))
    unit = np.where(highest > lowest, (highest - lowest) / 2, 1.0)
    A = (A - ((highest + lowest) / 2)[:, None, None]) / unit[:, None, None]
    t1, t2 = (np.where(t < COLD * unit, 0.0, t / unit) for t in (t1, t2))
    least = np.minimum(t1, t2)
    mu, nu, residual = np.empty(A.shape[:2]), np.empty((len(A), A.shape[2])), np.full(len(A), np.inf)
    tolerance = np.maximum(TOLERANCE, 4 * np.finfo(float).eps / np.where(least > 0, least, 1.0))
    warm = np.flatnonzero(least > 0)
    if begun is not None and len(warm):
        _finish(A, t1, t2, (begun[0][warm], begun[1][warm]), warm, tolerance, (mu, nu, residual))
    for close in CLOSE:
        left = np.flatnonzero(residual > tolerance) if len(warm) == len(A) else warm[residual[warm] > tolerance[warm]]
        if not len(left):
            break
        end = np.maximum(close * np.minimum(least[left], 1.0) / sum(A.shape[1:]), LEAST_BARRIER)
        near = interior_point(A[left], t1[left], t2[left], end)
        logarithms = log_softmax(np.log(near[0])), log_softmax(np.log(near[1]))
        _finish(A, t1, t2, logarithms, left, tolerance, (mu, nu, residual))
    cold = np.flatnonzero(least == 0)
    if len(cold):
        near = interior_point(A[cold], t1[cold], t2[cold], np.full(len(cold), LEAST_BARRIER))
        mu[cold], nu[cold] = (part / part.sum(1, keepdims=True) for part in near)
        residual[cold] = unit[cold] * np.maximum(regret(A[cold], mu[cold], nu[cold], t1[cold], t2[cold]), 0.0)
    return mu, nu, residual


def _finish(
    A: Array,
    t1: Array,
    t2: Array,
    near: tuple[Array, Array],
    which: Array | np.ndarray[tuple[int], np.dtype[np.intp]],
    tolerance: Array,
    into: tuple[Array, Array, Array],
) -> None:
    """Newton's method for some of the games, kept where it made them better."""
    x, y, residual = newton(A[which], t1[which], t2[which], *near, tolerance[which])
    better = residual < into[2][which]
    at = which[better]
    into[0][at], into[1][at], into[2][at] = np.exp(x[better]), np.exp(y[better]), residual[better]
