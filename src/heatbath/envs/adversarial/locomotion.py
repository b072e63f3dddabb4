"""gymnasium's MuJoCo bodies (version 5), with forces where adversarial training has put them.

Model files are those of the installed gymnasium, so that these are its environments to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
from numpy.random import Generator

from heatbath.envs.adversarial.forces import ForceField
from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.simulations import Simulations
from heatbath.envs.adversarial.task import Step, Task, positions_and_velocities

_FOLDER = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"

Start = Callable[[Generator, Array, Array], tuple[Array, Array]]


def _file(name: str) -> Callable[[], mujoco.MjModel]:
    return lambda: mujoco.MjModel.from_xml_path(str(_FOLDER / name))


def _uniform(scale: float) -> Start:
    """Positions and velocities within +-scale of the first state's."""

    def start(rng: Generator, qpos: Array, qvel: Array) -> tuple[Array, Array]:
        return (
            qpos + rng.uniform(-scale, scale, qpos.shape),
            qvel + rng.uniform(-scale, scale, qvel.shape),
        )

    return start


def _abscissa(simulations: Simulations) -> Array:
    return simulations.qpos[:, 0]


def _control_cost(weight: float, action: Array) -> Array:
    cost: Array = weight * np.square(action).sum(1)
    return cost


def _judge_hopper(step: Step) -> tuple[Array, Flags]:
    simulations = step.simulations
    state = np.concatenate((simulations.qpos, simulations.qvel), axis=1)[:, 2:]
    height, angle = simulations.qpos[:, 1], simulations.qpos[:, 2]
    healthy = ((state > -100) & (state < 100)).all(1) & (height > 0.7) & (height < np.inf)
    healthy &= (angle > -0.2) & (angle < 0.2)
    speed = (simulations.qpos[:, 0] - step.before) / step.duration
    return speed + healthy * 1.0 - _control_cost(1e-3, step.action), ~healthy


HOPPER = Task(
    name="hopper",
    load=_file("hopper.xml"),
    frame_skip=4,
    field=ForceField(("foot",), "xz", 1.0),
    horizon=1000,
    start=_uniform(5e-3),
    observe=positions_and_velocities(1, 10),
    judge=_judge_hopper,
    position=_abscissa,
)
