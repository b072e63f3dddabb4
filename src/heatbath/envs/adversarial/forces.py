"""Where and how hard an adversary may push, as data; and its pushes written into MuJoCo's `xfrc_applied`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from heatbath.core.errors import ConfigError, InvalidInput
from heatbath.envs.adversarial.axes import AXES, parse_axes
from heatbath.envs.adversarial.game import Array, Flags

_PROBES = 4
_INERT = 1e-10
"""Metres (or radians) per unit of joint velocity below which a body does not move along an axis."""

_PASSING = {"heatbath", "gymnasium", "functools"}
"""Packages through which forces are asked for."""


class InertAxis(UserWarning):
    """A push along an axis along which its body cannot move: a part of the adversary's moves without effect."""


@dataclass(frozen=True)
class Zone:
    """Intervals of a joint's position in which pushes arrive; at any other position nothing is pushed.

    Args:
        joint: its name; of a free joint, `component` says which of its seven numbers.
        intervals: closed intervals (low, high), in m or rad.
        component: index into the joint's positions.

    Raises:
        InvalidInput: for an empty zone.

    >>> Zone("x", ((-0.5, 0.5),)).joint
    'x'
    """

    joint: str
    intervals: tuple[tuple[float, float], ...]
    component: int = 0

    def __post_init__(self) -> None:
        if not self.intervals or any(not low <= high for low, high in self.intervals):
            raise InvalidInput(f"a zone needs intervals (low, high) with low <= high, got {self.intervals}")

    def address(self, model: mujoco.MjModel) -> int:
        """Index into `qpos`.

        Raises:
            ConfigError: for a joint that the model does not have, or a component that the joint does not have.
        """
        names = _names(model, mujoco.mjtObj.mjOBJ_JOINT, model.njnt)
        if self.joint not in names:
            raise ConfigError(f"zone: no joint {self.joint!r}; the model has {_listed(names)}")
        joint = names.index(self.joint)
        sizes = {mujoco.mjtJoint.mjJNT_FREE: 7, mujoco.mjtJoint.mjJNT_BALL: 4}
        size = sizes.get(mujoco.mjtJoint(model.jnt_type[joint]), 1)
        if not 0 <= self.component < size:
            raise ConfigError(f"zone: joint {self.joint!r} has positions 0 to {size - 1}, got {self.component}")
        return int(model.jnt_qposadr[joint]) + self.component


@dataclass(frozen=True)
class ForceField:
    """What an adversary may push: each body along each axis, at the body's centre of mass, in the world's frame.

    Its move b lies in [-1, 1]^l ([0, 1]^l when one-sided), is clipped to that, and becomes b_j max_force_j newtons
    (newton metres about a torque's axis), held for one control step. Moves are ordered by body, then by axis:
    (torso x, torso z, foot x, ...). All other rows of `xfrc_applied` are zeroed.

    Args:
        bodies: by name. `("*",)` stands for every body.
        axes: of `AXES`, as a tuple or run together: "xz", "xzty".
        max_force: N (N m) at full deflection: one number, or one for every move.
        zone: where pushes arrive; everywhere by default.
        one_sided: whether the adversary can push in the positive direction only.
        shared: one move per axis for all bodies, its force split evenly over them.

    Raises:
        InvalidInput: no body, an unknown axis, or a force that is no number, not positive or not finite.

    >>> ForceField(("torso", "foot"), "xz", 3.0).size
    4
    >>> ForceField(("torso",), "xzty").axes
    ('x', 'z', 'ty')
    """

    bodies: tuple[str, ...]
    axes: tuple[str, ...] | str = "xz"
    max_force: float | tuple[float, ...] = 1.0
    zone: Zone | None = None
    one_sided: bool = False
    shared: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.bodies, str):
            raise InvalidInput(f"`bodies` must be a tuple of names, got the string {self.bodies!r}")
        if not self.bodies or len(set(self.bodies)) < len(self.bodies):
            raise InvalidInput(f"`bodies` must name at least one body and none twice, got {self.bodies}")
        object.__setattr__(self, "bodies", tuple(self.bodies))
        object.__setattr__(self, "axes", parse_axes(self.axes))
        object.__setattr__(self, "max_force", _forces(self.max_force))

    @property
    def size(self) -> int:
        """l, the number of moves. Not known for `("*",)` before it is bound, unless it is shared."""
        return len(self.axes) if self.shared else len(self.axes) * len(self.bodies)

    def bind(self, model: mujoco.MjModel) -> BoundForces:
        """Resolve the names in a model, once.

        Warns:
            InertAxis: for an axis along which a body of a planar model cannot move.

        Raises:
            ConfigError: for a body or a joint that the model does not have, naming those that it has.
        """
        return BoundForces(self, model)


class BoundForces:
    """A `ForceField` of one model.

    Attributes:
        field: what it was bound from.
        bodies: names of the pushed bodies.
        size: l, the number of moves.
        space: of the moves.
        labels: of the moves, such as "foot x".
    """

    def __init__(self, field: ForceField, model: mujoco.MjModel) -> None:
        names = _names(model, mujoco.mjtObj.mjOBJ_BODY, model.nbody)
        self.field = field
        everything = field.bodies == ("*",)
        ids = list(range(1, model.nbody)) if everything else [_body(names, name) for name in field.bodies]
        self.bodies = tuple(names[i] or f"body {i}" for i in ids)
        columns = [AXES.index(axis) for axis in field.axes]
        self._rows, self._columns = (part.ravel() for part in np.meshgrid(ids, columns, indexing="ij"))
        per_body = np.arange(len(columns))
        self.size = len(columns) if field.shared else len(self._rows)
        self._move = np.tile(per_body, len(ids)) if field.shared else np.arange(self.size)
        self._scale = self._newtons()[self._move] / (len(ids) if field.shared else 1)
        self._low = 0.0 if field.one_sided else -1.0
        self.space = Box(self._low, 1.0, (self.size,), np.float32)
        self.labels = (
            tuple(f"all {axis}" for axis in field.axes)
            if field.shared
            else tuple(f"{body} {axis}" for body in self.bodies for axis in field.axes)
        )
        self._zone = None if field.zone is None else (field.zone.address(model), np.array(field.zone.intervals))
        self._warn_of_inert_axes(model, ids, columns)

    def _newtons(self) -> Array:
        given = np.atleast_1d(np.asarray(self.field.max_force, np.float64))
        if len(given) not in (1, self.size):
            raise ConfigError(
                f"forces: `max_force` has {len(given)} numbers for {self.size} moves; give 1 or {self.size}"
            )
        return np.broadcast_to(given, (self.size,))

    def reached(self, qpos: Array) -> Flags | None:
        """Whether pushes arrive at positions `(..., nq)`, shape `(...)`; None where they arrive everywhere."""
        if self._zone is None:
            return None
        address, intervals = self._zone
        position = qpos[..., address, None]
        return np.asarray(((intervals[:, 0] <= position) & (position <= intervals[:, 1])).any(-1))

    def newtons(self, moves: Array, qpos: Array) -> Array:
        """The forces that moves `(..., l)` make at positions `(..., nq)`, one for each body and axis, shape `(..., k)`.

        k is l, or the number of bodies times that of axes where the force is shared.
        """
        forces = np.clip(moves, self._low, 1.0)[..., self._move] * self._scale
        reached = self.reached(qpos)
        return forces if reached is None else np.where(reached[..., None], forces, 0.0)

    def write(self, moves: Array, qpos: Array, xfrc_applied: Array) -> None:
        """Write moves `(..., l)` into `xfrc_applied`, shape `(..., nbody, 6)`, and zero all else there."""
        xfrc_applied[...] = 0.0
        xfrc_applied[..., self._rows, self._columns] = self.newtons(moves, qpos)

    def _warn_of_inert_axes(self, model: mujoco.MjModel, ids: Sequence[int], columns: Sequence[int]) -> None:
        mobility = _mobility(model, ids)
        useful = [AXES[axis] for axis in np.flatnonzero(mobility.max(0) >= _INERT)]
        pushed = mobility.max(0, keepdims=True) if self.field.shared else mobility
        for row, column in np.argwhere(pushed[:, columns] < _INERT):
            name = "no pushed body" if self.field.shared else f"body {self.bodies[row]!r} never"
            warnings.warn(
                f"forces: {name} moves along {self.field.axes[column]!r}, so that pushes there do nothing; "
                f"axes with an effect: {', '.join(useful) or 'none'}",
                InertAxis,
                stacklevel=_callers_level(),
            )


def _callers_level() -> int:
    """The `stacklevel` of whoever asked for the forces: the first caller outside of what passes calls on."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _PASSING:
        level, frame = level + 1, frame.f_back
    return level


def _forces(given: Any) -> float | tuple[float, ...]:
    """Newtons that are positive and finite, of all moves or of each."""
    try:
        numbers = np.asarray(given)
    except ValueError:  # lists of different lengths
        numbers = np.empty(0)
    if numbers.dtype.kind not in "iuf" or numbers.ndim > 1 or not numbers.size:
        raise InvalidInput(f"`max_force` must be a number, or one for every move, got {given!r}")
    if not (np.isfinite(numbers) & (numbers > 0)).all():
        raise InvalidInput(f"`max_force` must be positive and finite, got {given}")
    return tuple(numbers.tolist()) if numbers.ndim else float(numbers)


def _body(names: Sequence[str], name: str) -> int:
    if name not in names[1:]:
        raise ConfigError(f"forces: no body {name!r} that can be pushed; the model has {_listed(names[1:])}")
    return names.index(name)


def _mobility(model: mujoco.MjModel, ids: Sequence[int]) -> NDArray[np.float64]:
    """How fast bodies move along and turn about each axis per unit of joint velocity, at most, shape `(bodies, 6)`.

    From the Jacobians at the centres of mass in a few configurations near the first one: in a single one a body that
    can move along an axis may stand just where it does not.
    """
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    largest = np.zeros((len(ids), 6))
    linear, angular = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    for _ in range(_PROBES):
        data.qpos[:] = model.qpos0
        mujoco.mj_integratePos(model, data.qpos, rng.normal(size=model.nv), 0.3)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        for row, body in enumerate(ids):
            mujoco.mj_jacBodyCom(model, data, linear, angular, body)
            reach = np.abs(np.concatenate((linear, angular))).max(1, initial=0.0)
            largest[row] = np.maximum(largest[row], reach)
    return largest


def _names(model: mujoco.MjModel, kind: mujoco.mjtObj, count: int) -> list[str]:
    return [mujoco.mj_id2name(model, kind, i) or "" for i in range(count)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if name) or "none with a name"
