"""Pictures of matrix games along a curriculum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from heatbath.solvers.games import Equilibrium, exploitability, quantal_response

Array = NDArray[np.float64]
DARK, RED, GREY, GOLD = "#1f3b57", "#d1495b", "#9aa5b1", "#c98a1b"
HEAT = "plasma"
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])


@dataclass(frozen=True)
class Paths:
    """Equilibria of a payoff, shape `(m, n)`, at a curriculum's temperatures and at a fine range of them."""

    payoff: Array
    nash: Equilibrium
    temperatures: Array
    stops: Equilibrium
    fine: Array
    way: Equilibrium

    @property
    def scale(self) -> LogNorm:
        return LogNorm(float(self.fine.min()), float(self.fine.max()))


def path(paths: Paths) -> Figure:
    """Where the equilibrium goes as the adversary cools down: in a square, in triangles, or as bands."""
    if paths.payoff.shape == (2, 2):
        return _square(paths)
    if paths.payoff.shape == (3, 3):
        return _triangles(paths)
    return _bands(paths)


def _square(paths: Paths) -> Figure:
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes = figure.subplots()
    grid = np.linspace(0, 1, 201)
    p, q = np.meshgrid(grid, grid)
    gain = exploitability(paths.payoff, np.stack([p, 1 - p], -1), np.stack([q, 1 - q], -1))
    filled = axes.contourf(p, q, gain, levels=14, cmap="Blues")
    figure.colorbar(filled, ax=axes, label="exploitability", pad=0.02)
    for own in (0.05, 0.5, 2.0):
        _other(axes, paths, own)
    points, stops = (np.stack([of.row[:, 0], of.column[:, 0]], 1) for of in (paths.way, paths.stops))
    line = _way(axes, paths, points, stops)
    figure.colorbar(line, ax=axes, label="temperature of the adversary", pad=0.02)
    axes.plot(paths.nash.row[0], paths.nash.column[0], "*", color="white", markeredgecolor="black", markersize=17)
    axes.annotate("Nash", (paths.nash.row[0], paths.nash.column[0]), (-10, -18), textcoords="offset points")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="protagonist: P(first action)", ylabel="adversary: P(first action)")
    axes.set_title("as the adversary cools down (dashed: for protagonists at 0.05, 0.5, 2)", fontsize=10)
    return figure


def _other(axes: Axes, paths: Paths, own: float) -> None:
    """The way of a protagonist at another temperature."""
    found = quantal_response(paths.payoff, own, paths.fine)
    axes.plot(found.row[:, 0], found.column[:, 0], color=DARK, linewidth=0.9, linestyle="--", alpha=0.7)
    axes.annotate(f"{own:g}", (found.row[-1, 0], found.column[-1, 0]), (3, 3), textcoords="offset points", color=DARK)


def _way(axes: Axes, paths: Paths, points: Array, stops: Array) -> LineCollection:
    """A line that changes colour with the temperature, and the curriculum's stops on it; points in the plane."""
    line = LineCollection(
        list(np.stack([points[:-1], points[1:]], 1)), cmap=HEAT, norm=paths.scale, linewidth=3.0, zorder=3
    )
    line.set_array(np.sqrt(paths.fine[:-1] * paths.fine[1:]))
    axes.add_collection(line)
    axes.scatter(
        stops[:, 0],
        stops[:, 1],
        c=paths.temperatures,
        cmap=HEAT,
        norm=paths.scale,
        s=34,
        zorder=4,
        edgecolors="white",
        linewidths=0.8,
    )
    return line


def _triangles(paths: Paths) -> Figure:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, 2)
    value = float(paths.nash.value)
    laws = _barycentric(60)
    mesh = Triangulation(*(laws @ CORNERS).T)
    sides = (
        ("protagonist", paths.stops.row, paths.way.row, paths.nash.row, value - (laws @ paths.payoff).min(1)),
        ("adversary", paths.stops.column, paths.way.column, paths.nash.column, (laws @ paths.payoff.T).max(1) - value),
    )
    levels = np.linspace(0, max(side[-1].max() for side in sides), 16)
    for axes, (name, stops, way, nash, gain) in zip(panels, sides, strict=True):
        filled = axes.tricontourf(mesh, gain, levels=levels, cmap="Blues")
        axes.plot(*np.vstack([CORNERS, CORNERS[:1]]).T, color=GREY, linewidth=1.0)
        line = _way(axes, paths, way @ CORNERS, stops @ CORNERS)
        axes.plot(*(nash @ CORNERS), "*", color="white", markeredgecolor="black", markersize=16, zorder=5)
        for index, corner in enumerate(CORNERS):
            place = ("right", "left", "center")[index], ("top", "top", "bottom")[index]
            axes.text(*corner, f" action {index} ", ha=place[0], va=place[1], color=DARK)
        axes.set_title(f"the {name}", pad=18)
        axes.set_aspect("equal")
        axes.axis("off")
    figure.colorbar(filled, ax=panels.tolist(), label="what a perfect opponent gains", shrink=0.8, format="%.2g")
    figure.colorbar(line, ax=panels.tolist(), label="temperature of the adversary", shrink=0.8)
    return figure


def _barycentric(parts: int) -> Array:
    """A grid of laws on three actions, shape `(points, 3)`."""
    return np.array([(i, j, parts - i - j) for i in range(parts + 1) for j in range(parts + 1 - i)]) / parts


def _bands(paths: Paths) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    sides = (
        ("protagonist", paths.way.row, paths.nash.row),
        ("adversary", paths.way.column, paths.nash.column),
    )
    for axes, (name, way, nash) in zip(figure.subplots(1, 2, sharey=True), sides, strict=True):
        shades = [f"C{index % 10}" for index in range(way.shape[1])]
        axes.stackplot(paths.fine, way.T, colors=shades, alpha=0.85, linewidth=0.3, edgecolor="white")
        for edge in np.cumsum(nash)[:-1]:
            axes.axhline(edge, color="black", linewidth=0.8, linestyle=":")
        axes.plot(
            paths.temperatures, np.zeros_like(paths.temperatures), "|", color="black", markersize=10, clip_on=False
        )
        axes.set(xscale="log", xlim=(paths.fine.max(), paths.fine.min()), ylim=(0, 1), title=f"the {name}")
        axes.set_xlabel("temperature of the adversary")
    figure.axes[0].set_ylabel("probability of each action; dotted: Nash")
    return figure


def course(rows: Sequence[Mapping[str, float]], nash_value: float) -> Figure:
    """Exploitability, split between the players, and values, along the curriculum.

    Args:
        rows: of the experiment, one a step.
        nash_value: of the game.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = np.arange(1, len(rows) + 1)
    worst = np.array([row["return_worst"] for row in rows])
    whole = np.array([row["exploitability"] for row in rows])
    own = nash_value - worst
    left.stackplot(
        steps, own, whole - own, colors=(RED, GOLD), alpha=0.75,
        labels=("from the protagonist", "from the adversary"),
    )  # fmt: skip
    left.plot(steps, whole, color=DARK, marker="o", markersize=4, label="exploitability")
    left.set(
        xlabel="update of the curriculum", ylabel="what can be gained", ylim=(0, None), xlim=(1, max(len(rows), 2))
    )
    cool = left.twinx()
    cool.plot(steps, [row["temperature"] for row in rows], color="black", linewidth=1.0, linestyle=":")
    cool.set(yscale="log", ylabel="temperature of the adversary (dotted)")
    right.axhline(nash_value, color="black", linewidth=1.0, label="Nash value")
    for key, colour, label in (
        ("return_mean", GREY, "mean over the draws"),
        ("value", DARK, "at the mean temperature"),
        ("return_worst", RED, "against a perfect adversary"),
    ):
        right.plot(steps, [row[key] for row in rows], color=colour, marker="o", markersize=3.5, label=label)
    right.set(xlabel="update of the curriculum", ylabel="return of the protagonist")
    for axes in (left, right):
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)
    for axes in (left, right, cool):
        axes.spines["top"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def laws(rows: Sequence[Mapping[str, float]], drawn: Sequence[Sequence[float]], rate: float | None) -> Figure:
    """The law of the temperature at each step, one behind the other, and what was drawn from it.

    Args:
        rows: of the experiment, with `shape` where the law is of the Gamma kind.
        drawn: temperatures, by step.
        rate: of the Gamma laws, or None for other curricula, of which the draws are all there is to see.
    """
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    axes = figure.subplots()
    positive = [value for draws in drawn for value in draws if value > 1e-12] or [1.0]
    low, high = max(min(positive) / 2, max(positive) * 1e-6), max(positive) * 2
    grid = np.geomspace(low, high, 400)
    colours = LogNorm(max(min(row["temperature"] for row in rows), low), max(row["temperature"] for row in rows) * 1.01)
    for index, (row, draws) in enumerate(zip(rows, drawn, strict=True)):
        colour = colormaps[HEAT](colours(row["temperature"]))
        base = -float(index)
        if rate is not None and "shape" in row:
            height = base + 1.6 * _log_density(grid, row["shape"], rate)
            axes.fill_between(grid, base, height, color=colour, alpha=0.75, linewidth=0, zorder=index)
            axes.plot(grid, height, color="white", linewidth=1.0, zorder=index)
        axes.plot(draws, np.full(len(draws), base), "|", color=colour, markersize=5, zorder=index + 0.5)
        axes.plot(row["temperature"], base, "o", color="black", markersize=3, zorder=index + 0.6)
    axes.set(xscale="log", xlim=(low, high), xlabel="temperature of the adversary", ylabel="update of the curriculum")
    ticks = range(0, len(rows), max(len(rows) // 8, 1))
    axes.set_yticks([-index for index in ticks], [str(index + 1) for index in ticks])
    axes.set_title("laws of the temperature, draws (bars) and mean (dots)", fontsize=10)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure


def _log_density(x: Array, shape: float, rate: float) -> Array:
    """Of ln alpha, its largest value 1."""
    logarithms = shape * np.log(rate * x) - rate * x
    return np.asarray(np.exp(logarithms - logarithms.max()))
