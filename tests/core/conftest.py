"""A small experiment for the tests of the run half.

It draws from every kind of random stream, has a model that the host saves and an optimiser that it saves itself, and
keeps something between checkpoints that only the barrier makes harmless. `trouble` tells it to fail at a step.
"""

import json
import random
from dataclasses import dataclass
from importlib.metadata import distribution
from typing import ClassVar

import numpy as np
import pytest
import torch

from heatbath import Component, Host, hookimpl
from heatbath.core import discovery, environment, loop
from heatbath.core.choices import Pick, Slots, loss, losses, metric, metrics, pick
from heatbath.core.config import read_run, to_argv
from heatbath.core.contracts import Clock, StepContext, Term
from heatbath.core.errors import NotFinite
from heatbath.core.plan import Plan
from heatbath.core.runs import Run
from heatbath.core.tables import Row, Table


@dataclass(frozen=True)
class LineOptions:
    """A line through noise."""

    plan: ClassVar[Plan] = Plan(steps=12, evaluate_every=4, checkpoint_every=4, device="cpu")

    model: Pick = pick("models", "toy/affine", problem="line")
    """what learns it"""
    losses: Slots = losses(fit=loss("mse"))
    """what is minimised"""
    metrics: Slots = metrics(error=metric("toy/error"))
    """what it is judged by"""
    chunk: int = 1
    """steps between two readings of the metrics"""
    trouble: str = "none"
    """`nan@5` makes the loss of step 5 not a number; `raise@5` and `interrupt@5` stop there"""


class Line:
    """y = sum(x) + noise, from 8 new samples a step."""

    def __init__(self, options, setup):
        self.options, self.generator, self.chunk = options, setup.generator, options.chunk
        self.model = setup.build("model", options.model, size=3)
        provides = frozenset({"prediction", "target", "model"})
        self.objective = setup.objective("losses", options.losses, provides)
        self.metrics = setup.metrics("metrics", options.metrics, provides)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.05)
        self.trail = 0.0  # not saved: what it holds is dropped at the barrier

    def step(self, clock):
        steps = range(clock.step, min(clock.step + self.chunk, clock.total))
        for now in steps:
            self._fail_at(now + 1)
            total, parts = self._update(Clock(now, clock.total))
        if self.options.trouble in {f"nan@{now + 1}" for now in steps}:
            parts["loss/fit"] = parts["loss/fit"] * torch.nan
        return {"loss": total.detach(), **parts, "threads": torch.get_num_threads()}

    def _fail_at(self, step):
        if self.options.trouble == f"raise@{step}":
            raise RuntimeError("a wire came loose")
        if self.options.trouble == f"interrupt@{step}":
            raise KeyboardInterrupt

    def _update(self, clock):
        x = torch.rand(8, 3, generator=self.generator)
        self.trail += float(x[0, 0])
        noise = torch.rand(()) + np.random.rand() + random.random() + self.trail  # noqa: NPY002
        values = {"prediction": self.model(x), "target": x.sum(1, keepdim=True) + noise, "model": self.model}
        total, parts = self.objective(StepContext(clock, values))
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return total, parts

    @torch.no_grad()
    def evaluate(self, clock, generator):
        x = torch.rand(50, 3, generator=generator)
        values = {"prediction": self.model(x), "target": x.sum(1, keepdim=True), "model": self.model}
        found = self.metrics(StepContext(clock, values, "evaluate", generator))
        return {**found, "drawn": float(torch.rand(())), "threads": float(torch.get_num_threads())}

    def barrier(self):
        self.trail = 0.0

    def figures(self):
        return {}

    def state_dict(self):
        return {"optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.optimizer.load_state_dict(state["optimizer"])


class Affine(torch.nn.Linear):
    """x W + b."""

    def __init__(self, options, setup, size):
        super().__init__(size, 1)


class Error:
    """Mean distance of prediction and target."""

    needs = frozenset({"prediction", "target"})

    def __init__(self, options, setup):
        self.reset()

    def reset(self):
        self.found = float("nan")

    def update(self, context):
        self.found = float((context["prediction"] - context["target"]).abs().mean())

    def compute(self):
        return self.found


class Draw(Error):
    """A number from the stream that it is given, and one more."""

    needs = frozenset()

    def update(self, context):
        self.found = float(torch.rand((), generator=context.generator))

    def compute(self):
        return {"number": self.found, "half": self.found / 2}


class Jitter:
    """The squared error of a prediction that is shaken, by its own stream and by the global one."""

    needs = frozenset({"prediction", "target"})
    reduced = False

    def __init__(self, options, setup):
        self.unused = torch.rand(7)  # building draws, too

    def __call__(self, context):
        shaken = context["prediction"] + torch.rand(8, 1, generator=context.generator)
        return Term((shaken - context["target"]).square().mean(1), {"largest": shaken.detach().max()})


def table():
    options = {"none": "none", "diverging": "nan@5", "broken": "raise@5"}
    rows = [Row(name, {"trouble": trouble, "steps": 8}) for name, trouble in options.items()]
    rows[0] = Row("fine", {"steps": 8}, {"error": (0.25, 0.125)}, "published by nobody")
    return Table("toy/line", ("error", "absent"), tuple(rows), "nowhere")


FINE = Table("toy/line", ("error",), (Row("a", {"steps": 4}), Row("b", {"steps": 4}, {"error": 0.5})), "nowhere")


class Toys:
    """The plugin."""

    @hookimpl
    def register_experiments(self, register):
        register(Component("toy/line", "a line", f"{__name__}:Line", f"{__name__}:LineOptions"))

    @hookimpl
    def register_models(self, register):
        register(Component("toy/affine", "x W + b", f"{__name__}:Affine", problem="line"))

    @hookimpl
    def register_losses(self, register):
        register(Component("toy/jitter", "shaken squares", f"{__name__}:Jitter"))

    @hookimpl
    def register_metrics(self, register):
        register(Component("toy/error", "mean distance", f"{__name__}:Error"))
        register(Component("toy/draw", "a random number", f"{__name__}:Draw"))

    @hookimpl
    def register_tables(self, register):
        register(Component("toy/table", "one good row of three", f"{__name__}:table"))
        register(Component("toy/fine", "two good rows", f"{__name__}:FINE"))


@pytest.fixture
def _few_packages(monkeypatch):
    """Reading the names of all installed distributions takes a tenth of a second, in every run."""
    few = [distribution(name) for name in ("heatbath", "torch")]
    monkeypatch.setattr(environment, "distributions", lambda: few)


@pytest.fixture
def lab_of(host, _few_packages):
    """Makes strict hosts with heatbath's own plugins and the toys, of a version."""

    def make(version="1.0", strict=True):
        made = Host(strict=strict).load("all", offers=[o for o in discovery.installed() if o.first_party])
        made.add(Toys(), "toy", "toy-shop", version)
        return made

    return make


@pytest.fixture
def lab(lab_of):
    """A host with the toys."""
    return lab_of()


@pytest.fixture
def line():
    """The class of the task, for a test to change."""
    return Line


@pytest.fixture
def new_run(lab, tmp_path):
    """Makes runs of `toy/line` that are not started, under a name."""

    def make(name="it", /, host=None, **options):
        config, plan, _ = read_run(host or lab, "toy/line", to_argv(options))
        return Run(host or lab, "toy/line", config, plan, tmp_path / name)

    return make


@pytest.fixture
def whole(new_run):
    """Makes runs of `toy/line` and carries them to their end."""

    def make(name="whole", /, **options):
        run = new_run(name, **options)
        loop.start(run)
        loop.advance(run)
        return run

    return make


@pytest.fixture
def cut_off(new_run):
    """Makes run directories of `toy/line` in which somebody pressed Ctrl-C in a step; the trouble is then over."""

    def make(step, name="cut", /, **options):
        run = new_run(name, trouble=f"interrupt@{step}", **options)
        loop.start(run)
        with pytest.raises(KeyboardInterrupt):
            loop.advance(run)
        table = json.loads(run.files.config.read_text())
        table["options"]["trouble"] = "none"
        run.files.config.write_text(json.dumps(table))
        return run.directory

    return make


@pytest.fixture
def diverge(new_run):
    """Makes runs of `toy/line` and lets them diverge; the run and what was raised."""

    def make(step, name="diverged", /, **options):
        run = new_run(name, trouble=f"nan@{step}", **options)
        loop.start(run)
        with pytest.raises(NotFinite) as caught:
            loop.advance(run)
        return run, str(caught.value)

    return make
