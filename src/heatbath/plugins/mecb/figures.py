"""Pictures of codes and couplings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from heatbath.solvers.coupling.code import Code
from heatbath.solvers.coupling.marginals import Masses, entropy
from heatbath.solvers.coupling.refined import greedy_maps, neighbourhood, partitions

DARK, RED, GREY, GOLD = "#1f3b57", "#d1495b", "#9aa5b1", "#c98a1b"
ALL_MAPS = 8
"""Symbols up to which every map is drawn (4140 of them); beyond, those that the closed form chooses among."""
ALL_MOVES = 4
"""Symbols up to which the moves from every map are drawn."""


def information(rows: Sequence[Mapping[str, float]], p_x: Masses, names: Mapping[str, str]) -> Figure:
    """I(X; T) against the bound on H(T), with all deterministic maps; and I(X; Y) against the same bound.

    Args:
        rows: of the experiment, one a rate.
        p_x: the source, shape `(n,)`.
        names: of the encoders, by slot.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rates = [row["rate"] for row in rows]
    whole = entropy(p_x)
    for axes in (left, right):
        axes.plot([0, whole], [0, whole], color=GREY, linewidth=0.8, linestyle=":", label="all of the rate")
    _maps(left, p_x[p_x > 0])
    for key, colour, width, slot in (
        ("information_baseline", GOLD, 1.0, "baseline"),
        ("information", RED, 1.2, "encoder"),
        ("information_refined", DARK, 2.2, "refined"),
    ):
        style = "default" if slot == "refined" else "steps-post"
        values = [row[key] for row in rows]
        left.plot(rates, values, color=colour, linewidth=width, label=names[slot], drawstyle=style)
    left.set(xlabel="bound on H(T) in bits", ylabel="I(X; T) in bits", title="what the code tells about X")
    for key, colour, label in (
        ("code_entropy", GREY, f"H(T) of {names['encoder']}"),
        ("mutual_information", RED, "I(X; Y)"),
    ):
        right.plot(rates, [row[key] for row in rows], color=colour, label=label, drawstyle="steps-post")
    right.set(xlabel="bound on H(T) in bits", ylabel="bits", title="what Y tells about X")
    for axes in (left, right):
        axes.legend(loc="upper left", frameon=False)
    return figure


def _maps(axes: Axes, p: Masses) -> None:
    """Deterministic maps as points, and the moves away from them where they are few."""
    labels = partitions(len(p)) if len(p) <= ALL_MAPS else greedy_maps(p)
    entropies = [Code.of(label, p).entropy for label in labels]
    if len(p) <= ALL_MOVES:
        for label in labels:
            for path in neighbourhood(p, label):
                axes.plot(*path.T, color=GREY, linewidth=0.8, linestyle="--")
    kind = "all maps" if len(p) <= ALL_MAPS else "maps of the closed form"
    axes.scatter(entropies, entropies, s=14 if len(labels) < 100 else 3, color="black", zorder=3, label=kind)


def joints(laws: Mapping[float, ArrayLike]) -> Figure:
    """Joint laws p(x, y) at several compressions.

    Args:
        laws: by H(X) / R, each of shape `(n, m)`.
    """
    figure = Figure(figsize=(2.6 * len(laws) + 0.8, 3), layout="constrained")
    panels = figure.subplots(1, len(laws), sharey=True, squeeze=False)[0]
    most = max(float(np.max(law)) for law in laws.values())
    for axes, (compression, law) in zip(panels, laws.items(), strict=True):
        scale = PowerNorm(0.5, 0.0, most)  # a block of many small masses is to be seen beside few large ones
        image = axes.imshow(np.asarray(law), cmap="Blues", norm=scale, aspect="auto", interpolation="nearest")
        axes.set(title=f"H(X)/R = {compression:g}", xlabel="y")
    panels[0].set_ylabel("x")
    figure.colorbar(image, ax=panels.tolist(), label="p(x, y)")
    return figure


def entropies(reached: Sequence[float], bounds: Sequence[float]) -> Figure:
    """Joint entropies of many pairs, and how far each is above its lower bound.

    Args:
        reached: by the coupler, in nats.
        bounds: of each pair, in nats.
    """
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(bounds, bins=40, color=GREY, label="lower bound")
    left.hist(reached, bins=40, color=RED, alpha=0.7, label="coupler")
    left.set(xlabel="joint entropy in nats", ylabel="pairs")
    left.legend(frameon=False)
    right.hist(np.subtract(reached, bounds), bins=40, color=DARK)
    right.set(xlabel="certified gap in nats", ylabel="pairs", xlim=(0, None))
    return figure
