"""Classifying handwritten digits by a flow, regularised by its solver's estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn

from heatbath.core.build import Setup
from heatbath.core.contracts import Clock, InitialValue, StepContext
from heatbath.core.errors import MissingExtra
from heatbath.plugins.neural_ode import options as opt
from heatbath.plugins.neural_ode.training import Course, SolverInTraining

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROVIDED = frozenset({"inputs", "prediction", "target", "model"})
TRAINED, CLASSES, PIXELS = 1437, 10, 64
INTERVAL = (0.0, 1.0)


class DigitsTask:
    """x (64 pixels in [0, 1]) -> u(1) of u' = f(t, u), u(0) = x -> linear layer -> logits; a chunk is an epoch.

    `evaluate` gives `accuracy` on 360 images that are not learned from, in [0, 1], their `cross_entropy` in nats, and
    `nfe`, evaluations of f for all of them in one batch.

    Reference:
        Pal, Ma, Shah, Rackauckas, ICML 2021, section 4.1: the same on MNIST.
    """

    def __init__(self, options: opt.Digits, setup: Setup) -> None:
        self.options, self.generator = options, setup.generator
        self.dtype = getattr(torch, options.precision)
        self.model = setup.build("model", options.model, state_size=PIXELS, dtype=self.dtype)
        self.readout = nn.Linear(PIXELS, CLASSES, dtype=self.dtype).to(setup.device)
        self.training = SolverInTraining(setup, options.solver, options.losses, PROVIDED)
        parameters = [*self.model.parameters(), *self.readout.parameters()]
        self.optimizer = torch.optim.SGD(parameters, lr=options.learning_rate, momentum=options.momentum)
        self.images, self.labels = _digits(setup, self.dtype)
        self.chunk = TRAINED // options.batch
        self.course = Course()

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """An epoch: metrics are means over its batches; images that fill no batch are left for another epoch."""
        count = min(self.chunk, clock.total - clock.step)
        order = torch.randperm(TRAINED, generator=self.generator, device=self.images.device)
        rows = []
        for i in range(count):
            batch = order[i * self.options.batch : (i + 1) * self.options.batch]
            rows.append(self._update(Clock(clock.step + i, clock.total), self.images[batch], self.labels[batch]))
        return {name: sum(row[name] for row in rows) / count for name in rows[0]}

    def _update(self, clock: Clock, images: Tensor, labels: Tensor) -> dict[str, Any]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate / (1 + self.options.decay * clock.step)
        solution, values = self.training.solve(InitialValue(self.model, images, INTERVAL))
        target = nn.functional.one_hot(labels, CLASSES).to(self.dtype)
        values |= {"inputs": images, "prediction": self.readout(solution.value[-1]), "target": target}
        total, metrics = self.training.objective(StepContext(clock, {**values, "model": self.model}))
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        evaluations = float(solution.stats["evaluations"])
        self.course.add(clock.step + 1, evaluations)
        return {"loss": total.detach(), "nfe": evaluations, **metrics}

    @torch.no_grad()
    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Measures on the images that are not learned from."""
        images, labels = self.images[TRAINED:], self.labels[TRAINED:]
        solution, _ = self.training.solve(InitialValue(self.model, images, INTERVAL), training=False)
        logits = self.readout(solution.value[-1])
        return {
            "accuracy": float((logits.argmax(1) == labels).double().mean()),
            "cross_entropy": float(nn.functional.cross_entropy(logits, labels)),
            "nfe": float(solution.stats["evaluations"]),
        }

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.neural_ode import figures  # matplotlib is an extra

        with torch.no_grad():
            times = tuple(i / 50 for i in range(51))
            records = self.training.solver.records & {"t", "h", "error", "stiffness"}
            problem = InitialValue(self.model, self.images[TRAINED:], times)
            solution = self.training.solver.solve(problem, record=records)
        labels = self.labels[TRAINED:]
        found = {"flow": lambda: figures.flow(solution.value, labels)}
        if "h" in solution.trace:
            found["steps"] = lambda: figures.steps(solution.trace)
        return {**found, "evaluations": lambda: figures.evaluations(self.course.rows)}

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {
            "readout": self.readout.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "course": self.course.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.readout.load_state_dict(state["readout"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.course.load_state_dict(state["course"])


def _digits(setup: Setup, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """1797 images of 64 pixels in [0, 1] and their labels, in an order of the run's own; the first 1437 are learned."""
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"neural-ode.digits needs scikit-learn: pip install 'heatbath[data]' (missing: {missing.name})"
        ) from None
    images, labels = load_digits(return_X_y=True)
    generator = torch.Generator().manual_seed(setup.streams.seed_of(f"{setup.path}/split"))
    order = torch.randperm(len(labels), generator=generator)
    pixels = torch.from_numpy(images)[order] / 16
    return pixels.to(setup.device, dtype), torch.from_numpy(labels)[order].to(setup.device, torch.int64)
