"""Pictures of forecasts before and after conditioning."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from heatbath.core.contracts import Gaussian

TRUE, BEFORE, AFTER = "#222222", "#d1795b", "#1f6f8b"
REACH = 1.96
"""Standard deviations of a 95 % band."""


def profiles(x: Tensor, target: Tensor, before: Gaussian, after: Gaussian, names: Sequence[str], title: str) -> Figure:
    """One row of panels before and one after, with the true field, and bands that hold 95 % of each law.

    Args:
        x: shape `(n,)`.
        target: shape `(fields, n)`.
        before: law of shape `(fields, n)`.
        after: likewise.
        names: of the fields.
        title: of the whole.
    """
    figure = Figure(figsize=(3.6 * len(names), 5.6), layout="constrained")
    panels = figure.subplots(2, len(names), sharex=True, sharey="col", squeeze=False)
    figure.suptitle(title)
    for row, (law, colour, word) in enumerate(((before, BEFORE, "as predicted"), (after, AFTER, "conserving"))):
        deviation = law.marginal_variance.sqrt()
        for k, axes in enumerate(panels[row]):
            _band(axes, x, law.mean[k], deviation[k], colour, word)
            axes.plot(x.cpu().numpy(), target[k].cpu().numpy(), color=TRUE, linewidth=1, linestyle="--", label="true")
            axes.set(title=names[k] if row == 0 else "", xlabel="x" if row == 1 else "")
            axes.set_ylim(*_reach(target[k]))
        panels[row][0].set_ylabel("u")
        panels[row][0].legend(loc="upper right")
    return figure


def masses(t: Tensor, found: Sequence[tuple[Tensor, Tensor, Tensor]], names: Sequence[str], title: str) -> Figure:
    """Above the mass over time, known and of the forecasts; below by how much they miss it, on a logarithmic scale.

    Args:
        t: shape `(times,)`.
        found: for each field the known mass, and what the mean misses of it before and after, each `(times,)`.
        names: of the fields.
        title: of the whole.
    """
    figure = Figure(figsize=(3.6 * len(names), 5), layout="constrained")
    panels = figure.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
    figure.suptitle(f"{title}: conserved mass")
    times = t.cpu().numpy()
    for k, (known, before, after) in enumerate(found):
        above, below = panels[0][k], panels[1][k]
        above.plot(times, (known + before).cpu().numpy(), color=BEFORE, label="as predicted")
        above.plot(times, (known + after).cpu().numpy(), color=AFTER, linewidth=3, alpha=0.6, label="conserving")
        above.plot(times, known.cpu().numpy(), color=TRUE, linewidth=1, linestyle="--", label="true")
        above.set(title=names[k])
        for miss, colour in ((before, BEFORE), (after, AFTER)):
            below.semilogy(times, miss.abs().clamp_min(1e-18).cpu().numpy(), color=colour, linewidth=1)
        below.set(xlabel="t", ylim=(1e-18, 1))
    panels[0][0].set_ylabel("mass")
    panels[0][0].legend(loc="upper left")
    panels[1][0].set_ylabel("|mass of the mean - true|")
    return figure


def _band(axes: Axes, x: Tensor, mean: Tensor, deviation: Tensor, colour: str, label: str) -> None:
    place, middle, width = (item.cpu().numpy() for item in (x, mean, REACH * deviation))
    axes.fill_between(place, middle - width, middle + width, color=colour, alpha=0.25, linewidth=0)
    axes.plot(place, middle, color=colour, linewidth=1.2, label=label)


def _reach(values: Tensor) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.25 * (high - low) or 1.0
    return low - margin, high + margin
