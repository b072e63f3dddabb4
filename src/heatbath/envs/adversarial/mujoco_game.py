"""A two-player game on MuJoCo: N simulations of one task, whose bodies an adversary pushes."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random

from heatbath.core.errors import ConfigError, InvalidInput
from heatbath.envs.adversarial.batched import BatchedSimulations
from heatbath.envs.adversarial.failures import Failures
from heatbath.envs.adversarial.forces import BoundForces, ForceField
from heatbath.envs.adversarial.game import Array, Flags, Outcome, flags
from heatbath.envs.adversarial.serial import SerialSimulations
from heatbath.envs.adversarial.simulations import Simulations
from heatbath.envs.adversarial.task import Step, Task


class MujocoGame:
    """A `BatchGame` of a task.

    With moves 0 of the adversary it is, bit for bit, the environment that the task was made after: simulation i of a
    reset with seed s draws what gymnasium's draws after `reset(seed=s + i)`.

    Args:
        task: what is simulated.
        simulations: N.
        field: what the adversary may push, or the forces of another game of this task; the task's by default.
        horizon: control steps of an episode; the task's by default.
        threads: that step the simulations.
        serial: whether to step them in a Python loop instead, the reference path.
        failure_rate: share of the last 1000 steps that may end in a state that is not finite.

    Attributes:
        failures: those so far, `failures.total`.

    Raises:
        ConfigError: for a body or an axis that the model does not have.
        InvalidInput: for numbers out of range.
    """

    observation_space: Box
    protagonist_space: Box
    adversary_space: Box

    def __init__(
        self,
        task: Task,
        simulations: int,
        *,
        field: ForceField | BoundForces | None = None,
        horizon: int | None = None,
        threads: int = 1,
        serial: bool = False,
        failure_rate: float = 0.05,
    ) -> None:
        self.task, self.num_envs = task, simulations
        self.horizon = task.horizon if horizon is None else horizon
        for name, value in (("simulations", simulations), ("horizon", self.horizon), ("threads", threads)):
            if not value >= 1:
                raise InvalidInput(f"`{name}` must be at least 1, got {value}")
        self.failures = Failures(task.name, simulations, failure_rate, "forces and masses")
        model = task.load()
        field = task.field if field is None else field
        self.forces = field if isinstance(field, BoundForces) else field.bind(model)
        kind = SerialSimulations if serial else BatchedSimulations
        self.simulations: Simulations = kind(model, simulations, task.fields, threads)
        self._first = model.qpos0.copy(), np.zeros(model.nv)
        self._duration = model.opt.timestep * task.frame_skip
        self.protagonist_space = _controls(model)
        self.adversary_space = self.forces.space
        self._streams = [np_random(None)[0] for _ in range(simulations)]
        self._elapsed = np.zeros(simulations, np.int64)
        self.simulations.reset(np.arange(simulations), *(np.tile(part, (simulations, 1)) for part in self._first))
        self._observation = task.observe(self.simulations)
        self.observation_space = Box(-np.inf, np.inf, self._observation.shape[1:], np.float64)
        self._begun = np.zeros(simulations, bool)

    def reset(self, seed: int | None = None, mask: Flags | None = None) -> Array:
        """See `BatchGame`."""
        which = np.arange(self.num_envs) if mask is None else np.flatnonzero(flags(mask, self.num_envs))
        if seed is not None:
            for i in which:
                self._streams[i] = np_random(seed + int(i))[0]
        self._begin(which)
        self._begun[which] = True
        self._observation = self.task.observe(self.simulations)
        return self._observation.copy()

    def step(self, protagonist: Array, adversary: Array) -> Outcome:
        """See `BatchGame`.

        Raises:
            InvalidInput: for moves of a wrong shape or that are not finite, and before a first reset.
            NotFinite: when more simulations broke down than `failure_rate` allows.
        """
        if not self._begun.all():
            raise InvalidInput(f"{self.task.name}: not all simulations were reset, call reset() before step()")
        action = np.clip(
            self._moves("protagonist", protagonist, self.protagonist_space),
            self.protagonist_space.low,
            self.protagonist_space.high,
        )
        push = self._moves("adversary", adversary, self.adversary_space)
        task, simulations = self.task, self.simulations
        before = task.position(simulations).copy()
        simulations.ctrl[:] = action
        self.forces.write(push, simulations.qpos, simulations.xfrc_applied)
        failed = simulations.step(task.frame_skip)
        final = task.observe(simulations)
        reward, terminated = task.judge(Step(simulations, before, action, self._duration))
        failed |= ~np.isfinite(final).all(1) | ~np.isfinite(reward)
        self.failures.count(failed)
        if failed.any():
            final[failed], reward[failed], terminated[failed] = self._observation[failed], 0.0, False
        self._elapsed += 1
        truncated = (self._elapsed >= self.horizon) | failed
        ended = terminated | truncated
        self._observation = final
        if ended.any():
            self._begin(np.flatnonzero(ended))
            self._observation = np.where(ended[:, None], task.observe(simulations), final)
        return Outcome(self._observation.copy(), reward, terminated, truncated, final.copy(), failed)

    def vary(
        self,
        masses: Mapping[str, Array] | None = None,
        friction: Array | None = None,
        *,
        recompute_constants: bool = True,
    ) -> None:
        """Give each simulation its own masses and friction; call `reset` after it.

        Args:
            masses: kg by body, shape `(N,)`. Inertias stay, as published.
            friction: sliding friction of every geom, shape `(N,)`.
            recompute_constants: whether what MuJoCo derives from masses (inverse weights) follows.

        Raises:
            ConfigError: for a body that the model does not have.
            InvalidInput: for values of a wrong shape, or that are not positive and finite.
        """
        model, by_id = self.simulations.model, {}
        names = [model.body(i).name for i in range(1, model.nbody)]
        for body, mass in (masses or {}).items():
            if body not in names:
                raise ConfigError(f"no body {body!r} with a mass; the model has {', '.join(filter(None, names))}")
            by_id[model.body(body).id] = self._positive(f"mass of {body}", mass)
        rubbing = None if friction is None else self._positive("friction", friction)
        self.simulations.vary(by_id, rubbing, recompute_constants)
        self._begun[:] = False

    def snapshot(self, index: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """Copies of one simulation's model and data (its forces in `xfrc_applied`), to draw it."""
        return self.simulations.snapshot(index)

    def close(self) -> None:
        """See `BatchGame`."""
        self.simulations.close()

    def _begin(self, which: np.ndarray) -> None:
        if not len(which):
            return
        starts = [self.task.start(self._streams[i], *self._first) for i in which]
        self.simulations.reset(which, np.stack([qpos for qpos, _ in starts]), np.stack([qvel for _, qvel in starts]))
        self._elapsed[which] = 0

    def _moves(self, player: str, moves: Array, space: Box) -> Array:
        array = np.asarray(moves)
        if array.shape != (self.num_envs, *space.shape):
            raise InvalidInput(
                f"the {player}'s moves must have shape {(self.num_envs, *space.shape)}, got {array.shape}"
            )
        if not np.isfinite(array).all():
            raise InvalidInput(
                f"the {player}'s moves are not finite in simulation {np.argwhere(~np.isfinite(array))[0, 0]}"
            )
        return array

    def _positive(self, what: str, values: Array) -> Array:
        array = np.asarray(values, np.float64)
        if array.shape != (self.num_envs,):
            raise InvalidInput(f"{what} must have shape {(self.num_envs,)}, got {array.shape}")
        if not (np.isfinite(array) & (array > 0)).all():
            raise InvalidInput(
                f"{what} must be positive and finite, got values from {array.min():g} to {array.max():g}"
            )
        return array


def _controls(model: mujoco.MjModel) -> Box:
    """The space of a model's controls, unbounded where an actuator has no range."""
    limits = np.where(model.actuator_ctrllimited[:, None], model.actuator_ctrlrange, (-np.inf, np.inf))
    low, high = limits.astype(np.float32).T
    return Box(low, high, dtype=np.float32)
