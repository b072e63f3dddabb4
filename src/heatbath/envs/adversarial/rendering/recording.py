"""What happened in one simulation, kept to be drawn: poses, pushes, rewards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.game import Array, BatchGame

Policy = Callable[[Array], Array]
"""Observations of all simulations, shape `(N, d)`, to the moves of all, `(N, m)`, in the units of the game."""


class _Simulations(Protocol):
    """The part of `Simulations` that is read here."""

    @property
    def qpos(self) -> Array: ...

    @property
    def xfrc_applied(self) -> Array: ...

    def snapshot(self, index: int) -> tuple[mujoco.MjModel, mujoco.MjData]: ...


class Drawable(BatchGame, Protocol):
    """A game whose simulations are MuJoCo's."""

    @property
    def simulations(self) -> _Simulations: ...


@dataclass(frozen=True, slots=True)
class Recording:
    """T control steps of one simulation.

    Args:
        model: of this simulation.
        positions: `qpos` before each step, shape `(T, nq)`.
        forces: on each body during each step, in N along the world's axes, shape `(T, nbody, 3)`.
        rewards: of each step, shape `(T,)`.
        time_step: between two control steps, in s.
        ended: whether the episode ended with the last step in a state without future.
    """

    model: mujoco.MjModel
    positions: Array
    forces: Array
    rewards: Array
    time_step: float
    ended: bool = False

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def strongest(self) -> float:
        """The largest force on a body, in N."""
        return float(np.linalg.norm(self.forces, axis=-1).max(initial=0.0))


def record(
    game: Drawable,
    protagonist: Policy,
    adversary: Policy,
    *,
    simulation: int = 0,
    seed: int | None = None,
    steps: int = 1000,
) -> Recording:
    """Play one episode in all simulations of a game, and keep one of them.

    Args:
        game: begun anew here.
        protagonist: its moves.
        adversary: its moves.
        simulation: which one to keep, from 0 to N - 1.
        seed: as for `game.reset`.
        steps: at most so many.

    Raises:
        InvalidInput: for a simulation that the game does not have, or no steps.
    """
    if not 0 <= simulation < game.num_envs:
        raise InvalidInput(f"`simulation` must lie in 0 .. {game.num_envs - 1}, got {simulation}")
    if steps < 1:
        raise InvalidInput(f"`steps` must be at least 1, got {steps}")
    observation, inner = game.reset(seed), game.simulations
    model, begun = inner.snapshot(simulation)
    poses: list[Array] = []
    forces: list[Array] = []
    rewards: list[float] = []
    time_step, ended = 0.0, False
    for step in range(steps):
        pose = inner.qpos[simulation].copy()
        outcome = game.step(protagonist(observation), adversary(observation))
        observation = outcome.observation
        over = bool(outcome.ended[simulation])
        # A simulation that ended stands at its next start already, where nothing is pushed: the last push is repeated.
        force = forces[-1] if over and forces else inner.xfrc_applied[simulation, :, :3].copy()
        poses.append(pose)
        forces.append(force)
        rewards.append(float(outcome.reward[simulation]))
        if step == 0:
            time_step = 0.0 if over else float(inner.snapshot(simulation)[1].time - begun.time)
        if over:
            ended = bool(outcome.terminated[simulation])
            break
    stacked: NDArray[np.float64] = np.stack(forces)
    return Recording(model, np.stack(poses), stacked, np.array(rewards), time_step or model.opt.timestep, ended)
