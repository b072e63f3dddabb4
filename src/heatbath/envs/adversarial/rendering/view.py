"""Where a scene is looked at from, and what arrows are drawn in it: shared by both ways of drawing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np

from heatbath.envs.adversarial.game import Array
from heatbath.envs.adversarial.rendering.recording import Recording

ARROW = 0.45
"""Length of the longest arrow, in parts of the scene's height."""
FROM_ABOVE = 0.25
"""The same from above, where a body may be near to any edge."""
STILL = 1e-9
FAR = 1.5
"""How much larger than the moving bodies a scene may be before the camera goes along with them."""
MARGIN = 1.35
MARKS = 4.0
"""Marks on the ground in a scene's height."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A push: from `start` to `end`, both in the world, shape `(3,)`.

    It starts at the body's centre of mass; where it would go into the ground, it comes from the other side and ends
    there.
    """

    start: Array
    end: Array


@dataclass(frozen=True, slots=True)
class View:
    """A camera that moves along with what moves, at one height.

    Args:
        top: from above, else from the side, along the world's y.
        size: height of the scene, in m.
        middle: of the scene at the start, shape `(3,)`.
        moving: geoms that the camera follows.
        follows: whether it does; a scene that fits into the picture stands still.
        floor: height of the ground, in m.
        ground: whether there is one; else `floor` is where the lowest body goes.
        mark: distance between marks on the ground, in m.
        force_scale: m of arrow for one N.
    """

    top: bool
    size: float
    middle: Array
    moving: tuple[int, ...]
    follows: bool
    floor: float
    ground: bool
    mark: float
    force_scale: float

    def __or__(self, other: View) -> View:
        """This view, at the scale at which the other can be seen too."""
        larger = self if self.size >= other.size else other
        scales = [view.force_scale * larger.size / view.size for view in (self, other) if view.force_scale > 0.0]
        return replace(
            self,
            size=larger.size,
            follows=self.follows or other.follows,
            middle=self.middle if self.follows or other.follows else larger.middle,
            mark=larger.mark,
            force_scale=min(scales, default=0.0),
        )

    @classmethod
    def of(cls, recording: Recording, aspect: float) -> View:
        """One in which the whole recording can be seen.

        Args:
            recording: what is to be drawn.
            aspect: width of pictures by their height.
        """
        model, data = recording.model, mujoco.MjData(recording.model)
        solid = [geom for geom in range(model.ngeom) if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_PLANE]
        moving = tuple(geom for geom in solid if model.body_weldid[model.geom_bodyid[geom]] != 0) or tuple(solid)
        chosen = np.linspace(0, len(recording) - 1, min(len(recording), 50)).astype(int)
        places, lows, highs = [], [], []
        for step in chosen:
            pose(data, model, recording.positions[step])
            centres, radii = data.geom_xpos[list(moving)].copy(), model.geom_rbound[list(moving), None]
            places.append(centres)
            lows.append((centres - radii).min(0))
            highs.append((centres + radii).max(0))
        at, low, high = np.stack(places), np.min(lows, 0), np.max(highs, 0)
        # A puck on a table moves in x and y: it is looked at from above.
        sideways = np.ptp(at[..., 1], 0).max() > STILL or _slides_along_y(model)
        top = bool(np.ptp(at[..., 2], 0).max() < STILL and sideways)
        if top:  # a course and its goal belong to the picture
            marks = [data.geom_xpos[geom] for geom in solid if geom not in moving]
            low, high = np.min([low, *marks], 0), np.max([high, *marks], 0)
        vertical = 1 if top else 2
        alone = float(high[vertical] - low[vertical])
        near = max(alone, float(np.max(np.array(highs) - np.array(lows), 0)[0]) / aspect)
        whole = max(alone, float(high[0] - low[0]) / aspect)
        follows = whole > FAR * near and not top  # from above, what matters is the way that it takes
        size = MARGIN * (near if follows else whole)
        floors = [float(data.geom_xpos[geom][2]) for geom in range(model.ngeom) if geom not in solid]
        strongest = recording.strongest
        return cls(
            top,
            size,
            (low + high) / 2.0,
            moving,
            follows,
            min(floors, default=float(low[2])),
            bool(floors),
            _round_length(size / MARKS),
            (FROM_ABOVE if top else ARROW) * size / strongest if strongest > 0.0 else 0.0,
        )

    def centre(self, data: mujoco.MjData) -> Array:
        """The point in the middle of the picture, shape `(3,)`."""
        middle = self.middle.copy()
        if self.follows:
            middle[0] = data.geom_xpos[list(self.moving), 0].mean()
            if self.top:
                middle[1] = data.geom_xpos[list(self.moving), 1].mean()
        return middle

    def project(self, offsets: Array) -> tuple[Array, Array]:
        """Metres to the right and upwards of points relative to the centre, shapes `(n,)`."""
        return offsets[:, 0], offsets[:, 1 if self.top else 2]

    def depth(self, point: Array) -> float:
        """The larger, the nearer to the eye."""
        return float(point[2] if self.top else -point[1])

    def pixels_per_metre(self, width: int, height: int) -> float:
        return height / self.size

    def arrows(self, data: mujoco.MjData, forces: Array) -> list[Arrow]:
        """Of all bodies that are pushed; `forces` in N, shape `(nbody, 3)`."""
        pushed = np.flatnonzero(np.linalg.norm(forces, axis=1) > 0.0)
        return [self._arrow(data.xipos[body].copy(), self.force_scale * forces[body]) for body in pushed]

    def _arrow(self, centre: Array, along: Array) -> Arrow:
        into_the_ground = self.ground and not self.top and along[2] < 0.0 and (centre + along)[2] < self.floor
        return Arrow(centre - along, centre) if into_the_ground else Arrow(centre, centre + along)


def _slides_along_y(model: mujoco.MjModel) -> bool:
    """Whether something may, also in a recording in which it went straight on."""
    slides = model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE
    return bool((np.abs(model.jnt_axis[slides, 1]) > 0.5).any())


def pose(data: mujoco.MjData, model: mujoco.MjModel, positions: Array) -> None:
    """Put everything where `qpos` says."""
    data.qpos[:] = positions
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)


def _round_length(length: float) -> float:
    """A length near to this one that is 1, 2 or 5 times a power of ten.

    >>> _round_length(0.43), _round_length(1.3)
    (0.5, 1.0)
    """
    power = 10.0 ** np.floor(np.log10(length))
    return float(min((power, 2.0 * power, 5.0 * power, 10.0 * power), key=lambda round_: abs(round_ - length)))
