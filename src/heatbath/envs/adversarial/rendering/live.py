"""Simulations drawn as they stand: what `render_mode="rgb_array"` shows of a game on MuJoCo."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from heatbath.envs.adversarial.rendering import opengl
from heatbath.envs.adversarial.rendering.film import Backend
from heatbath.envs.adversarial.rendering.flat import FlatCanvas
from heatbath.envs.adversarial.rendering.opengl import GLCanvas
from heatbath.envs.adversarial.rendering.recording import Recording
from heatbath.envs.adversarial.rendering.view import MARKS, View, pose

FAR = 20.0
"""How far along the floor an imagined excursion goes, m: whatever can go away, is followed."""
SWINGING = 2
"""Degrees of freedom of models, poles and pendulums, that are seen all the way round; robots stay upright."""


class LivePictures:
    """Pictures of the simulations of one game, with their pushes.

    Args:
        game: a `MujocoGame`, or what has `snapshot(index)` and `forces` as that does.
        width, height: in pixels.
        backend: as for `film`.

    Raises:
        ConfigError: see `opengl.available`.

    Attributes:
        frames_per_second: of a picture for each step at true speed.
    """

    def __init__(self, game: Any, *, width: int = 480, height: int = 360, backend: Backend = "auto") -> None:
        self._game = game
        model, data = game.snapshot(0)
        self.frames_per_second = 1.0 / (model.opt.timestep * game.task.frame_skip)
        self._data = mujoco.MjData(model)
        self._view = _view(model, data, float(np.max(game.forces.field.max_force)), width / height)
        chosen = (opengl.available() or "flat") if backend == "auto" else backend
        self._canvas: FlatCanvas | GLCanvas
        if chosen == "flat":
            self._canvas = FlatCanvas(model, self._view, width, height)
        else:
            self._canvas = GLCanvas(model, self._view, width, height, chosen)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Simulation `index` as it stands, with what pushes it, shape `(height, width, 3)`."""
        model, data = self._game.snapshot(index)
        pose(self._data, model, data.qpos)
        return self._canvas.draw(self._data, self._view.arrows(self._data, data.xfrc_applied[:, :3]))

    def close(self) -> None:
        """Give back what the drawing holds."""
        self._canvas.close()


def _view(model: mujoco.MjModel, data: mujoco.MjData, strongest: float, aspect: float) -> View:
    """A view of an episode that is still to be played, made from its start and an excursion."""
    away = data.qpos.copy()
    mujoco.mj_integratePos(model, away, _excursion(model), 1.0)
    forces = np.zeros((2, model.nbody, 3))
    forces[0, -1, 0] = strongest
    view = View.of(Recording(model, np.stack((data.qpos, away)), forces, np.zeros(2), 1.0), aspect)
    if not view.top:
        return view
    # From above, what matters is where a thing is among the others.
    size = float(model.stat.extent)
    return replace(view, size=size, mark=size / MARKS, follows=True, force_scale=view.force_scale * size / view.size)


def _excursion(model: mujoco.MjModel) -> NDArray[np.float64]:
    """A motion of the joints, shape `(nv,)`: along the floor, and round a hinge."""
    motion, kinds = np.zeros(model.nv), mujoco.mjtJoint
    for joint in range(model.njnt):
        first, kind = model.jnt_dofadr[joint], model.jnt_type[joint]
        if kind == kinds.mjJNT_FREE or (kind == kinds.mjJNT_SLIDE and abs(model.jnt_axis[joint, 2]) < 0.5):
            motion[first] = FAR
        elif kind == kinds.mjJNT_HINGE and model.nv <= SWINGING:
            motion[first] = np.pi
    return motion
