"""Learning a cubic spiral: the smallest whole neural ODE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from heatbath.core.build import Setup
from heatbath.core.contracts import Clock, InitialValue, StepContext
from heatbath.plugins.neural_ode import options as opt
from heatbath.plugins.neural_ode.training import Course, SolverInTraining
from heatbath.solvers.ode import solve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MATRIX = ((-0.1, 2.0), (-2.0, -0.1))
START = (2.0, 0.0)
PROVIDED = frozenset({"inputs", "prediction", "target", "model"})


def spiral(t: Any, u: Tensor) -> Tensor:
    """u' = u^3 A, shape `(..., 2)`.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018, section 5.1; torchdiffeq's demonstration.
    """
    return u**3 @ torch.tensor(MATRIX, dtype=u.dtype, device=u.device)


class SpiralTask:
    """One step is one optimiser step on windows of a noisy course: from a point given, the next ones are predicted.

    `evaluate` gives `mse` of the whole course from its start against the true one, and `nfe`, the model's evaluations
    for it.
    """

    def __init__(self, options: opt.Spiral, setup: Setup) -> None:
        self.options, self.generator = options, setup.generator
        self.chunk = options.batches_per_epoch
        self.dtype = getattr(torch, options.precision)
        self.model = setup.build("model", options.model, state_size=2, dtype=self.dtype)
        self.training = SolverInTraining(setup, options.solver, options.losses, PROVIDED)
        self.learning_rate = setup.build("learning_rate", options.learning_rate)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.times = tuple(options.duration * i / (options.points - 1) for i in range(options.points))
        self.true, self.seen = self._data(setup)
        self.course = Course()

    def _data(self, setup: Setup) -> tuple[Tensor, Tensor]:
        """The true course and the noisy one, `(points, 2)`."""
        start = torch.tensor(START, dtype=torch.float64)
        true = solve(spiral, start, self.times, "dopri8", rtol=1e-11, atol=1e-11).value
        generator = torch.Generator().manual_seed(setup.streams.seed_of(f"{setup.path}/noise"))
        noise = self.options.noise * torch.randn(true.shape, generator=generator, dtype=true.dtype)
        return true.to(setup.device, self.dtype), (true + noise).to(setup.device, self.dtype)

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """An epoch: metrics are means over its batches."""
        rate = self.learning_rate.value(clock)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        count = min(self.chunk, clock.total - clock.step)
        rows = [self._update(Clock(clock.step + i, clock.total)) for i in range(count)]
        return {**_means(rows), "learning_rate": rate}

    def _update(self, clock: Clock) -> dict[str, Any]:
        window = self.options.window
        size = (self.options.batch,)
        starts = torch.randint(len(self.seen) - window, size, generator=self.generator, device=self.seen.device)
        offsets = torch.arange(1, window + 1, device=self.seen.device)
        given, target = self.seen[starts], self.seen[starts.unsqueeze(1) + offsets]
        solution, values = self.training.solve(InitialValue(self.model, given, self.times[: window + 1]))
        values |= {"inputs": given, "prediction": solution.value[1:].transpose(0, 1), "target": target}
        total, metrics = self.training.objective(StepContext(clock, {**values, "model": self.model}))
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        evaluations = float(solution.stats["evaluations"])
        self.course.add(clock.step + 1, evaluations)
        return {"loss": total.detach(), "nfe": evaluations, **metrics}

    @torch.no_grad()
    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Measures of the whole course, from its true start."""
        problem = InitialValue(self.model, self.true[:1], self.times)
        solution, _ = self.training.solve(problem, training=False)
        error = (solution.value[:, 0] - self.true).square().mean()
        return {"mse": float(error), "nfe": float(solution.stats["evaluations"])}

    def references(self) -> dict[str, dict[str, float | None]]:
        """The true vector field, by the same solver."""
        solution = self.training.solver.solve(InitialValue(spiral, self.true[:1], self.times))
        return {"true field": {"mse": 0.0, "nfe": float(solution.stats["evaluations"])}}

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.neural_ode import figures  # matplotlib is an extra

        with torch.no_grad():
            problem = InitialValue(self.model, self.true[:1], self.times)
            records = self.training.solver.records & {"t", "h", "error", "stiffness"}
            solution = self.training.solver.solve(problem, record=records)
        course = solution.value[:, 0]
        found = {"phase_portrait": lambda: figures.phase_portrait(self.times, self.true, course, self.model)}
        if "h" in solution.trace:
            found["steps"] = lambda: figures.steps(solution.trace)
        return {**found, "evaluations": lambda: figures.evaluations(self.course.rows)}

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "course": self.course.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.course.load_state_dict(state["course"])


def _means(rows: list[dict[str, Any]]) -> dict[str, Tensor | float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
