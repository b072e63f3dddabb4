"""Conformance of solvers of the problem `game`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heatbath.core.contracts import MatrixGame, Solution, Solver
from heatbath.core.testing.expect import expect, global_generators_untouched

Array = NDArray[np.float64]
GAMES: tuple[tuple[tuple[float, ...], ...], ...] = (
    ((2.0, -1.0), (-1.0, 1.0)),
    ((0.0, -1.0, 2.0), (1.0, 0.0, -3.0), (-2.0, 3.0, 0.0)),
    ((1.0, 0.0), (0.0, 2.0), (-3.0, -3.0)),
    ((0.5,),),
)
"""With one mixed equilibrium, with an action that is never played, with no choice."""
TEMPERATURES = ((1.0, 1.0), (0.2, 0.5), (0.1, 0.1))


def check_game(name: str, solver: Solver, accuracy: float) -> None:
    """Strategies from which, entropies counted, neither player gains more than `accuracy`; the same ones each time.

    Raises:
        ConformanceError: saying what is wrong.
    """
    for rows in GAMES:
        for heats in TEMPERATURES:
            payoff = np.array(rows)
            with global_generators_untouched(name, "the solver"):
                first = _answer(name, solver, MatrixGame(payoff, heats))
            expect(np.array_equal(payoff, rows), f"{name}: the payoff that it was given is changed")
            gain = _gain(payoff, *first, *heats)
            expect(gain <= accuracy, f"{name}: at temperatures {heats} a player of {rows} gains {gain:.2g} more")
            again = _answer(name, solver, MatrixGame(payoff, heats))
            expect(all(map(np.array_equal, first, again)), f"{name}: two solutions of one problem differ")


def _answer(name: str, solver: Solver, problem: MatrixGame) -> tuple[Array, Array]:
    solution = solver.solve(problem)
    expect(isinstance(solution, Solution), f"{name}: expected a Solution, got {type(solution).__name__}")
    expect(solution.ok, f"{name}: did not reach the end: {dict(solution.stats)}")
    expect(not solution.trace, f"{name}: nothing was to be recorded, yet the trace holds {sorted(solution.trace)}")
    for key, value in solution.stats.items():
        expect(isinstance(value, int | float | str), f"{name}: the statistic {key!r} must be a number on the host")
    strategies = []
    for part, actions in zip(("row", "column"), problem.payoff.shape, strict=True):
        expect(hasattr(solution.value, part), f"{name}: the answer has no `{part}`")
        masses = np.asarray(getattr(solution.value, part), dtype=np.float64)
        expect(masses.shape == (actions,), f"{name}: `{part}` has shape {masses.shape}, expected {(actions,)}")
        law = masses.min() >= 0 and abs(masses.sum() - 1) <= 1e-9
        expect(law, f"{name}: `{part}` must be of at least 0 and sum to 1, got {masses.tolist()}")
        strategies.append(masses)
    return strategies[0], strategies[1]


def _gain(A: Array, mu: Array, nu: Array, t1: float, t2: float) -> float:
    """max_p [p . A nu + t1 H(p)] + t1 sum mu ln mu, and the same for the column player."""

    def one(worth: Array, p: Array, t: float) -> float:
        played = p[p > 0]
        best = worth.max() + t * np.log(np.exp((worth - worth.max()) / t).sum())
        return float(best - p @ worth + t * (played * np.log(played)).sum())

    return one(A @ nu, mu, t1) + one(-A.T @ mu, nu, t2)
