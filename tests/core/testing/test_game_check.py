"""The check of game solvers passes what is right and names what is wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from heatbath.core.contracts import Solution
from heatbath.core.errors import ConformanceError
from heatbath.core.testing.games import check_game


class Textbook:
    """Damped answers, over and over, and ways to get it wrong."""

    records = frozenset()

    def __init__(self, fault=""):
        self.fault, self.calls = fault, 0

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        A, (t1, t2) = problem.payoff, problem.temperatures
        if self.fault == "exchanges the temperatures":
            t1, t2 = t2, t1
        row, column = (np.full(actions, 1 / actions) for actions in A.shape)
        for _ in range(4000):
            row = row + 0.01 * (answer(A @ column / t1) - row)
            column = column + 0.01 * (answer(-row @ A / t2) - column)
        return self.spoilt(problem, row, column)

    def spoilt(self, problem, row, column):
        self.calls += 1
        if self.fault == "changes the payoff":
            problem.payoff[0, 0] += 1.0
        if self.fault == "draws":
            torch.rand(())
        if self.fault == "changes its mind":
            row = row + self.calls * np.eye(len(row))[0] * 1e-13
        if self.fault == "is unnormalised":
            row = 2 * row
        if self.fault == "has the wrong shape":
            column = column[None]
        value = SimpleNamespace(row=row) if self.fault == "has one player" else SimpleNamespace(row=row, column=column)
        trace = {"row": row} if self.fault == "always records" else {}
        stats = {"value": row} if self.fault == "counts in arrays" else {}
        return value if self.fault == "answers bare" else Solution(value, self.fault != "gives up", stats, trace)


def answer(logits):
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def test_what_is_right_passes():
    check_game("textbook", Textbook(), 1e-9)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("exchanges the temperatures", r"at temperatures \(0.2, 0.5\) a player of .* gains"),
        ("changes the payoff", "the payoff that it was given is changed"),
        ("draws", "draws from a global random generator"),
        ("changes its mind", "two solutions of one problem differ"),
        ("is unnormalised", "`row` must be of at least 0 and sum to 1"),
        ("has the wrong shape", r"`column` has shape \(1, 2\), expected \(2,\)"),
        ("has one player", "the answer has no `column`"),
        ("always records", "nothing was to be recorded"),
        ("counts in arrays", "the statistic 'value' must be a number on the host"),
        ("answers bare", "expected a Solution, got SimpleNamespace"),
        ("gives up", "did not reach the end"),
    ],
)
def test_what_is_wrong_is_named(fault, message):
    with pytest.raises(ConformanceError, match=message):
        check_game("textbook", Textbook(fault), 1e-9)
