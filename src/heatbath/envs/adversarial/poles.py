"""Poles to balance and to swing up, with rewards in [0, 1] a step as dm_control's tasks of these names have them.

The models are our own, with the masses and lengths that the method's ranges of masses assume, since dm_control does not
run on every MuJoCo that this package runs on. Angles are copied before numpy takes their cosine: it need not give the
same bits for the batch's strided columns as for the loop's contiguous ones.

Reference: Tassa et al., "dm_control", Software Impacts 6, 2020; Reddi et al., ICLR 2024, for forces and ranges.
"""

from __future__ import annotations

import math

import numpy as np

from heatbath.envs.adversarial.forces import ForceField
from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.model_files import ours
from heatbath.envs.adversarial.simulations import Simulations
from heatbath.envs.adversarial.starts import Start, around
from heatbath.envs.adversarial.task import Step, Task, Varied


def nearness(distance: Array, margin: float) -> Array:
    """0.1^((distance / margin)^2): 1 at 0, falling as a Gaussian to 0.1 at the margin.

    >>> nearness(np.array([0.0, 2.0]), 2.0).round(3).tolist()
    [1.0, 0.1]
    """
    return np.power(0.1, np.square(distance / margin))


def _observe_cartpole(simulations: Simulations) -> Array:
    place, angle = simulations.qpos[:, :1], simulations.qpos[:, 1:].copy()
    return np.concatenate((place, np.cos(angle), np.sin(angle), simulations.qvel), axis=1)


def _judge_cartpole(step: Step) -> tuple[Array, Flags]:
    """Upright, near the middle, with little effort and a slow pole: a product of four numbers in [0, 1]."""
    qpos, qvel = step.simulations.qpos.T.copy(), step.simulations.qvel.T.copy()
    upright = (1 + np.cos(qpos[1])) / 2
    middle = (1 + nearness(qpos[0], 2.0)) / 2
    effort = (5 - np.square(step.action[:, 0].astype(np.float64))) / 5
    slow = (1 + nearness(qvel[1], 5.0)) / 2
    return upright * middle * effort * slow, np.zeros(step.simulations.num, bool)


def _cartpole(name: str, start: Start, pole: tuple[float, float]) -> Task:
    return Task(
        name=name,
        load=ours("cartpole.xml"),
        frame_skip=1,
        field=ForceField(("pole",), "xz", 2.0),
        horizon=1000,
        start=start,
        observe=_observe_cartpole,
        judge=_judge_cartpole,
        grid=(Varied("pole", *pole), Varied("cart", 0.5, 1.5)),
    )


def _observe_pendulum(simulations: Simulations) -> Array:
    angle = simulations.qpos.copy()
    return np.concatenate((np.cos(angle), np.sin(angle), simulations.qvel), axis=1)


def _judge_pendulum(step: Step) -> tuple[Array, Flags]:
    """1 within 8 degrees of upright, else 0."""
    upright = np.cos(step.simulations.qpos[:, 0].copy()) >= math.cos(math.radians(8))
    return upright.astype(np.float64), np.zeros(step.simulations.num, bool)


CARTPOLE_BALANCE = _cartpole("cartpole-balance", around((0.0, 0.0), (0.1, 0.034), 0.01), (1, 20))
CARTPOLE_SWINGUP = _cartpole("cartpole-swingup", around((0.0, math.pi), (0.02, 0.02), 0.01), (0.05, 0.15))
PENDULUM_SWINGUP = Task(
    name="pendulum-swingup",
    load=ours("pendulum.xml"),
    frame_skip=1,
    field=ForceField(("pole",), "xz", 1.0),
    horizon=1000,
    start=around((0.0,), (math.pi,), 0.0),
    observe=_observe_pendulum,
    judge=_judge_pendulum,
    grid=(Varied("pole", 0.05, 0.15), Varied("bob", 0.5, 1.5)),
)
