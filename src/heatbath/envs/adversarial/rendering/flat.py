"""Scenes drawn in two dimensions, for machines without OpenGL: what bodies cover, the ground, the pushes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from heatbath.envs.adversarial.game import Array
from heatbath.envs.adversarial.rendering.view import Arrow, View

Pixels = NDArray[np.uint8]

SKY, GROUND, GRID, INK, RED = "#f4f6f9", "#dfe4ea", "#c3cbd5", "#1f3b57", "#d1495b"
OVERSAMPLED = 3
"""Pixels of the drawing for one of the picture, along each side: the picture's edges are smooth."""
ROUND = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
CORNERS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


class FlatCanvas:
    """Outlines of all bodies seen along one of the world's axes, without perspective.

    Args:
        model: whose scenes are drawn.
        view: where from.
        width: of pictures, in pixels.
        height: of pictures, in pixels.
    """

    def __init__(self, model: mujoco.MjModel, view: View, width: int, height: int) -> None:
        self.model, self.view = model, view
        self.size = (width * OVERSAMPLED, height * OVERSAMPLED)
        self.scale = view.pixels_per_metre(width, height) * OVERSAMPLED
        self.outlines = {geom: _surface(model, geom) for geom in range(model.ngeom)}
        self.drawn = [geom for geom, points in self.outlines.items() if points is not None and model.geom_rgba[geom, 3]]

    def draw(self, data: mujoco.MjData, arrows: Sequence[Arrow]) -> Pixels:
        """The scene at the state of `data`, shape `(height, width, 3)`."""
        image = Image.new("RGB", self.size, SKY)
        pen, centre = ImageDraw.Draw(image), self.view.centre(data)
        self._ground(pen, centre)
        # What is nearer to the eye is drawn later.
        for geom in sorted(self.drawn, key=lambda geom: self.view.depth(data.geom_xpos[geom])):
            points = data.geom_xpos[geom] + self.outlines[geom] @ data.geom_xmat[geom].reshape(3, 3).T
            outline = [tuple(point) for point in hull(self._place(points, centre))]
            pen.polygon(outline, fill=_colour(self.model, geom), outline=INK, width=OVERSAMPLED)
        for arrow in arrows:
            self._arrow(pen, *self._place(np.stack((arrow.start, arrow.end)), centre))
        smaller = image.resize((self.size[0] // OVERSAMPLED, self.size[1] // OVERSAMPLED), Image.Resampling.BOX)
        return np.asarray(smaller)

    def close(self) -> None:
        """There is nothing to free."""

    def _place(self, points: Array, centre: Array) -> Array:
        """Pixels of points in the world, shape `(n, 2)`."""
        across, up = self.view.project(points - centre)
        middle = np.array(self.size) / 2.0
        return np.stack((middle[0] + self.scale * across, middle[1] - self.scale * up), 1)

    def _ground(self, pen: ImageDraw.ImageDraw, centre: Array) -> None:
        """The floor seen from the side, or its squares from above; marks stand still while the camera moves along."""
        width, height = self.size
        horizon = float(self._place(np.zeros((1, 3)) + self.view.floor, centre)[0, 1])
        if self.view.top:
            pen.rectangle((0, 0, width, height), fill=GROUND)
            horizon = 0.0
        else:
            pen.rectangle((0, horizon, width, height), fill=GROUND)
            pen.line((0, horizon, width, horizon), fill=INK, width=OVERSAMPLED)
        every = self.view.mark
        first = np.floor((centre[0] - width / self.scale) / every)
        for number in np.arange(first, first + 2 * width / self.scale / every + 2):
            x = width / 2 + (number * every - centre[0]) * self.scale
            pen.line((x, horizon, x, height if self.view.top else horizon + 0.03 * height), fill=GRID, width=OVERSAMPLED)
        if self.view.top:
            first = np.floor((centre[1] - height / self.scale) / every)
            for number in np.arange(first, first + 2 * height / self.scale / every + 2):
                y = height / 2 - (number * every - centre[1]) * self.scale
                pen.line((0, y, width, y), fill=GRID, width=OVERSAMPLED)

    def _arrow(self, pen: ImageDraw.ImageDraw, start: Array, end: Array) -> None:
        """A shaft with a head, as wide as its length allows."""
        along = end - start
        length = float(np.hypot(*along))
        if length < 2.0 * OVERSAMPLED:
            return
        along = along / length
        side = np.array((-along[1], along[0]))
        head = min(0.45 * length, 9.0 * OVERSAMPLED)
        neck = end - head * along
        pen.line((*start, *neck), fill=RED, width=3 * OVERSAMPLED)
        pen.polygon([tuple(point) for point in (end, neck + 0.5 * head * side, neck - 0.5 * head * side)], fill=RED)


def hull(points: Array) -> Array:
    """The convex hull of points in the plane, shape `(m, 2)`, by Andrew's monotone chain.

    >>> hull(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]])).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    """
    ordered = sorted({(float(x), float(y)) for x, y in points})
    if len(ordered) < 3:
        return np.array(ordered)

    def chain(run: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for x, y in run:
            while len(kept) > 1:
                (a, b), (c, d) = kept[-2:]
                if (c - a) * (y - b) - (d - b) * (x - a) > 0.0:
                    break
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))


def _surface(model: mujoco.MjModel, geom: int) -> Array | None:
    """Points whose hull is the body's, in its own frame, shape `(n, 3)`; None for planes and what has no shape."""
    kind, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    kinds = mujoco.mjtGeom
    if kind == kinds.mjGEOM_BOX:
        return CORNERS * size
    if kind in (kinds.mjGEOM_SPHERE, kinds.mjGEOM_ELLIPSOID):
        return _ball() * (size if kind == kinds.mjGEOM_ELLIPSOID else size[0])
    if kind == kinds.mjGEOM_CAPSULE:
        ends = np.array((0.0, 0.0, size[1]))
        return np.concatenate((_ball() * size[0] + ends, _ball() * size[0] - ends))
    if kind == kinds.mjGEOM_CYLINDER:
        rim = np.stack((size[0] * np.cos(ROUND), size[0] * np.sin(ROUND), np.full(len(ROUND), size[1])), 1)
        return np.concatenate((rim, rim * (1.0, 1.0, -1.0)))
    if kind == kinds.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first = model.mesh_vertadr[mesh]
        return np.asarray(model.mesh_vert[first : first + model.mesh_vertnum[mesh]], np.float64)
    return None


def _ball() -> Array:
    """Points of three great circles: seen along any of the world's axes, close to a disc."""
    ring, none = np.stack((np.cos(ROUND), np.sin(ROUND))), np.zeros(len(ROUND))
    return np.concatenate([np.stack(axes, 1) for axes in ((*ring, none), (ring[0], none, ring[1]), (none, *ring))])


def _colour(model: mujoco.MjModel, geom: int) -> tuple[int, int, int]:
    """The geom's own, or its material's, less vivid."""
    material = model.geom_matid[geom]
    own = model.geom_rgba[geom, :3] if material < 0 or (model.geom_rgba[geom] != 0.5).any() else model.mat_rgba[material]
    hue, lightness, saturation = colorsys.rgb_to_hls(*(float(part) for part in own[:3]))
    red, green, blue = colorsys.hls_to_rgb(hue, 0.35 + 0.5 * lightness, 0.8 * saturation)
    return round(255 * red), round(255 * green), round(255 * blue)
