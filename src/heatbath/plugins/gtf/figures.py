"""Pictures of a true and a generated attractor."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from heatbath.plugins.gtf.measures import power_spectra

TRUE, GENERATED = "#1f3b57", "#d1495b"
SHOWN = 10_000
"""Points drawn of a trajectory."""


def attractor(true: Tensor, generated: Tensor) -> Figure:
    """Both trajectories in the plane of their first and last variable, side by side on one scale, and over time.

    Args:
        true: shape `(time, dim)`.
        generated: shape `(time, dim)`.
    """
    figure = Figure(figsize=(9, 6), layout="constrained")
    left, right, below = figure.subplot_mosaic([["true", "free"], ["time", "time"]], height_ratios=(2, 1)).values()
    for axes, series, colour, name in ((left, true, TRUE, "true"), (right, generated, GENERATED, "generated")):
        axes.plot(*series[:SHOWN, [0, -1]].T.numpy(), color=colour, linewidth=0.3)
        axes.set(title=name, xlabel="first variable (standardised)", ylabel="last variable (standardised)")
        _same_scale(axes, true)
    for series, colour, name in ((true, TRUE, "true"), (generated, GENERATED, "generated")):
        below.plot(series[: SHOWN // 5, 0].numpy(), color=colour, linewidth=0.8, label=name)
    below.set(xlabel="step", ylabel="first variable", ylim=_reach(true[:, 0]))
    below.legend(loc="upper right")
    return figure


def spectrum(true: Tensor, generated: Tensor, time_step: float) -> Figure:
    """Smoothed power spectra of each variable, as D_H compares them.

    Args:
        true: shape `(time, dim)`.
        generated: shape `(time, dim)`.
        time_step: between points.
    """
    dim = true.shape[1]
    figure = Figure(figsize=(3 * dim, 3), layout="constrained")
    panels = figure.subplots(1, dim, sharey=True, squeeze=False)[0]
    frequency = torch.fft.rfftfreq(len(true), time_step).numpy()
    shown = len(frequency) // 10
    floor = float(power_spectra(true)[:shown].min()) / 10
    for series, colour, name in ((true, TRUE, "true"), (generated, GENERATED, "generated")):
        power = power_spectra(series).numpy()
        for i, axes in enumerate(panels):
            axes.semilogy(frequency[:shown], power[:shown, i], color=colour, linewidth=1, label=name)
            axes.set(title=f"variable {i + 1}", xlabel="frequency", xlim=(0, frequency[shown]), ylim=(floor, None))
    panels[0].set_ylabel("normalised power")
    panels[0].legend(loc="lower left")
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
        axes.scatter(peaks[:-1].numpy(), peaks[1:].numpy(), s=3, color=colour, label=f"{name} ({len(peaks)} maxima)")
    reach = _reach(maxima(true[:, -1]))
    axes.set(xlabel="maximum n", ylabel="maximum n + 1", xlim=reach, ylim=reach)
    axes.legend(loc="lower center")
    return figure


def maxima(series: Tensor) -> Tensor:
    """Local maxima of a series of shape `(time,)`.

    >>> maxima(torch.tensor([0.0, 2.0, 1.0, 3.0, 0.0])).tolist()
    [2.0, 3.0]
    """
    middle = series[1:-1]
    return middle[(middle > series[:-2]) & (middle >= series[2:])]


def _reach(values: Tensor) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def _same_scale(axes: Axes, true: Tensor) -> None:
    axes.set(xlim=_reach(true[:, 0]), ylim=_reach(true[:, -1]))
