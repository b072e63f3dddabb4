"""Matrix games."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from heatbath.core.contracts import Solution


class FictitiousPlay:
    """Both players answer, at their temperatures, what the other has played on average so far."""

    records = frozenset()

    def __init__(self, options, setup):
        self.rounds = options.rounds

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        A = np.asarray(problem.payoff, dtype=float)
        row, column = (np.full(actions, 1 / actions) for actions in A.shape)
        for played in range(1, self.rounds + 1):
            answers = answer(A @ column, problem.temperatures[0]), answer(-row @ A, problem.temperatures[1])
            row += (answers[0] - row) / (played + 1)
            column += (answers[1] - column) / (played + 1)
        return Solution(SimpleNamespace(row=row, column=column), stats={"rounds": self.rounds})


def answer(worth, temperature):
    """softmax(worth / temperature); at temperature 0 the best action."""
    if temperature == 0:
        return np.eye(len(worth))[worth.argmax()]
    raised = np.exp((worth - worth.max()) / temperature)
    return raised / raised.sum()
