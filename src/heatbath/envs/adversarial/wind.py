"""A puck that crosses a windy stretch beside a cliff: the method's navigation task without its four-legged robot.

The adversary is the wind. It blows across the way, in one direction only and in one stretch of the way only, and beyond
the cliff's edge there the episode ends without further reward. A player that knows no wind hugs the straight line; one
that does keeps its distance.

Reference: Reddi et al., ICLR 2024, navigation, for the shape of the task and, in `navigation`, its distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from heatbath.envs.adversarial.forces import ForceField, Zone
from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.model_files import ours
from heatbath.envs.adversarial.starts import around
from heatbath.envs.adversarial.task import Step, Task, positions_and_velocities

_GROUND, _THIN = -0.05, 0.001
"""Height of the ground in the model, and half that of the marks on it, m."""


@dataclass(frozen=True)
class Course:
    """Distances in m; x along the way, y across, the wind blows towards +y.

    Args:
        name: of the task.
        start: x where episodes begin, at y = 0, each within 5 cm.
        goal: x of the goal, at y = 0.
        windy: interval of x in which wind blows and the cliff lies.
        cliff: y beyond which a puck in the windy stretch has fallen.
        decay: 1/m; a step's reward is exp(-decay distance to the goal), in [0, 1], and 0 on falling.
        force: N, of the strongest wind.
        horizon: control steps of 0.1 s.
    """

    name: str
    start: float
    goal: float
    windy: tuple[float, float]
    cliff: float
    decay: float
    force: float
    horizon: int


CORRIDOR = Course("wind-corridor", -1.5, 1.5, (-0.5, 0.5), 0.15, 1.0, 2.5, 60)
NAVIGATION = Course("wind-navigation", 0.0, 10.0, (4.0, 8.0), 1.0, 0.2, 1.5, 200)


def task(course: Course) -> Task:
    """The task of a course."""

    def judge(step: Step) -> tuple[Array, Flags]:
        x, y = step.simulations.qpos.T.copy()
        low, high = course.windy
        fallen = (low < x) & (x < high) & (y > course.cliff)
        reward = np.exp(-course.decay * np.hypot(x - course.goal, y))
        return np.where(fallen, 0.0, reward), fallen

    return Task(
        name=course.name,
        load=ours("puck.xml", lambda specification: draw(course, specification)),
        frame_skip=5,
        field=ForceField(("puck",), "y", course.force, Zone("x", (course.windy,)), one_sided=True),
        horizon=course.horizon,
        start=around((course.start, 0.0), (0.05, 0.05), 0.0),
        observe=positions_and_velocities(),
        judge=judge,
    )


def draw(course: Course, specification: mujoco.MjSpec) -> None:
    """Add the windy stretch, the cliff and the goal to the picture, and on a long way a disc by which the puck is seen.

    Nothing of it has mass or touches anything: simulations stay the same to the last bit.
    """
    low, high = course.windy
    length = course.goal - course.start
    middle, half, deep = (low + high) / 2.0, (high - low) / 2.0, 0.6 * length
    box, disc = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
    world, puck = specification.worldbody, specification.body("puck")
    lower, upper = _GROUND + 2.0 * _THIN, _GROUND + 4.0 * _THIN
    # Boxes by half their sides, discs by their radii.
    marks = [
        ("wind", world, box, (middle, 0.0, lower), (half, length, _THIN), (0.72, 0.82, 0.93)),
        ("cliff", world, box, (middle, course.cliff + deep, upper), (half, deep, _THIN), (0.3, 0.31, 0.35)),
        ("goal", world, disc, (course.goal, 0.0, upper), (0.04 * length, _THIN, 0.0), (0.35, 0.66, 0.42)),
        ("seen", puck, disc, (0.0, 0.0, 0.0), (0.02 * length, _THIN, 0.0), (0.25, 0.45, 0.7)),
    ]
    if 0.02 * length < puck.first_geom().size[0]:
        marks.pop()
    specification.stat.extent = 1.6 * length  # of live pictures; marks reach out of them
    for name, body, kind, place, size, colour in marks:
        body.add_geom(
            name=name, type=kind, pos=place, size=size, rgba=(*colour, 1.0), material="matt",
            mass=0.0, contype=0, conaffinity=0,
        )  # fmt: skip
