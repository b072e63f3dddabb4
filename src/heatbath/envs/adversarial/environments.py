"""What the registered two-player environments build: `(options, setup, simulations) -> MujocoGame`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from heatbath.envs.adversarial import locomotion
from heatbath.envs.adversarial.mujoco_game import MujocoGame
from heatbath.envs.adversarial.options import Simulated
from heatbath.envs.adversarial.task import Task

Target = Callable[..., MujocoGame]


def make(task: Task, options: Simulated, simulations: int) -> MujocoGame:
    """A game of a task with a registered environment's options. Raises as `MujocoGame` does."""
    field = replace(
        task.field,
        max_force=options.max_force,
        bodies=options.bodies or task.field.bodies,
        axes=options.axes or task.field.axes,
    )
    return MujocoGame(
        task,
        simulations,
        field=field,
        horizon=options.horizon,
        threads=options.threads,
        serial=options.serial,
        failure_rate=options.failure_rate,
    )


def _target(task: Task) -> Target:
    def build(options: Any, setup: Any = None, *, simulations: int = 1) -> MujocoGame:
        return make(task, options, simulations)

    return build


Hopper = _target(locomotion.HOPPER)
