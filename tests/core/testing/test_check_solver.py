"""`check_solver` passes good solvers and names what is wrong with each faulty one."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from heatbath.core.contracts import NOTHING, Solution
from heatbath.testing import check_solver


class Good:
    """The midpoint rule, a hundred steps between output times."""

    records = frozenset({"h", "proposal"})

    def __init__(self, options, setup): ...

    def solve(self, problem, *, record=NOTHING, on_step=None, generator=None):
        y, f = problem.initial_state, problem.derivative
        values, trace = [y], {"h": [], "proposal": []}
        for begin, end in pairwise(problem.times):
            h = (end - begin) / 100
            for i in range(100):
                y = y + h * f(begin + (i + 0.5) * h, y + h / 2 * f(begin + i * h, y))
                trace["h"].append(h)
                trace["proposal"].append(y)
                replaced = self.told(on_step, begin + (i + 1) * h, y) if on_step else None
                y = y if replaced is None else replaced
            values.append(y)
        return Solution(torch.stack(values), stats={"evaluations": 200}, trace={name: trace[name] for name in record})

    def told(self, on_step, t, y):
        return on_step(t, y, {})


class Recurrent(Good):
    """Serves the other problem."""

    def solve(self, problem, *, record=NOTHING, on_step=None, generator=None):
        z, states, proposals = problem.initial_state, [], []
        for index in range(problem.length):
            z = problem.transition(z)
            proposals.append(z)
            replaced = on_step(index + 1.0, z, {"index": index}) if on_step else None
            z = z if replaced is None else replaced
            states.append(z)
        trace = {"h": [1.0] * len(states), "proposal": proposals}
        return Solution(torch.stack(states), trace={name: trace[name] for name in record})


@pytest.mark.parametrize(("good", "problem"), [(Good, "ode"), (Recurrent, "recurrence")])
def test_a_good_solver_passes(registered, good, problem):
    check_solver(registered("solvers", good, problem=problem), "toy/it", accuracy=1e-4)


def test_a_problem_without_a_check_is_named(registered, refuses):
    host = registered("solvers", Good, problem="chess")
    known = "['bottleneck', 'conditioning', 'coupling', 'game', 'ode', 'recurrence', 'sde']"
    refuses(f"there is no check for the problem 'chess', only for {known}", check_solver, host, "toy/it")


def test_more_accuracy_can_be_asked_for_than_there_is(registered, refuses):
    host = registered("solvers", Good, problem="ode")
    refuses("is off by ", check_solver, host, "toy/it", accuracy=1e-9)


class NoSolve:
    records = NOTHING

    def __init__(self, options, setup): ...


class ListOfRecords(Good):
    records = ["h"]  # noqa: RUF012


class Changed(Good):
    """A solver whose answers are spoilt by `spoil`."""

    def solve(self, problem, **how):
        return self.spoil(super().solve(problem, **how), **how)


class Bare(Changed):
    def spoil(self, solution, **how):
        return solution.value


class GivesUp(Changed):
    def spoil(self, solution, **how):
        return replace(solution, ok=False, stats={"reason": "too many steps"})


class TensorStatistic(Changed):
    def spoil(self, solution, **how):
        return replace(solution, stats={"error": torch.zeros(())})


class Listed(Changed):
    def spoil(self, solution, **how):
        return replace(solution, value=list(solution.value))


class WithoutTheFirst(Changed):
    def spoil(self, solution, **how):
        return replace(solution, value=solution.value[1:])


class Single(Changed):
    def spoil(self, solution, **how):
        return replace(solution, value=solution.value.float())


class Off(Changed):
    def spoil(self, solution, **how):
        return replace(solution, value=1.1 * solution.value)


class Detached(Changed):
    def spoil(self, solution, **how):
        return replace(solution, value=solution.value.detach())


class GradientElsewhere(Changed):
    def spoil(self, solution, **how):
        return replace(solution, value=solution.value.detach() * torch.ones((), requires_grad=True))


class WrongGradient(Changed):
    def spoil(self, solution, **how):
        value = solution.value
        return replace(solution, value=value.detach() + 2 * (value - value.detach()))


class AlwaysRecords(Good):
    def solve(self, problem, *, record=NOTHING, on_step=None, generator=None):
        return super().solve(problem, record=frozenset({"h"}), on_step=on_step)


class NeverRecords(Good):
    def solve(self, problem, *, record=NOTHING, on_step=None, generator=None):
        return super().solve(problem, on_step=on_step)


class RecordsAll(Good):
    """One of its two cannot be had alone."""

    def solve(self, problem, *, record=NOTHING, on_step=None, generator=None):
        return super().solve(problem, record=self.records if record else NOTHING, on_step=on_step)


class Global(Changed):
    def spoil(self, solution, **how):
        torch.rand(())
        return solution


class Moody(Changed):
    calls = 0

    def spoil(self, solution, **how):
        self.calls += 1
        return replace(solution, value=solution.value * (1 + 1e-6 * self.calls))


class Watched(Changed):
    def spoil(self, solution, record=NOTHING, **how):
        return replace(solution, value=solution.value * (1 + 1e-6 * len(record)))


class Deaf(Good):
    def told(self, on_step, t, y):
        return None


class Backwards(Good):
    def told(self, on_step, t, y):
        return on_step(-t, y, {})


class ShakenByHooks(Changed):
    def spoil(self, solution, on_step=None, **how):
        return replace(solution, value=solution.value * (1 + 1e-6 * (on_step is not None)))


class IgnoresTheState(Good):
    def told(self, on_step, t, y):
        on_step(t, y, {})


class CutsTheState(Good):
    def told(self, on_step, t, y):
        given = on_step(t, y, {})
        return None if given is None else given.detach()


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (NoSolve, "a solver has `records` and `solve`"),
        (ListOfRecords, "`records` must be a frozenset"),
        (Bare, "expected a Solution, got Tensor"),
        (GivesUp, "did not reach the end: {'reason': 'too many steps'}"),
        (TensorStatistic, "the statistic 'error' must be a number on the host"),
        (Listed, "`value` must be a tensor, got list"),
        (WithoutTheFirst, "shape (2, 3, 2), expected (3, 3, 2)"),
        (Single, "computes in torch.float32, the state is torch.float64"),
        (Off, "is off by 0.1, more than 0.05"),
        (Detached, "no gradient flows to the initial state"),
        (GradientElsewhere, "no gradient flows to the initial state"),
        (WrongGradient, "the gradient is off by 0.5, more than 0.05"),
        (AlwaysRecords, "nothing was to be recorded, yet the trace holds ['h']"),
        (NeverRecords, "asked for ['h', 'proposal'], recorded []"),
        (RecordsAll, "recorded ['h', 'proposal']"),
        (Global, "the solver draws from a global random generator; use the one that is passed"),
        (Moody, "two solutions of one problem differ"),
        (Watched, "recording changes the answer"),
        (Deaf, "`on_step` is never called"),
        (Backwards, "`on_step` sees times out of order"),
        (ShakenByHooks, "an `on_step` that returns None changes the answer"),
        (IgnoresTheState, "`value` must hold the state that `on_step` gave"),
        (CutsTheState, "no gradient flows to a state that `on_step` gave"),
    ],
)
def test_a_faulty_solver_is_told_what_is_wrong(registered, refuses, faulty, message):
    refuses(message, check_solver, registered("solvers", faulty, problem="ode"), "toy/it")
