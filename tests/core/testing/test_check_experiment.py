"""`check_experiment` passes good experiments and names what is wrong with each faulty one."""

from dataclasses import dataclass

import pytest
import torch

from heatbath.core.errors import NotFinite, RunError
from heatbath.testing import check_experiment


@dataclass(frozen=True)
class Options:
    """How fast."""

    rate: float = 0.5
    """per step"""


class Good:
    """A level that decays with noise."""

    chunk = 2

    def __init__(self, options, setup):
        self.rate, self.generator = options.rate, setup.generator
        self.level, self.velocity = torch.ones(()), torch.zeros(())

    def step(self, clock):
        noise = torch.randn((), generator=self.generator)
        self.velocity = self.rate * self.velocity + 0.1 * noise
        self.level = self.level + self.velocity
        return {"level": self.level}

    def evaluate(self, clock, generator):
        return {"mse": float(self.level) ** 2 + float(torch.rand((), generator=generator))}

    def barrier(self): ...

    def figures(self):
        return {}

    def state_dict(self):
        return {"level": self.level, "velocity": self.velocity}

    def load_state_dict(self, state):
        self.level, self.velocity = state["level"], state["velocity"]


class Single(Good):
    """Without `chunk`."""

    chunk = property()


class Global(Good):
    """The global generators are a run's own."""

    def step(self, clock):
        self.velocity = self.velocity + torch.randn(())
        return super().step(clock)


class Collapses(Good):
    def outcome(self, metrics):
        return "collapsed"


@pytest.mark.parametrize("good", [Good, Single, Global, Collapses])
def test_a_good_experiment_passes(registered, tmp_path, good):
    whole = check_experiment(registered("experiments", good, Options), "toy/it", tmp_path, rate=0.25)
    assert whole.status in ("finished", "collapsed")
    assert whole.config.rate == 0.25
    assert len(whole.history()) == 4
    assert sorted(path.name for path in (tmp_path / "toy-it").iterdir()) == ["cut", "whole"]


def test_the_length_can_be_chosen(registered, tmp_path):
    whole = check_experiment(registered("experiments", Good, Options), "toy/it", tmp_path, chunks=6)
    assert [row["step"] for row in whole.history()] == [2, 4, 6, 8, 10, 12]


class NoBarrier:
    def __init__(self, options, setup): ...

    def step(self, clock): ...

    def evaluate(self, clock, generator): ...

    def figures(self): ...

    def state_dict(self): ...

    def load_state_dict(self, state): ...


class Pauses(Good):
    def outcome(self, metrics):
        return "paused"


class Measureless(Good):
    def evaluate(self, clock, generator):
        return {}


class Shouts(Good):
    def evaluate(self, clock, generator):
        return {"MSE": 1.0}


class Dotted(Good):
    def evaluate(self, clock, generator):
        return {"mse.test": 1.0}


class Moody(Good):
    calls = 0

    def evaluate(self, clock, generator):
        self.calls += 1
        return {"mse": float(self.calls)}


class Learns(Good):
    """Its evaluation moves the state, and gives the same answer all the same."""

    def evaluate(self, clock, generator):
        self.velocity = self.velocity + 1
        return {"mse": 1.0}


class DrawsForTraining(Good):
    def evaluate(self, clock, generator):
        torch.rand((), generator=self.generator)
        return {"mse": 1.0}


class ForgetsVelocity(Good):
    def state_dict(self):
        return {"level": self.level}

    def load_state_dict(self, state):
        self.level = state["level"]


class ForgetsQuietly(Good):
    """What it forgets shows in no metric."""

    count = 0

    def step(self, clock):
        self.count += 1
        return super().step(clock)

    def state_dict(self):
        return {**super().state_dict(), "count": self.count}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.count = 0


class OwnGenerator(Good):
    """A generator that no checkpoint knows of."""

    def __init__(self, options, setup):
        super().__init__(options, setup)
        self.generator = torch.Generator().manual_seed(0)


class AnotherProcess(Good):
    """Builds from the state of the process."""

    built = 0

    def __init__(self, options, setup):
        super().__init__(options, setup)
        type(self).built += 1
        self.rate = 0.1 * type(self).built


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (NoBarrier, "a task has `step`, `evaluate`, `barrier`, `figures` and its state"),
        (Pauses, "ended as paused"),
        (Measureless, "`evaluate` gives no metrics"),
        (Shouts, "the metric 'MSE' is not in snake_case"),
        (Dotted, "the metric 'mse.test' is not in snake_case"),
        (Moody, "`evaluate` gives two answers in a row"),
        (Learns, "`evaluate` changes the state"),
        (DrawsForTraining, "`evaluate` draws from a stream of training; use the generator that is passed"),
        (ForgetsVelocity, "a resumed run has other metrics than an uninterrupted one"),
        (OwnGenerator, "a resumed run has other metrics than an uninterrupted one"),
        (AnotherProcess, "a resumed run has other metrics than an uninterrupted one"),
        (ForgetsQuietly, "a resumed run ends in another state than an uninterrupted one; `state_dict` lacks something"),
    ],
)
def test_a_faulty_experiment_is_told_what_is_wrong(registered, refuses, tmp_path, faulty, message):
    refuses(message, check_experiment, registered("experiments", faulty, Options), "toy/it", tmp_path)


@dataclass(frozen=True)
class Growing:
    """Doubles at each reading."""

    rate: float = 0.5
    """per step"""

    def __post_init__(self):
        object.__setattr__(self, "rate", 2 * self.rate)


@dataclass(frozen=True, eq=False)
class Unequal:
    """Equal to itself alone."""

    rate: float = 0.5
    """per step"""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Growing, "its config changes on the way through config.json"),
        (Unequal, "its options change on the way through config.json"),
    ],
)
def test_options_that_do_not_come_back_are_noticed(registered, refuses, tmp_path, options, message):
    refuses(message, check_experiment, registered("experiments", Good, options), "toy/it", tmp_path)


class Diverges(Good):
    def step(self, clock):
        return {"loss": torch.tensor(torch.nan)}


class SavesCode(Good):
    def state_dict(self):
        return {**super().state_dict(), "code": Good}


def test_what_fails_by_itself_says_so_itself(registered, tmp_path):
    with pytest.raises(NotFinite, match="steps 1 to 2: loss is nan"):
        check_experiment(registered("experiments", Diverges, Options), "toy/it", tmp_path)


def test_a_state_with_code_in_it_is_refused_at_the_first_checkpoint(registered, tmp_path):
    with pytest.raises(RunError, match=r"cannot be read: it holds \S+\.Good, not only tensors and plain Python$"):
        check_experiment(registered("experiments", SavesCode, Options), "toy/it", tmp_path)
