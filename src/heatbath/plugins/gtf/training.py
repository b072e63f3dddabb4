"""Optimiser steps on forced windows, by automatic differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from heatbath.core.build import Objective
from heatbath.core.contracts import Clock, Recurrence, Solver, StepContext
from heatbath.plugins.gtf.observation import LatentModel
from heatbath.solvers.recurrence.forcing import Forcing


class Windows:
    """Pieces of a training series.

    Args:
        series: shape `(points, N)`.
        inputs: external inputs, shape `(points, K)`, each acting on the step that leads to its point, or None.
        length: steps forced in one piece (T), which has T + 1 points.
    """

    def __init__(self, series: Tensor, inputs: Tensor | None, length: int) -> None:
        self.series, self.inputs, self.length = series, inputs, length
        self._offsets = torch.arange(length + 1, device=series.device).unsqueeze(1)

    @property
    def places(self) -> int:
        """How many windows there are."""
        return len(self.series) - self.length

    def at(self, starts: Tensor) -> tuple[Tensor, Tensor | None]:
        """The windows that begin at `starts`, shape `(batch,)`: `(T + 1, batch, N)`, and the inputs `(T, batch, K)`."""
        rows = starts + self._offsets
        return self.series[rows], None if self.inputs is None else self.inputs[rows[1:]]


@dataclass(frozen=True)
class Piece:
    """Consecutive optimiser steps with one feedback.

    Args:
        clock: before the first of them.
        starts: of the windows, shape `(steps, batch)`.
        alpha: forcing strength of each step.
        learning_rate: of all.
    """

    clock: Clock
    starts: Tensor
    alpha: Sequence[float]
    learning_rate: float


class Trainer(Protocol):
    """Takes optimiser steps; `fused` says whether a compiled kernel takes them whole.

    A state is, by the name of each parameter, how often it was updated, and RAdam's running means of its gradient and
    of that squared: the same for all trainers, so that one goes on where another stopped.
    """

    fused: bool

    def advance(self, piece: Piece) -> dict[str, Tensor]:
        """Take the steps; sums of their metrics, 0-d."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class AutogradTrainer:
    """z_t = F(~z_{t-1}), ~z_t = (1 - alpha) z_t + alpha z^_t, loss on g(z_t) against x_t, t = 2 .. T + 1; RAdam.

    ~z_1 = z_1 = init(x_1), inside the gradient; the forcing signals z^ are not. Works with any model, observation,
    solver and loss.

    Args:
        model: dynamics and observation.
        windows: what is trained on.
        solver: steps the model.
        objective: the weighted losses.
        interval: steps between two forcings.
        generator: handed to the solver.
    """

    fused = False

    def __init__(
        self,
        model: LatentModel,
        windows: Windows,
        solver: Solver,
        objective: Objective,
        interval: int,
        generator: Generator,
    ) -> None:
        self.model, self.windows, self.solver, self.objective = model, windows, solver, objective
        self.interval, self.generator = interval, generator
        self.optimizer = torch.optim.RAdam(model.parameters())

    def advance(self, piece: Piece) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = piece.learning_rate
        sums: dict[str, Tensor] = {}
        for index, (starts, alpha) in enumerate(zip(piece.starts, piece.alpha, strict=True)):
            clock = Clock(piece.clock.step + index, piece.clock.total)
            for name, value in self._update(clock, starts, alpha).items():
                sums[name] = sums[name] + value if name in sums else value
        return sums

    def _update(self, clock: Clock, starts: Tensor, alpha: float) -> dict[str, Tensor]:
        """One optimiser step."""
        (x, inputs), observation = self.windows.at(starts), self.model.observation
        forcing = Forcing(observation.strength(alpha, x), observation.signal(x[1:]), self.interval)
        problem = Recurrence(self.model, self.model.encode(x[0]), self.windows.length, inputs)
        record = self.objective.records | {"proposal"}
        solution = self.solver.solve(problem, record=record, on_step=forcing, generator=self.generator)
        values = {f"solution:{name}": item for name, item in solution.trace.items()}
        # The loss is on the states before forcing; the forced ones only feed the next step.
        predicted = self.model.observe(solution.trace["proposal"])
        values |= {"prediction": predicted.transpose(0, 1), "target": x[1:].transpose(0, 1), "model": self.model}
        total, metrics = self.objective(StepContext(clock, values))
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return {"loss": total.detach(), **metrics}

    def state_dict(self) -> dict[str, Any]:
        moments = {}
        for name, parameter in self.model.named_parameters():
            if kept := self.optimizer.state.get(parameter):
                moments[name] = (int(kept["step"]), kept["exp_avg"], kept["exp_avg_sq"])
        return {"moments": moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.state.clear()
        for name, parameter in self.model.named_parameters():
            if name in state["moments"]:
                done, mean, square = state["moments"][name]
                averages = {"exp_avg": mean.to(parameter).clone(), "exp_avg_sq": square.to(parameter).clone()}
                self.optimizer.state[parameter] = {"step": torch.tensor(float(done)), **averages}
