"""The equilibria of this room as solvers of the problem `game`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from torch import Generator

from heatbath.core.contracts import NOTHING, MatrixGame, Solution, StepHook
from heatbath.core.errors import InvalidInput
from heatbath.solvers.games import options as opt
from heatbath.solvers.games.equilibrium import quantal_response as newton
from heatbath.solvers.games.mirror import mirror_ascent as ascent
from heatbath.solvers.games.payoffs import Array, payoffs, strategy
from heatbath.solvers.games.strategies import Equilibrium, expected, regret

ACCURATE = 1e-6
"""A residual above it is no equilibrium."""


class GameSolver:
    """A function of payoffs and two temperatures as a solver of `game`; `value` is an `Equilibrium`.

    A solver may have `batch(payoff, t1, t2)`, which solves many games at once, as `quantal_response` does; `equilibria`
    calls one that has not game by game.
    """

    records = NOTHING

    def __init__(self, find: Callable[..., Equilibrium]) -> None:
        self.batch = find

    def solve(
        self,
        problem: MatrixGame,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """The equilibrium of `problem`; `on_step` has nothing to follow and is not called."""
        found = self.batch(problem.payoff, *problem.temperatures)
        residual = float(found.residual)
        return Solution(found, residual <= ACCURATE, {"residual": residual, "value": float(found.value)})


def equilibria(solver: Any, payoff: Any, t1: Any, t2: Any) -> Equilibrium:
    """One game at many temperatures, or many games at one each, with any solver of `game`.

    Args:
        solver: of the problem `game`.
        payoff: shape `(..., m, n)`.
        t1, t2: broadcast with the leading axes.

    Returns:
        An `Equilibrium` of arrays with the broadcast leading axes. Of a solver without `batch`, the residual is the
        regret of what it answers.

    Raises:
        InvalidInput: for payoffs that are none, or an answer without strategies.
    """
    if hasattr(solver, "batch"):
        answer: Equilibrium = solver.batch(payoff, t1, t2)
        return answer
    A = payoffs(payoff)
    cold, warm = np.asarray(t1, dtype=np.float64), np.asarray(t2, dtype=np.float64)
    shape = np.broadcast_shapes(A.shape[:-2], cold.shape, warm.shape)
    games = np.broadcast_to(A, (*shape, *A.shape[-2:])).reshape(-1, *A.shape[-2:])
    heats = (np.broadcast_to(heat, shape).reshape(-1).tolist() for heat in (cold, warm))
    rows, columns = np.empty(games.shape[:2]), np.empty((len(games), games.shape[2]))
    for index, (game, *pair) in enumerate(zip(games, *heats, strict=True)):
        rows[index], columns[index] = _strategies(solver.solve(MatrixGame(game, (pair[0], pair[1]))).value, game)
    residual = regret(games, rows, columns, *(np.broadcast_to(heat, shape).reshape(-1) for heat in (cold, warm)))
    parts = (rows, columns, expected(games, rows, columns), residual)
    return Equilibrium(*(part.reshape((*shape, *part.shape[1:])) for part in parts))


def _strategies(value: Any, game: Array) -> tuple[Array, Array]:
    if not (hasattr(value, "row") and hasattr(value, "column")):
        raise InvalidInput(f"a solver of `game` answers with `row` and `column`, got {type(value).__name__}")
    return strategy(value.row, len(game), "`row`"), strategy(value.column, game.shape[1], "`column`")


def quantal_response(options: None, setup: Any) -> GameSolver:
    """`quantal-response`."""
    return GameSolver(newton)


def mirror_ascent(options: opt.MirrorAscent, setup: Any) -> GameSolver:
    """`mirror-ascent`."""
    return GameSolver(partial(ascent, tolerance=options.tolerance, iterations=options.iterations))
