"""A true and a generated trajectory, in motion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from torch import Tensor

from heatbath.plugins.gtf.figures import GENERATED, SHOWN, TRUE, plane, reach, turn
from heatbath.plugins.gtf.figures import TURNS as TURNS_DRAWN

FRAMES, MILLISECONDS = 90, 60
"""Pictures, and the time between two of them."""
TURNS = 2.7
"""In colour behind the moving point."""
GHOST = "#c3c9d2"
DOTS = 80
"""Per inch."""
COLOURS = 48


@dataclass(frozen=True)
class Course:
    """Moving points on drawn curves; the curves are drawn once, so that a picture costs a few milliseconds.

    Args:
        figure: with everything that stands still.
        moving: points of shape `(time, 2)`, and the tail and the head that move along them.
        tail: points in colour behind the moving one.
        stride: points between two pictures.
    """

    figure: Figure
    moving: tuple[tuple[Tensor, Line2D, Line2D], ...]
    tail: int
    stride: int

    def save(self, path: Path) -> None:
        """Write a GIF that repeats itself."""
        canvas: Any = FigureCanvasAgg(self.figure)  # its methods have no types
        canvas.draw()
        still = canvas.copy_from_bbox(self.figure.bbox)
        pictures = []
        for frame in range(FRAMES):
            canvas.restore_region(still)
            self._draw(self.tail + frame * self.stride)
            pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
        palette = pictures[0].quantize(COLOURS)
        first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
        first.save(path, save_all=True, append_images=rest, duration=MILLISECONDS, loop=0)

    def _draw(self, now: int) -> None:
        for points, tail, head in self.moving:
            tail.set_data(*points[max(0, now - self.tail) : now + 1].T.numpy())
            head.set_data(*points[min(now, len(points) - 1)].view(2, 1).numpy())
            for line in (tail, head):
                assert line.axes is not None
                line.axes.draw_artist(line)


def trajectory(true: Tensor, generated: Tensor, time_step: float) -> Course:
    """Both trajectories side by side, each moving along its own attractor, at one speed.

    Args:
        true: shape `(time, dim)`.
        generated: shape `(time, dim)`.
        time_step: between points.
    """
    length = min(SHOWN, len(true), max(100, int(TURNS_DRAWN * turn(true))))
    shown = [plane(series[:length], true) for series in (true, generated)]
    tail = min(max(3, round(TURNS * turn(true))), length // 2)
    stride = max(1, min((length - tail) // FRAMES, tail // 12))
    figure = Figure(figsize=(7.6, 3.9), dpi=DOTS, layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    moving, drawn = [], shown[0][0]
    for axes, (points, (across, up)), colour, name in zip(
        panels, shown, (TRUE, GENERATED), ("true", "generated"), strict=True
    ):
        axes.plot(*points.T.numpy(), color=GHOST, linewidth=0.3)
        (trail,) = axes.plot([], [], color=colour, linewidth=1.6, animated=True)
        (head,) = axes.plot([], [], "o", color=colour, markersize=6, animated=True)
        axes.set(title=name, xlabel=across, ylabel=up, xlim=reach(drawn[:, 0]), ylim=reach(drawn[:, 1]))
        moving.append((points, trail, head))
    panels[1].set_ylabel("")
    figure.suptitle(f"a picture every {stride * time_step:.3g} units of time", fontsize="small", color="#555555")
    return Course(figure, tuple(moving), tail, stride)
