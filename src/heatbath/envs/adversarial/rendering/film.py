"""Recordings drawn as pictures one after the other, and written as a GIF or an MP4."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from heatbath.core.errors import InvalidInput, MissingExtra
from heatbath.envs.adversarial.rendering import opengl
from heatbath.envs.adversarial.rendering.flat import INK, RED, FlatCanvas
from heatbath.envs.adversarial.rendering.opengl import GLCanvas
from heatbath.envs.adversarial.rendering.recording import Drawable, Policy, Recording, record
from heatbath.envs.adversarial.rendering.view import View, pose

Backend = Literal["auto", "flat", "egl", "osmesa", "glfw", "cgl"]
RATE = 25.0
"""Pictures a second."""
COLOURS = 160
MOST = 200
"""Pictures of a film; a longer episode goes by faster."""
CAPTION = 22
"""Height of the line above each picture, in pixels."""


@dataclass(frozen=True)
class Film:
    """Pictures, shape `(pictures, height, width, 3)`, shown `rate` a second."""

    frames: NDArray[np.uint8]
    rate: float = RATE

    def save(self, path: Path | str) -> None:
        """Write a GIF that repeats itself, or an MP4.

        Raises:
            InvalidInput: for another ending.
            MissingExtra: for an MP4 without an encoder.
        """
        ending = Path(path).suffix.lower()
        if ending == ".gif":
            self._gif(Path(path))
        elif ending == ".mp4":
            self._mp4(Path(path))
        else:
            raise InvalidInput(f"a film is written as .gif or .mp4, got {Path(path).name!r}")

    def _gif(self, path: Path) -> None:
        """One palette for all pictures: what stands still does not flicker, and takes no space."""
        images = [Image.fromarray(frame) for frame in self.frames]
        sample = Image.fromarray(np.concatenate(self.frames[:: max(1, len(images) // 6)]))
        # Bodies and arrows are thin: by their area, all colours would go to the ground and the sky.
        palette = sample.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE)
        first, *rest = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        first.save(path, save_all=True, append_images=rest, duration=round(1000.0 / self.rate), loop=0)

    def _mp4(self, path: Path) -> None:
        if importlib.util.find_spec("imageio_ffmpeg") is None:
            raise MissingExtra("an .mp4 needs: pip install imageio-ffmpeg (a .gif needs nothing)")
        import imageio.v3  # beside its encoder only

        even = self.frames[:, : len(self.frames[0]) // 2 * 2, : self.frames.shape[2] // 2 * 2]  # H.264 wants it so
        imageio.v3.imwrite(path, even, fps=self.rate, plugin="FFMPEG", macro_block_size=2)


def episode(
    game: Drawable,
    protagonist: Policy,
    adversary: Policy,
    *,
    simulation: int = 0,
    seed: int | None = None,
    steps: int = 1000,
    title: str = "",
    width: int = 360,
    height: int = 300,
    speed: float = 0.5,
    backend: Backend = "auto",
) -> Film:
    """Play an episode and draw one of the simulations, pushes as arrows.

    Args:
        game: on MuJoCo.
        protagonist, adversary: observations of all simulations, `(N, d)`, to moves of all.
        simulation: which to draw.
        seed: as for `game.reset`.
        steps: at most so many.
        title: see `film`; so are the others.

    Raises:
        InvalidInput: see `record`, `film`.
    """
    recording = record(game, protagonist, adversary, simulation=simulation, seed=seed, steps=steps)
    return film({title: recording}, width=width, height=height, speed=speed, backend=backend)


def film(
    recordings: Mapping[str, Recording],
    *,
    width: int = 360,
    height: int = 300,
    speed: float = 0.5,
    backend: Backend = "auto",
) -> Film:
    """Draw recordings side by side; what ends earlier stands still.

    Args:
        recordings: by title.
        width, height: of each, in pixels.
        speed: seconds of the simulation in a second of film.
        backend: an OpenGL, `flat` for the drawing in two dimensions, or `auto` for what works here.

    Raises:
        InvalidInput: for no recording, or numbers that are not positive.
        ConfigError: see `opengl.available`.
    """
    if not recordings or width < 16 or height < 16 or not speed > 0.0:
        raise InvalidInput(
            f"a film needs a recording, 16 pixels or more and a positive speed, got {len(recordings)} recordings, "
            f"{width} x {height} pixels, speed {speed}"
        )
    chosen = (opengl.available() or "flat") if backend == "auto" else backend
    views = [View.of(recording, width / height) for recording in recordings.values()]
    strips = []
    for (title, recording), own in zip(recordings.items(), views, strict=True):
        view = reduce(View.__or__, views, own)
        strips.append(_strip(title, recording, view, width, height, speed, chosen))
    longest = max(len(strip) for strip in strips)
    strips = [np.concatenate((strip, np.repeat(strip[-1:], longest - len(strip), 0))) for strip in strips]
    return Film(np.concatenate(strips, axis=2))


def _strip(
    title: str, recording: Recording, view: View, width: int, height: int, speed: float, backend: str
) -> NDArray[np.uint8]:
    """The pictures of one recording."""
    model, data = recording.model, mujoco.MjData(recording.model)
    canvas: FlatCanvas | GLCanvas
    if backend == "flat":
        canvas = FlatCanvas(model, view, width, height)
    else:
        canvas = GLCanvas(model, view, width, height, backend)
    stride = max(1, round(speed / RATE / recording.time_step), math.ceil(len(recording) / MOST))
    shown = [*range(0, len(recording) - 1, stride), len(recording) - 1]
    returns, pictures = np.round(np.cumsum(recording.rewards)) + 0.0, []
    try:
        for step in shown:
            pose(data, model, recording.positions[step])
            picture = canvas.draw(data, view.arrows(data, recording.forces[step]))
            force = float(np.linalg.norm(recording.forces[step], axis=-1).max())
            fell = recording.ended and step == shown[-1]
            pictures.append(_captioned(picture, title, step, force, returns[step], fell))
    finally:
        canvas.close()
    return np.stack(pictures)


def _captioned(
    picture: NDArray[np.uint8], title: str, step: int, force: float, so_far: float, fell: bool
) -> NDArray[np.uint8]:
    """A line above the picture: what it is, the step, the push and the return so far."""
    height, width, _ = picture.shape
    image = Image.new("RGB", (width, height + CAPTION), "white")
    image.paste(Image.fromarray(picture), (0, CAPTION))
    pen, font, line = ImageDraw.Draw(image), ImageFont.load_default(size=12), CAPTION // 2
    pen.text((6, line), title, fill=INK, font=font, anchor="lm")
    numbers = f"step {step:3d}   {force:4.1f} N   return {so_far:5.0f}"
    pen.text((width - 6, line), numbers, fill=INK, font=font, anchor="rm")
    if fell:
        words, place = "the episode ended here", (width // 2, CAPTION + height - 14)
        left, top, right, bottom = pen.textbbox(place, words, font=font, anchor="mm")
        pen.rounded_rectangle((left - 6, top - 4, right + 6, bottom + 4), 6, fill="white")
        pen.text(place, words, fill=RED, font=font, anchor="mm")
    return np.asarray(image)
