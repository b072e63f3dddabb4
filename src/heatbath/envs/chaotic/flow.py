"""What a simulator of the problem `flow` gives, and what all of ours share."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from heatbath.core.errors import ConfigError
from heatbath.envs.chaotic.exponents import Exponents


@runtime_checkable
class Flow(Protocol):
    """A dynamical system seen at equal intervals: what an env of the problem `flow` gives.

    Maps are flows of time step 1. This much is asked of everybody's; ours give more, see `System`.

    Attributes:
        dim: number of observed variables.
        time_step: time between points.
        lyapunov_max: its largest Lyapunov exponent per unit of time, where it is known.
    """

    dim: int
    time_step: float
    lyapunov_max: float | None

    def series(self, points: int, generator: Generator) -> Tensor:
        """A trajectory on the attractor from a random start, shape `(points, dim)`, float64."""


class System:
    """A flow with its state laid open, so that it can stand where a model stands and be measured like one.

    `step` is the map over one time step, in whatever dtype and on whatever device the state is; `jacobian`, where a
    system has one, its derivative. A state may be larger than what is observed of it: `observe` reads out.

    Attributes:
        state_dim: numbers in a state; `dim` where all are observed.
        transient: steps that `series` leaves out before it begins.
        exponents: what is known of the Lyapunov exponents at these parameters.
    """

    dim: int
    time_step: float
    transient: int = 10_000
    exponents: Exponents | None = None

    @property
    def state_dim(self) -> int:
        return self.dim

    @property
    def lyapunov_max(self) -> float | None:
        return None if self.exponents is None else self.exponents.spectrum[0]

    def start(self, batch: int, generator: Generator) -> Tensor:
        """Random states in the attractor's basin, shape `(batch, state_dim)`, float64, on the generator's device."""
        raise NotImplementedError

    def step(self, state: Tensor) -> Tensor:
        """The states one time step later; both of shape `(..., state_dim)`."""
        raise NotImplementedError

    def observe(self, state: Tensor) -> Tensor:
        """What is seen of states `(..., state_dim)`, shape `(..., dim)`."""
        return state

    def trajectory(self, start: Tensor, points: int, skip: int = 0) -> Tensor:
        """The observations that follow a start, which is not part of them.

        Args:
            start: shape `(state_dim,)` or `(batch, state_dim)`. Rows of a batch are those of single runs.
            points: how many are kept.
            skip: steps left out before them.

        Returns:
            Shape `(points, dim)` or `(batch, points, dim)`, in the dtype and on the device of the start.
        """
        check_points(points, skip)
        if start.shape[-1] != self.state_dim or start.dim() not in (1, 2):
            raise ConfigError(
                f"expected a start of shape ({self.state_dim},) or (batch, {self.state_dim}), got {tuple(start.shape)}"
            )
        run = self._run(start.reshape(-1, self.state_dim), points, skip)
        return run if start.dim() == 2 else run[0]

    def series(self, points: int, generator: Generator, batch: int | None = None) -> Tensor:
        """Trajectories on the attractor from random starts, their first `transient` steps left out.

        Args:
            points: length.
            generator: of the starts; the series is made on its device.
            batch: how many; None for one without a batch axis.

        Returns:
            Shape `(points, dim)` or `(batch, points, dim)`, float64.

        Raises:
            ConfigError: when it leaves the numbers.
        """
        run = self.trajectory(self.start(batch or 1, generator), points, self.transient)
        if not bool(run.isfinite().all()):
            raise ConfigError(
                f"the series of {type(self).__name__} leaves the numbers: at these parameters it escapes, or "
                "`time_step` is too long for the integration (a smaller one, or more `substeps`)"
            )
        return run[0] if batch is None else run

    def _run(self, state: Tensor, points: int, skip: int) -> Tensor:
        """`trajectory` of a batch, step by step."""
        seen = state.new_empty(len(state), points, self.dim)
        with torch.inference_mode():
            for index in range(-skip, points):
                state = self.step(state)
                if index >= 0:
                    seen[:, index] = self.observe(state)
        return seen


def check_points(points: int, skip: int) -> None:
    """Raise unless both are counts."""
    if points < 0 or skip < 0:
        raise ConfigError(f"expected `points` and `skip` of at least 0, got {points} and {skip}")


def normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Standard normal numbers, float64, on the generator's device."""
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)
