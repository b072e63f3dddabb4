"""Scenes drawn by MuJoCo in OpenGL, without a window, and which OpenGL this machine has."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from heatbath.core.errors import ConfigError, MissingExtra
from heatbath.envs.adversarial.rendering.flat import SKY
from heatbath.envs.adversarial.rendering.view import Arrow, View

Pixels = NDArray[np.uint8]

CONTEXTS = {"egl": "mujoco.egl", "osmesa": "mujoco.osmesa", "glfw": "mujoco.glfw", "cgl": "mujoco.cgl"}
"""Modules with a `GLContext`, by the name that MUJOCO_GL has for them."""
OFF = ("0", "off", "false", "disable", "disabled", "no")
"""Values of MUJOCO_GL that ask for no OpenGL."""
ANGLE = 40.0
"""Vertical field of view, degrees."""
RED = np.array([0.82, 0.29, 0.36, 1.0], np.float32)
TEST = """
import importlib
context = importlib.import_module({module!r}).GLContext(16, 16)
context.make_current()
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco/>")
mujoco.MjrContext(model, 50)
context.free()
"""


def available() -> str | None:
    """The OpenGL that MUJOCO_GL names, or, when that is not set, the first that works here; None where none does.

    Each is tried in a process of its own: a driver that is broken may end the process that loads it.

    Raises:
        ConfigError: when MUJOCO_GL names none that is known, or one that does not work.
    """
    asked = os.environ.get("MUJOCO_GL", "").lower().strip()
    if asked in OFF:
        return None
    if asked:
        if asked not in CONTEXTS:
            raise ConfigError(f"MUJOCO_GL is {asked!r}, expected one of {', '.join((*CONTEXTS, *OFF))}")
        if not _works(asked):
            raise ConfigError(f"MUJOCO_GL={asked} does not work on this machine; unset it, and what works is used")
        return asked
    candidates = {"linux": ("egl", "osmesa"), "darwin": ("cgl",)}.get(sys.platform, ("glfw",))
    return next((name for name in candidates if _works(name)), None)


def _works(name: str) -> bool:
    clean = {key: value for key, value in os.environ.items() if key not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    command = [sys.executable, "-c", TEST.format(module=CONTEXTS[name])]
    try:
        done = subprocess.run(command, env=clean, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


class GLCanvas:
    """Scenes as MuJoCo's viewer shows them, pushes as arrows.

    Args:
        model: whose scenes are drawn.
        view: where from.
        width: of pictures, in pixels.
        height: of pictures, in pixels.
        backend: one of `CONTEXTS`.

    Raises:
        MissingExtra: when the OpenGL cannot be loaded into this process.
    """

    def __init__(self, model: mujoco.MjModel, view: View, width: int, height: int, backend: str) -> None:
        self.model, self.view, self.rect = model, view, mujoco.MjrRect(0, 0, width, height)
        # MuJoCo's own `Renderer` takes what MUJOCO_GL said when mujoco was imported, which is too early for a choice.
        try:
            self.context: Any = importlib.import_module(CONTEXTS[backend]).GLContext(width, height)
        except Exception as error:
            raise MissingExtra(
                f"OpenGL by {backend} cannot be used in this process: {type(error).__name__}: {error}; "
                "set MUJOCO_GL before the program starts, or draw with backend='flat'"
            ) from error
        self.context.make_current()
        model.vis.global_.offwidth = max(width, model.vis.global_.offwidth)
        model.vis.global_.offheight = max(height, model.vis.global_.offheight)
        model.vis.global_.fovy = ANGLE
        if model.nlight == 0:
            model.vis.headlight.ambient[:] = np.maximum(model.vis.headlight.ambient, 0.25)
        self.sky = (model.tex_type == mujoco.mjtTexture.mjTEXTURE_SKYBOX.value).any()
        self.scene = mujoco.MjvScene(model, maxgeom=2000)
        for costly in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self.scene.flags[costly.value] = 0  # four fifths of the time where OpenGL is computed on the CPU
        self.options, self.camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self.device = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.device)
        self.camera.distance = 0.5 * view.size / np.tan(np.radians(ANGLE / 2.0))
        self.camera.azimuth, self.camera.elevation = 90.0, -89.9 if view.top else -7.0

    def draw(self, data: mujoco.MjData, arrows: Sequence[Arrow]) -> Pixels:
        """The scene at the state of `data`, shape `(height, width, 3)`."""
        self.context.make_current()
        self.camera.lookat[:] = self.view.centre(data)
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self.model, data, self.options, None, self.camera, everything, self.scene)
        pixels, depth = self._rendered()
        if not self.sky:
            pixels[depth >= 1.0] = ImageColor.getrgb(SKY)  # it would be black, as dark as what is in the shade
        if arrows:  # in a scene of their own, laid over the picture: bodies and ground would hide parts of them
            self.scene.ngeom, sky = 0, self.scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX.value]
            for arrow in arrows:
                self._add(arrow)
            self.scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX.value] = 0
            above, nearness = self._rendered()
            self.scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX.value] = sky
            pixels = np.where(nearness[..., None] < 1.0, above, pixels)
        return pixels[::-1]

    def _rendered(self) -> tuple[Pixels, NDArray[np.float32]]:
        """Colours and depths of the scene, rows from below."""
        mujoco.mjr_render(self.rect, self.scene, self.device)
        pixels = np.empty((self.rect.height, self.rect.width, 3), np.uint8)
        depth = np.empty(pixels.shape[:2], np.float32)
        mujoco.mjr_readPixels(pixels, depth, self.rect, self.device)
        return pixels, depth

    def _add(self, arrow: Arrow) -> None:
        if self.scene.ngeom >= self.scene.maxgeom:
            return
        geom = self.scene.geoms[self.scene.ngeom]
        kind, width = mujoco.mjtGeom.mjGEOM_ARROW, 0.012 * self.view.size
        mujoco.mjv_initGeom(geom, kind.value, np.zeros(3), np.zeros(3), np.zeros(9), RED)
        # MuJoCo draws arrows half as long as it is told.
        mujoco.mjv_connector(geom, kind.value, width, arrow.start, 2.0 * arrow.end - arrow.start)
        geom.emission = 0.4
        self.scene.ngeom += 1

    def close(self) -> None:
        """Give back what the driver holds."""
        self.context.make_current()
        self.device.free()
        self.context.free()
