"""What the registered two-player environments build: `(options, setup, simulations) -> MujocoGame`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from heatbath.core.build import Setup
from heatbath.envs.adversarial import locomotion, poles, wind
from heatbath.envs.adversarial.forces import BoundForces, ForceField
from heatbath.envs.adversarial.mujoco_game import MujocoGame
from heatbath.envs.adversarial.options import Simulated
from heatbath.envs.adversarial.task import Task

Target = Callable[..., MujocoGame]


def make(task: Task, options: Simulated, simulations: int, setup: Setup | None = None) -> MujocoGame:
    """A game of a task with a registered environment's options. Raises as `MujocoGame` does.

    Forces that another game of the same run has are taken from it, so that a run warns of an inert axis once.
    """
    field = replace(
        task.field,
        max_force=options.max_force,
        bodies=options.bodies or task.field.bodies,
        axes=options.axes or task.field.axes,
    )
    return MujocoGame(
        task,
        simulations,
        field=_known(setup, task, field) or field,
        horizon=options.horizon,
        threads=options.threads,
        serial=options.serial,
        failure_rate=options.failure_rate,
    )


def _known(setup: Setup | None, task: Task, field: ForceField) -> BoundForces | None:
    for game in () if setup is None else setup.built.values():
        if isinstance(game, MujocoGame) and game.task.name == task.name and game.forces.field == field:
            return game.forces
    return None


def _target(task: Callable[[Any], Task]) -> Target:
    def build(options: Simulated, setup: Setup | None = None, *, simulations: int = 1) -> MujocoGame:
        return make(task(options), options, simulations, setup)

    return build


def _always(task: Task) -> Target:
    return _target(lambda options: task)


def _course(course: wind.Course) -> Target:
    def task(options: Any) -> Task:
        return wind.task(replace(course, cliff=options.cliff))

    return _target(task)


Hopper = _always(locomotion.HOPPER)
HalfCheetah = _always(locomotion.HALF_CHEETAH)
Walker2d = _always(locomotion.WALKER2D)
InvertedPendulum = _always(locomotion.INVERTED_PENDULUM)
Ant = _always(locomotion.ANT)
CartpoleBalance = _always(poles.CARTPOLE_BALANCE)
CartpoleSwingup = _always(poles.CARTPOLE_SWINGUP)
PendulumSwingup = _always(poles.PENDULUM_SWINGUP)
WindCorridor = _course(wind.CORRIDOR)
WindNavigation = _course(wind.NAVIGATION)
