"""gymnasium's MuJoCo bodies (version 5), with forces where adversarial training has put them.

Model files are those of the installed gymnasium, and sums are made in its order, so that with moves 0 of the adversary
these are its environments to the last bit. Forces act in the plane of the planar robots, x and z: along y they would do
nothing at all. Defaults of the largest force are those of the method's authors for the same robots of another suite;
ranges of masses and frictions likewise.

Reference: Towers et al., "Gymnasium", 2024; Pinto et al., "Robust adversarial reinforcement learning", ICML 2017, for
the places; Reddi et al., ICLR 2024, for forces and ranges.
"""

from __future__ import annotations

import numpy as np

from heatbath.envs.adversarial.forces import ForceField
from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.model_files import gymnasium_file
from heatbath.envs.adversarial.simulations import Simulations
from heatbath.envs.adversarial.starts import uniform, uniform_and_normal
from heatbath.envs.adversarial.task import Step, Task, Varied, positions_and_velocities


def _abscissa(simulations: Simulations) -> Array:
    return simulations.qpos[:, 0]


def _speed(step: Step) -> Array:
    return (step.simulations.qpos[:, 0] - step.before) / step.duration


def _control_cost(weight: float, action: Array) -> Array:
    cost: Array = weight * np.square(action).sum(1)
    return cost


def _within(values: Array, low: float, high: float) -> Flags:
    return (low < values) & (values < high)


def _judge_hopper(step: Step) -> tuple[Array, Flags]:
    qpos, qvel = step.simulations.qpos, step.simulations.qvel
    healthy = _within(qpos[:, 1], 0.7, np.inf) & _within(qpos[:, 2], -0.2, 0.2)
    healthy &= _within(qpos[:, 2:], -100, 100).all(1) & _within(qvel, -100, 100).all(1)
    return _speed(step) + healthy * 1.0 - _control_cost(1e-3, step.action), ~healthy


def _judge_half_cheetah(step: Step) -> tuple[Array, Flags]:
    return _speed(step) - _control_cost(0.1, step.action), np.zeros(step.simulations.num, bool)


def _judge_walker2d(step: Step) -> tuple[Array, Flags]:
    qpos = step.simulations.qpos
    healthy = _within(qpos[:, 1], 0.8, 2.0) & _within(qpos[:, 2], -1.0, 1.0)
    return _speed(step) + healthy * 1.0 - _control_cost(1e-3, step.action), ~healthy


def _judge_inverted_pendulum(step: Step) -> tuple[Array, Flags]:
    fallen = ~(np.abs(step.simulations.qpos[:, 1]) <= 0.2)
    return np.where(fallen, 0.0, 1.0), fallen


def _torso(simulations: Simulations) -> Array:
    return simulations.derived("xpos")[:, 1, :2]


def _contact_forces(simulations: Simulations) -> Array:
    return np.clip(simulations.derived("cfrc_ext"), -1.0, 1.0).reshape(simulations.num, -1)


def _observe_ant(simulations: Simulations) -> Array:
    return np.concatenate((simulations.qpos[:, 2:], simulations.qvel, _contact_forces(simulations)[:, 6:]), axis=1)


def _judge_ant(step: Step) -> tuple[Array, Flags]:
    height = step.simulations.qpos[:, 2]
    healthy = (height >= 0.2) & (height <= 1.0)
    speed = ((_torso(step.simulations) - step.before) / step.duration)[:, 0]
    cost = _control_cost(0.5, step.action) + 5e-4 * np.square(_contact_forces(step.simulations)).sum(1)
    return speed + healthy * 1.0 - cost, ~healthy


HOPPER = Task(
    name="hopper",
    load=gymnasium_file("hopper.xml"),
    frame_skip=4,
    field=ForceField(("foot",), "xz", 1.0),
    horizon=1000,
    start=uniform(5e-3),
    observe=positions_and_velocities(1, 10),
    judge=_judge_hopper,
    position=_abscissa,
    grid=(Varied("torso", 1, 9), Varied(None, 0.1, 1.9)),
)
HALF_CHEETAH = Task(
    name="half-cheetah",
    load=gymnasium_file("half_cheetah.xml"),
    frame_skip=5,
    field=ForceField(("torso", "bfoot", "ffoot"), "xz", 1.0),
    horizon=1000,
    start=uniform_and_normal(0.1),
    observe=positions_and_velocities(1),
    judge=_judge_half_cheetah,
    position=_abscissa,
    grid=(Varied("torso", 3, 9), Varied(None, 0.1, 1.9)),
)
WALKER2D = Task(
    name="walker2d",
    load=gymnasium_file("walker2d_v5.xml"),
    frame_skip=4,
    field=ForceField(("foot", "foot_left"), "xz", 1.0),
    horizon=1000,
    start=uniform(5e-3),
    observe=positions_and_velocities(1, 10),
    judge=_judge_walker2d,
    position=_abscissa,
    grid=(Varied("torso", 5, 15), Varied(None, 0.1, 1.3)),
)
INVERTED_PENDULUM = Task(
    name="inverted-pendulum",
    load=gymnasium_file("inverted_pendulum.xml"),
    frame_skip=2,
    field=ForceField(("pole",), "xz", 3.0),
    horizon=1000,
    start=uniform(0.01),
    observe=positions_and_velocities(),
    judge=_judge_inverted_pendulum,
    grid=(Varied("pole", 1, 20), Varied("cart", 5, 15)),  # ours: nobody published one for this pole of 5 kg
)
ANT = Task(
    name="ant",
    load=gymnasium_file("ant.xml"),
    frame_skip=5,
    field=ForceField(("torso", "front_left_leg", "front_right_leg"), "xy", 3.0),
    horizon=1000,
    start=uniform_and_normal(0.1),
    observe=_observe_ant,
    judge=_judge_ant,
    position=_torso,
    fields=("xpos", "cfrc_ext"),
    grid=(Varied("torso", 0.2, 0.6), Varied(None, 0.1, 1.9)),  # ours, about its 0.33 kg
)
