"""A puck that crosses a windy stretch beside a cliff: the method's navigation task without its four-legged robot.

The adversary is the wind. It blows across the way, in one direction only and in one stretch of the way only, and beyond
the cliff's edge there the episode ends without further reward. A player that knows no wind hugs the straight line; one
that does keeps its distance.

Reference: Reddi et al., ICLR 2024, navigation, for the shape of the task and, in `navigation`, its distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatbath.envs.adversarial.forces import ForceField, Zone
from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.model_files import ours
from heatbath.envs.adversarial.starts import around
from heatbath.envs.adversarial.task import Step, Task, positions_and_velocities


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
        load=ours("puck.xml"),
        frame_skip=5,
        field=ForceField(("puck",), "y", course.force, Zone("x", (course.windy,)), one_sided=True),
        horizon=course.horizon,
        start=around((course.start, 0.0), (0.05, 0.05), 0.0),
        observe=positions_and_velocities(),
        judge=judge,
    )
