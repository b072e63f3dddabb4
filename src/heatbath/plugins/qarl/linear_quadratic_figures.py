"""Pictures of the linear-quadratic game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import NullFormatter, ScalarFormatter
from numpy.typing import NDArray

from heatbath.solvers.games import LinearQuadraticGame

Array = NDArray[np.float64]
DARK, RED, GREY, GOLD = "#1f3b57", "#d1495b", "#9aa5b1", "#c98a1b"
LOOKS = {"lqr": (RED, "LQR"), "robust": (DARK, "robust gain")}
HORIZON = 120
NEAR = 1.03
"""The price at which both gains are attacked, as a multiple of the one at which the regulator's costs have no bound."""


def costs(
    rows: Sequence[Mapping[str, float]],
    nominal: Mapping[str, float],
    game: LinearQuadraticGame,
    gains: Mapping[str, Array],
    start: Array,
) -> Figure:
    """Worst costs against the price of the disturbance, and, at the game's price, against the horizon.

    Args:
        rows: of the experiment, one a price.
        nominal: costs without disturbance, by gain.
        game: at the price that the robust gain is made for.
        gains: `lqr` and `robust`, shapes `(1, 2)`.
        start: shape `(2,)`.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    prices = np.array([row["rho"] for row in rows])
    least = {name: game.with_gain(gain).least_price() for name, gain in gains.items()}
    left.axvspan(prices.min(), least["lqr"], color=RED, alpha=0.08, linewidth=0)
    for name, gain in gains.items():
        colour, label = LOOKS[name]
        every = np.unique(np.concatenate([prices, least[name] * (1 + np.geomspace(1e-4, 1, 60))]))
        above = every[(every > least[name]) & (every <= prices.max())]
        curve = np.array([_at(game, rho).worst_cost(start, gain) for rho in above])
        left.plot(above, curve, color=colour, linewidth=2.0, label=f"{label}, worst case")
        left.axvline(least[name], color=colour, linewidth=0.9, linestyle=":")
        left.axhline(nominal[name], color=colour, linewidth=0.9, linestyle="--", label=f"{label}, undisturbed")
    left.plot(
        prices, [row["cost_worst_game"] for row in rows], color=GOLD, linewidth=1.6, label="the game at each price"
    )
    left.axvline(game.rho, color="black", linewidth=0.8)
    low = min(nominal.values())
    left.set(xscale="log", xlim=(prices.min(), prices.max()), ylim=(0.97 * low, 1.45 * low))
    left.xaxis.set_major_formatter(ScalarFormatter())
    left.xaxis.set_minor_formatter(NullFormatter())
    left.set_xticks(
        [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if prices.min() <= tick <= prices.max()]
    )
    left.set(xlabel="price of the disturbance", ylabel="cost of the start")
    left.set_title("left of a dotted line the cost is unbounded", fontsize=10)
    left.legend(frameon=False, loc="upper right", fontsize=9)
    steps = np.arange(1, HORIZON + 1)
    for name, gain in gains.items():
        colour, label = LOOKS[name]
        curve = game.with_gain(gain).horizon_costs(start, HORIZON)
        right.plot(steps, curve, color=colour, linewidth=2.0, label=label)
        if not np.isfinite(curve[-1]):
            last = int(np.isfinite(curve).sum())
            right.axvline(last, color=colour, linewidth=0.9, linestyle=":")
            right.annotate(" unbounded\n from here on", (last, 0.35 * game.cost(start)), color=colour)
    right.axhline(game.cost(start), color=GOLD, linewidth=1.2, linestyle="--", label="value of the game")
    right.set(xlabel="steps to go", ylabel="worst cost", ylim=(0, 1.3 * game.cost(start)), xlim=(1, HORIZON))
    right.set_title(f"at the price {game.rho:g}", fontsize=10)
    right.legend(frameon=False, loc="lower right", fontsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def trajectories(game: LinearQuadraticGame, gains: Mapping[str, Array], start: Array, time_step: float) -> Figure:
    """Each gain, undisturbed and under the disturbance that is worst for it, at one price that bounds both."""
    price = NEAR * max(game.with_gain(gain).least_price() for gain in gains.values())
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    length = 200
    times = time_step * np.arange(length)
    for name, gain in gains.items():
        colour, label = LOOKS[name]
        attack = _at(game, price).with_gain(gain).feedback[1]
        for push, style, width in ((0 * attack, "--", 1.2), (attack, "-", 2.0)):
            closed = game.A + game.B @ gain + game.D @ push
            states = np.empty((length, len(start)))
            states[0] = start
            for step in range(1, length):
                states[step] = closed @ states[step - 1]
            shown = states[:, 0], (states @ push.T)[:, 0], (states @ gain.T)[:, 0]
            for axes, series in zip(panels, shown, strict=True):
                axes.plot(times, series, color=colour, linestyle=style, linewidth=width)
        panels[0].plot([], [], color=colour, linewidth=2.0, label=label)
    for axes, title in zip(panels, ("position", "disturbance", "control"), strict=True):
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(title=title, xlabel="time in s", xlim=(0, times[-1]))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, title=f"worst case at price {price:.3g};\ndashed: undisturbed", title_fontsize=9)
    return figure


def spread(game: LinearQuadraticGame, start: Array, temperatures: tuple[float, float]) -> Figure:
    """States of the stochastic equilibrium: mean path and ellipses of one standard deviation; and those of actions."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    k_u, k_w = game.feedback
    closed = game.A + game.B @ k_u + game.D @ k_w
    for share, alpha in ((4.0, 0.25), (1.0, 0.9)):
        cov_u, cov_w = game.covariances(*(share * t for t in temperatures))
        noise = game.B @ cov_u @ game.B.T + game.D @ cov_w @ game.D.T
        mean, moment, means = start.astype(float), np.zeros_like(game.A), []
        for step in range(160):
            if step % 8 == 0:
                _ellipse(left, mean, moment, DARK, alpha)
            means.append(mean)
            mean, moment = closed @ mean, closed @ moment @ closed.T + noise
        left.plot(*np.array(means).T, color=DARK, linewidth=1.5)
    left.set(xlabel="position", ylabel="speed")
    left.set_title("states: mean, and one standard deviation (pale: four times the temperatures)", fontsize=10)
    scale = Normalize(0, 60)
    cov_u, cov_w = game.covariances(*temperatures)
    mean = start.astype(float)
    both = np.diag([cov_u[0, 0], cov_w[0, 0]])
    for step in range(61):
        actions = np.array([(k_u @ mean)[0], (k_w @ mean)[0]])
        if step % 6 == 0:
            colour = colormaps["plasma"](scale(step))
            _ellipse(right, actions, both, colour, 0.9)
            right.plot(*actions, "o", color=colour, markersize=3)
        mean = closed @ mean
    right.axhline(0, color=GREY, linewidth=0.8)
    right.axvline(0, color=GREY, linewidth=0.8)
    right.autoscale_view()
    right.set(xlabel="control", ylabel="disturbance")
    right.set_title("actions every 6 steps (from dark to light), one standard deviation", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _ellipse(axes: Axes, mean: Array, covariance: Array, colour: object, alpha: float) -> None:
    values, vectors = np.linalg.eigh(covariance)
    width, height = 2 * np.sqrt(np.maximum(values, 0.0))
    angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
    axes.add_patch(
        Ellipse(
            (mean[0], mean[1]), width, height, angle=angle, fill=False, edgecolor=colour, alpha=alpha, linewidth=1.0
        )
    )


def _at(game: LinearQuadraticGame, rho: float) -> LinearQuadraticGame:
    return replace(game, rho=float(rho))
