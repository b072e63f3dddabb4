"""Pictures of an attack: what forces cost the player, from where, how the searches went, on which bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import MaxNLocator

from heatbath.envs.adversarial.game import Array
from heatbath.envs.adversarial.grid import Grid
from heatbath.plugins.qarl.episodes import Episodes

DARK, RED, GREY, GOLD, BLUE = "#1f3b57", "#d1495b", "#9aa5b1", "#c98a1b", "#4f83b5"
COLOURS = {"none": GREY, "adversary": RED, "constant": DARK, "bang_bang": GOLD, "random": BLUE}
_COURSES = (
    ("return_{}", 1.0, ":", "all that are tried"),
    ("{}/return_mean", -1.0, ".-", "the law's mean"),
    ("{}/return_best", -1.0, ".-", "the best so far"),
)
"""What is drawn of a search: names in a step's metrics, their sign, how, and in words."""
RESAMPLED = 2000
"""Bootstrap samples of an interval."""


def label(kind: str) -> str:
    """A kind of force in words.

    >>> label("bang_bang"), label("none")
    ('bang-bang', 'no force')
    """
    return {"none": "no force", "adversary": "searched"}.get(kind, kind.replace("_", "-"))


def interval(returns: Array) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean; always the same for the same returns."""
    drawn = np.random.default_rng(0).choice(returns, (RESAMPLED, len(returns))).mean(1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def forces(judged: Mapping[str, Episodes], names: Mapping[str, str]) -> Figure:
    """Every episode's return by kind of force, the mean with its interval, and how many fell.

    Args:
        judged: episodes by kind.
        names: of the agents, by kind.
    """
    figure = Figure(figsize=(8.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 1.3), sharey=True)
    places = np.arange(len(judged))[::-1]
    spread = np.random.default_rng(0)
    for place, (kind, episodes) in zip(places, judged.items(), strict=True):
        returns, colour = episodes.returns, COLOURS[kind]
        jitter = place + spread.uniform(-0.22, 0.22, len(returns))
        left.scatter(returns, jitter, s=12, color=colour, alpha=0.45, linewidths=0)
        low, high = interval(returns)
        left.plot((low, high), (place, place), color="black", linewidth=2.2)
        left.plot(returns.mean(), place, "|", color="black", markersize=16, markeredgewidth=2.2)
        right.barh(place, episodes.fell.mean(), color=colour, height=0.5)
    left.set_yticks(places, [f"{label(kind)}\n{names[kind]}" if kind in names else label(kind) for kind in judged])
    left.set(xlabel="return of an episode; mean with 95 % interval", xlim=(min(0.0, left.get_xlim()[0]), None))
    right.set(xlabel="part that fell", xlim=(0.0, 1.0))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def directions(grid: Grid, returns: Array, nominal: float) -> Figure:
    """Mean return against the direction of a constant force, one line a strength.

    Args:
        grid: strengths x directions.
        returns: by cell.
        nominal: mean return without a force.
    """
    strengths, degrees = grid.rows.values, grid.columns.values
    shades = [(*(1.0 - (1.0 - np.array(_rgb(RED))) * share),) for share in np.linspace(0.3, 1.0, len(strengths))]
    if set(degrees) <= {0.0, 180.0}:
        return _line(grid, returns, nominal)
    figure = Figure(figsize=(5.6, 5.4), layout="constrained")
    axes = figure.add_subplot(projection="polar")
    assert isinstance(axes, PolarAxes)
    # All the way round where there are forces from everywhere, and no further than they go where there are not.
    whole = len(degrees) > 2 and bool(np.isclose(degrees[-1] + degrees[1] - degrees[0], degrees[0] + 360.0))
    places = np.append(np.arange(len(degrees)), 0) if whole else np.arange(len(degrees))
    angles = np.radians(degrees[places])
    everywhere = np.linspace(0.0, 2.0 * np.pi, 181)
    axes.plot(everywhere, np.full(181, nominal), color=GREY, linestyle="--", linewidth=1.2, label="no force")
    for strength, row, shade in zip(strengths, returns, shades, strict=True):
        axes.plot(angles, row[places], "o-", color=shade, markersize=3.5, label=f"{strength:g} of the force")
    axes.set_rlim(*radial_limits(np.append(returns, nominal)))
    axes.set_rlabel_position(100.0)
    axes.grid(color="#e3e7ec")
    axes.tick_params(labelsize="small")
    axes.set_title("return under a constant force, by its direction", fontsize="medium")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, -0.22), ncols=3, frameon=False, fontsize="small")
    return figure


def radial_limits(returns: Array) -> tuple[float, float]:
    """From below the least to above the largest, with a margin; from 0 where none is negative.

    >>> radial_limits(np.array([10.0, 90.0])), radial_limits(np.array([-40.0, -20.0]))
    ((0.0, 99.0), (-42.0, -18.0))
    """
    low, high = min(float(returns.min()), 0.0), float(returns.max())
    margin = 0.1 * (high - low) or 1.0
    return (low - margin if low < 0.0 else 0.0), high + margin


def _line(grid: Grid, returns: Array, nominal: float) -> Figure:
    """The same for forces along one line, towards both its ends or one."""
    figure = Figure(figsize=(5.5, 3.8), layout="constrained")
    axes = figure.subplots()
    strengths, signs = grid.rows.values, np.where(grid.columns.values == 180.0, -1.0, 1.0)
    force, values = np.append(np.outer(strengths, signs), 0.0), np.append(returns, nominal)
    order = np.argsort(force)
    axes.plot(force[order], values[order], "o-", color=RED)
    axes.set(xlabel="constant force, parts of the largest", ylabel="return")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def search(rows: Sequence[Mapping[str, float]], practice: int) -> Figure:
    """Mean returns of the player in every step, by who plays against it.

    Args:
        rows: of the experiment.
        practice: first steps, in which only the player learns.
    """
    figure = Figure(figsize=(7.5, 4.0), layout="constrained")
    axes = figure.subplots()
    for kind, colour in COLOURS.items():
        for key, sign, style, what in _COURSES:
            points = [(row["step"], sign * row[key.format(kind)]) for row in rows if key.format(kind) in row]
            if points and not (kind == "adversary" and "best" in key):
                name = "practice, no force" if kind == "none" else f"{label(kind)}: {what}"
                axes.plot(*zip(*points, strict=True), style, color=colour, label=name)
    if practice:
        axes.axvline(practice + 0.5, color=GREY, linewidth=0.8)
    axes.set(xlabel="step of the search", ylabel="mean return")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def robustness(grid: Grid, nominal: Array, attacked: Array, worst: str) -> Figure:
    """Heat maps of mean returns over masses and frictions, without a force and under the worst one.

    Args:
        grid: the two ranges.
        nominal: returns by cell without a force.
        attacked: under the worst force.
        worst: its kind.
    """
    figure = Figure(figsize=(9.2, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    low, high = min(0.0, float(nominal.min()), float(attacked.min())), float(max(nominal.max(), attacked.max()))
    rows, columns = grid.rows.values, grid.columns.values
    titles = (f"no force, mean {nominal.mean():.0f}", f"{label(worst)} force, mean {attacked.mean():.0f}")
    for axes, returns, title in zip(panels, (nominal, attacked), titles, strict=True):
        image = axes.pcolormesh(columns, rows, returns, cmap="viridis", vmin=low, vmax=high, shading="nearest")
        axes.set(xlabel=grid.columns.label, title=title, xticks=columns[::2], yticks=rows[::2])
        axes.tick_params(labelsize="small")
    panels[0].set_ylabel(grid.rows.label)
    figure.colorbar(image, ax=panels.tolist(), label="return")
    return figure


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[place : place + 2], 16) / 255.0 for place in (1, 3, 5))
