"""A task as data and a few functions of all simulations at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.random import Generator

from heatbath.envs.adversarial.forces import ForceField
from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.simulations import Simulations


def _nothing(simulations: Simulations) -> Array:
    return np.empty((simulations.num, 0))


@dataclass(frozen=True, slots=True)
class Varied:
    """A range that a robustness grid covers: the mass of a body, kg, or where `body` is None the sliding friction."""

    body: str | None
    low: float
    high: float

    @property
    def label(self) -> str:
        """As an axis of a figure has it."""
        return "friction" if self.body is None else f"mass of {self.body} (kg)"

    def values(self, points: int = 11) -> Array:
        """Evenly spaced, ends included, shape `(points,)`."""
        return np.linspace(self.low, self.high, points)


@dataclass(frozen=True, slots=True)
class Step:
    """A control step that was taken, as rewards see it.

    Args:
        simulations: after it.
        before: what `Task.position` said before it.
        action: the protagonist's, clipped, shape `(N, m)`, in the floating type it was given in.
        duration: seconds.
    """

    simulations: Simulations
    before: Array
    action: Array
    duration: float


@dataclass(frozen=True)
class Task:
    """What is simulated, observed and rewarded. N simulations at once, but for `start`.

    Args:
        name: as it is registered.
        load: makes the model.
        frame_skip: integrator steps in a control step.
        field: what the adversary may push by default.
        horizon: control steps after which an episode is truncated by default.
        start: `(generator, qpos, qvel)` of the model's first state -> those of an episode's; one simulation at a time,
            since each has a stream of its own.
        observe: observations, shape `(N, d)`, a new array.
        judge: rewards and whether episodes terminated, shapes `(N,)`.
        position: what the judge compares with its value before the step, `(N, ...)`; copied. Nothing by default.
        fields: derived fields of MjData that these functions read.
        grid: what its robustness grid varies, rows first.
    """

    name: str
    load: Callable[[], mujoco.MjModel]
    frame_skip: int
    field: ForceField
    horizon: int
    start: Callable[[Generator, Array, Array], tuple[Array, Array]]
    observe: Callable[[Simulations], Array]
    judge: Callable[[Step], tuple[Array, Flags]]
    position: Callable[[Simulations], Array] = _nothing
    fields: tuple[str, ...] = ()
    grid: tuple[Varied, Varied] | None = None


def positions_and_velocities(skipped: int = 0, limit: float | None = None) -> Callable[[Simulations], Array]:
    """Observations (qpos, qvel) without the first `skipped` positions, velocities clipped to +-`limit`."""

    def observe(simulations: Simulations) -> Array:
        velocity = simulations.qvel if limit is None else np.clip(simulations.qvel, -limit, limit)
        return np.concatenate((simulations.qpos[:, skipped:], velocity), axis=1)

    return observe
