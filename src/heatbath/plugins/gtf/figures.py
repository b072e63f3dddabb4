"""Pictures of a true and a generated attractor, and of the training."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from heatbath.plugins.gtf.measures import power_spectra

TRUE, GENERATED = "#1f3b57", "#d1495b"
SHOWN, TURNS, TURNS_IN_TIME = 10_000, 130, 26
"""Most points drawn of a trajectory, and most turns: in its plane, over time."""
DELAY = 10
"""Steps by which a single variable is drawn against itself."""
PANELS = 6
"""Most variables whose spectra are drawn."""


def plane(series: Tensor, true: Tensor) -> tuple[Tensor, tuple[str, str]]:
    """A trajectory in a plane, shape `(time, 2)`, and what the axes are.

    Of one variable its delayed self, of two or three the first and the last, of more the two leading principal
    components of the true series.

    Args:
        series: shape `(time, dim)`.
        true: the series whose principal components count, shape `(time, dim)`.
    """
    if series.shape[1] == 1:
        return torch.cat([series[DELAY:], series[:-DELAY]], 1), ("x(t)", f"x(t - {DELAY})")
    if series.shape[1] <= 3:
        return series[:, [0, -1]], ("first variable", "last variable")
    centred = true - true.mean(0)
    _, _, directions = torch.linalg.svd(centred.T @ centred)
    return (series - true.mean(0)) @ directions[:2].T, ("first principal component", "second principal component")


def turn(true: Tensor) -> float:
    """Points from one maximum of the last variable to the next, on average; its time scale.

    Args:
        true: shape `(time, dim)`.
    """
    return len(true) / max(1, len(maxima(true[:, -1])))


def attractor(true: Tensor, generated: Tensor) -> Figure:
    """Both trajectories in a plane, side by side on one scale, and over time.

    Args:
        true: shape `(time, dim)`.
        generated: shape `(time, dim)`.
    """
    figure = Figure(figsize=(9, 6), layout="constrained")
    left, right, below = figure.subplot_mosaic([["true", "free"], ["time", "time"]], height_ratios=(2, 1)).values()
    drawn, _ = plane(true, true)
    in_plane, in_time = (min(SHOWN, len(true), max(100, int(turns * turn(true)))) for turns in (TURNS, TURNS_IN_TIME))
    for axes, series, colour, name in ((left, true, TRUE, "true"), (right, generated, GENERATED, "generated")):
        points, (across, up) = plane(series, true)
        axes.plot(*points[:in_plane].T.numpy(), color=colour, linewidth=0.3)
        axes.set(title=name, xlabel=across, ylabel=up, xlim=reach(drawn[:, 0]), ylim=reach(drawn[:, 1]))
    for series, colour, name in ((true, TRUE, "true"), (generated, GENERATED, "generated")):
        below.plot(series[:in_time, 0].numpy(), color=colour, linewidth=0.8, label=name)
    below.set(xlabel="step", ylabel="first variable", ylim=reach(true[:, 0]), xlim=(0, in_time))
    below.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize="small")
    return figure


def spectrum(true: Tensor, generated: Tensor, time_step: float) -> Figure:
    """Smoothed power spectra of the first variables, as D_H compares them.

    Args:
        true: shape `(time, dim)`.
        generated: shape `(time, dim)`.
        time_step: between points.
    """
    dim = min(true.shape[1], PANELS)
    figure = Figure(figsize=(max(4.5, 3 * min(dim, 3)), 3 * -(-dim // 3)), layout="constrained")
    panels = figure.subplots(-(-dim // 3), min(dim, 3), sharey=True, squeeze=False).flatten()
    frequency = torch.fft.rfftfreq(len(true), time_step)
    power = power_spectra(true[:, :dim])
    shown = _cut(power)
    floor = float(power[:shown].min()) / 10
    for series, colour, name in ((true, TRUE, "true"), (generated, GENERATED, "generated")):
        power = power_spectra(series[:, :dim])
        for i, axes in enumerate(panels[:dim]):
            axes.semilogy(frequency[:shown].numpy(), power[:shown, i].numpy(), color=colour, linewidth=1, label=name)
            axes.set(title=f"variable {i + 1}", xlabel="frequency", xlim=(0, float(frequency[shown - 1])))
    panels[0].set_ylim(bottom=floor)  # shared, and after all is drawn: the top is that of the highest peak
    for axes in panels[dim:]:
        axes.set_visible(False)
    for axes in panels[:: min(dim, 3)]:
        axes.set_ylabel("normalised power")
    panels[min(dim, 3) - 1].legend(loc="upper right", frameon=False, fontsize="small")
    return figure


def return_map(true: Tensor, generated: Tensor) -> Figure:
    """Each maximum of the last variable against the one before (Lorenz 1963, figure 4).

    Args:
        true: shape `(time, dim)`.
        generated: shape `(time, dim)`.
    """
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for series, colour, name in ((true, TRUE, "true"), (generated, GENERATED, "generated")):
        peaks = maxima(series[:, -1])
        label = f"{name} ({len(peaks)} maxima)"
        axes.scatter(peaks[:-1].numpy(), peaks[1:].numpy(), s=3, color=colour, alpha=0.6, linewidths=0, label=label)
    peaks = maxima(true[:, -1])
    limits = reach(peaks if len(peaks) > 1 else true[:, -1])
    axes.set(title="maxima of the last variable", xlabel="maximum n", ylabel="maximum n + 1", xlim=limits, ylim=limits)
    axes.legend(loc="upper left", fontsize="small", markerscale=3)
    return figure


def training(course: Tensor) -> Figure:
    """Loss and forcing strength over the optimiser steps.

    Args:
        course: rows of step, alpha and loss, shape `(epochs, 3)`.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    steps, alpha, loss = course.T.numpy()
    above.semilogy(steps, loss, color=TRUE, linewidth=0.8)
    above.set_ylabel("loss, mean of an epoch")
    below.plot(steps, alpha, color=GENERATED, linewidth=1.2)
    below.set(xlabel="optimiser step", ylabel="forcing strength", ylim=(-0.05, 1.05))
    return figure


def maxima(series: Tensor) -> Tensor:
    """Local maxima of a series of shape `(time,)`.

    >>> maxima(torch.tensor([0.0, 2.0, 1.0, 3.0, 0.0])).tolist()
    [2.0, 3.0]
    """
    middle = series[1:-1]
    return middle[(middle > series[:-2]) & (middle >= series[2:])]


def reach(values: Tensor) -> tuple[float, float]:
    """Limits of an axis, a tenth beyond the values on either side."""
    low, high = float(values.min()), float(values.max())
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin


def _cut(power: Tensor) -> int:
    """How many frequencies are worth drawing: those below which almost all power of every variable lies."""
    beyond = (1 - power.cumsum(0)).amax(1) > 1e-4
    return min(len(power), max(2, int(1.3 * int(beyond.sum()))))
