"""`check_schedule` passes good schedules and names what is wrong with each faulty one."""

import random

import pytest
import torch

from heatbath.core.contracts import NOTHING
from heatbath.testing import check_schedule


class Good:
    """Falls with the run, and with what it hears."""

    needs = frozenset({"feedback:gradient"})

    def __init__(self, options, setup):
        self.level = 1.0

    def value(self, clock):
        return self.level * (1 - clock.progress)

    def sample(self, clock, count, generator):
        return torch.full((count,), self.value(clock))

    def observe(self, feedback):
        self.level = min(self.level, float(feedback["gradient"]))

    def state_dict(self):
        return {"level": self.level}

    def load_state_dict(self, state):
        self.level = state["level"]


class Law(Good):
    def sample(self, clock, count, generator):
        return torch.rand(count, generator=generator)


@pytest.mark.parametrize("good", [Good, Law])
def test_a_good_schedule_passes(registered, good):
    check_schedule(registered("schedules", good), "toy/it")


class NoSample:
    needs = NOTHING

    def __init__(self, options, setup): ...

    def value(self, clock): ...

    def observe(self, feedback): ...


class TupleOfNeeds(Good):
    needs = ("feedback:gradient",)


class Misspelt(Good):
    needs = frozenset({"gradient"})


class NeedsData(Good):
    needs = frozenset({"feedback:gradient", "prediction"})


class NaNInTheMiddle(Good):
    def value(self, clock):
        return float("nan") if clock.step == 50 else 1.0


class NotFiniteAfterFeedback(Good):
    def observe(self, feedback):
        self.level = float("inf")


class Flag(Good):
    def value(self, clock):
        return clock.step > 3


class ATensor(Good):
    def value(self, clock):
        return torch.tensor(1.0)


class Counts(Good):
    calls = 0

    def value(self, clock):
        self.calls += 1
        return float(self.calls)


class Numbers(Good):
    def sample(self, clock, count, generator):
        return [1.0] * count


class OneDraw(Good):
    def sample(self, clock, count, generator):
        return torch.ones(1)


class InfiniteDraw(Good):
    def sample(self, clock, count, generator):
        return torch.full((count,), torch.inf)


class OwnMood(Good):
    calls = 0

    def sample(self, clock, count, generator):
        self.calls += 1
        return torch.full((count,), float(self.calls))


class Global(Good):
    def sample(self, clock, count, generator):
        return torch.rand(count)


class GlobalPython(Good):
    def value(self, clock):
        random.random()
        return 1.0


class ForgetsWhatItHeard(Good):
    def load_state_dict(self, state): ...


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (NoSample, "a schedule has `needs`, `value`, `sample` and `observe`"),
        (TupleOfNeeds, "`needs` must be a frozenset, got tuple"),
        (Misspelt, "`needs` names 'gradient', which is not in the vocabulary"),
        (NeedsData, "a schedule can only need `feedback:<name>`, not ['prediction']"),
        (NaNInTheMiddle, "`value` at Clock(step=50, total=100) must be a finite number, got nan"),
        (NotFiniteAfterFeedback, "`value` at Clock(step=0, total=100) must be a finite number, got inf"),
        (Flag, "`value` at Clock(step=0, total=100) must be a finite number, got False"),
        (ATensor, "must be a finite number, got tensor(1.)"),
        (Counts, "asked twice at Clock(step=0, total=100), `value` gives two answers"),
        (Numbers, "`sample` must give a tensor, got list"),
        (OneDraw, "`sample` of 7 has shape (1,)"),
        (InfiniteDraw, "`sample` at Clock(step=0, total=100) is not finite"),
        (OwnMood, "`sample` with equal generators gives two answers"),
        (Global, "the schedule draws from a global random generator; use the one that is passed"),
        (GlobalPython, "the schedule draws from a global random generator; use the one that is passed"),
        (ForgetsWhatItHeard, "the state changes on its way through a checkpoint"),
    ],
)
def test_a_faulty_schedule_is_told_what_is_wrong(registered, refuses, faulty, message):
    refuses(message, check_schedule, registered("schedules", faulty), "toy/it", feedback={"gradient": 0.5})


class Picky(Good):
    def observe(self, feedback):
        assert feedback["gradient"].shape == (3,)


def test_feedback_of_ones_own_replaces_the_examples(registered):
    check_schedule(registered("schedules", Picky), "toy/it", feedback={"gradient": torch.ones(3)})
