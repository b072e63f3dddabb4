"""Pictures of a neural ODE: where it flows, the steps that it takes, and what they cost over training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

TRUE, LEARNED, QUIET = "#1f3b57", "#d1495b", "#b8c4ce"


def phase_portrait(times: Sequence[float], true: Tensor, learned: Tensor, field: Any) -> Figure:
    """The true and the learned course on the learned vector field, and both over time.

    Args:
        times: of the points.
        true: shape `(time, 2)`.
        learned: shape `(time, 2)`.
        field: `(t, u)` -> u'.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    plane, time = figure.subplots(1, 2)
    reach = 1.2 * float(true.abs().max())
    axis = torch.linspace(-reach, reach, 17, dtype=true.dtype)
    places = torch.cartesian_prod(axis, axis).to(true.device)
    with torch.no_grad():
        arrows = field(0.0, places).cpu()
    arrows = (arrows / arrows.norm(dim=1, keepdim=True).clamp_min(1e-12)).numpy()
    plane.quiver(*places.cpu().T.numpy(), *arrows.T, color=QUIET, width=0.003, pivot="mid")
    for series, colour, name, style in ((true, TRUE, "true", "-"), (learned, LEARNED, "learned", "--")):
        points = series.cpu().numpy()
        plane.plot(*points.T, color=colour, linewidth=1.2, linestyle=style, label=name)
        time.plot(times[: len(points)], points[:, 0], color=colour, linewidth=1.2, linestyle=style, label=name)
    plane.set(xlabel="$u_1$", ylabel="$u_2$", xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    plane.set_title("courses on the learned field's directions")
    time.set(xlabel="time", ylabel="$u_1$", title="over time")
    time.legend(loc="upper right")
    return figure


def steps(trace: Mapping[str, Any]) -> Figure:
    """The length of each step over time, with its scaled error and stiffness as far as they were recorded.

    Args:
        trace: `t`, `h` and perhaps `error` and `stiffness`, each with one entry a step (the first sample of several).
    """
    lengths = _column(trace["h"])
    taken = lengths != 0
    size = np.abs(lengths[taken])
    start = _column(trace["t"])[taken] if "t" in trace else np.concatenate([[0.0], np.cumsum(size)[:-1]])
    rows = [("length of the step", size)]
    for name, label in (("error", "scaled error E"), ("stiffness", "stiffness S")):
        if name in trace:
            rows.append((label, _column(trace[name])[taken]))
    figure = Figure(figsize=(7, 1.9 * len(rows) + 0.4), layout="constrained")
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    edges = np.append(start, start[-1] + np.sign(lengths[taken][-1]) * size[-1])
    for axes, (label, values) in zip(panels, rows, strict=True):
        axes.stairs(values, edges, baseline=None, color=TRUE, linewidth=1.2)
        axes.plot((edges[:-1] + edges[1:]) / 2, values, ".", color=LEARNED, markersize=4)
        axes.set(ylabel=label, yscale="log" if values.min() > 0 and values.max() > 20 * values.min() else "linear")
        if np.ptp(values) <= 1e-6 * np.abs(values).max():
            axes.set_ylim(0, 1.5 * np.abs(values).max() or 1.0)  # else the axis would show round-off
    if len(rows) > 1 and "error" in trace:
        panels[1].axhline(1.0, color=LEARNED, linewidth=1, linestyle=":")
        panels[1].set_ylim(top=4.0 if panels[1].get_yscale() == "log" else 1.2)
        panels[1].annotate("accepted below", (0.995, 1.0), xycoords=("axes fraction", "data"), xytext=(0, 2),
                           textcoords="offset points", ha="right", va="bottom", fontsize=8, color=LEARNED)  # fmt: skip
    panels[-1].set_xlabel("time")
    panels[0].set_title(f"{len(size)} accepted steps")
    return figure


def evaluations(course: Sequence[tuple[int, float]]) -> Figure:
    """Function evaluations of one solve over training.

    Args:
        course: `(optimiser step, evaluations)`.
    """
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    count, calls = np.array(course, dtype=float).reshape(-1, 2).T
    width = len(calls) // 20
    if width > 1:
        axes.plot(count, calls, color=QUIET, linewidth=0.8, label="each step")
        smooth = np.convolve(calls, np.full(width, 1 / width), mode="valid")
        axes.plot(count[width - 1 :], smooth, color=LEARNED, linewidth=1.6, label=f"mean of the last {width}")
        axes.legend(loc="lower right")
    else:
        axes.plot(count, calls, ".-", color=TRUE, linewidth=0.8, markersize=4)
    axes.set(xlabel="optimiser step", ylabel="evaluations of f in a solve", ylim=(0, 1.08 * max([*calls, 1.0])))
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    return figure


def flow(states: Tensor, labels: Tensor) -> Figure:
    """Where the flow takes the images, in the plane of the two main directions of their ends; some with their paths.

    Args:
        states: shape `(time, batch, dim)`.
        labels: shape `(batch,)`.
    """
    series = states.double().cpu()
    mean = series[-1].mean(0)
    _, _, directions = torch.linalg.svd(series[-1] - mean, full_matrices=False)
    plane = ((series - mean) @ directions[:2].T).numpy()
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    before, after = figure.subplots(1, 2, sharex=True, sharey=True)
    for digit in range(10):
        chosen = (labels.cpu() == digit).numpy()
        colour = f"C{digit}"
        before.plot(*plane[0, chosen].T, ".", color=colour, markersize=4)
        after.plot(*plane[:, chosen][:, :3].transpose(2, 0, 1), color=colour, linewidth=0.6, alpha=0.7)
        after.plot(*plane[-1, chosen].T, ".", color=colour, markersize=4, label=str(digit))
    before.set(title="images", xlabel="first direction", ylabel="second direction")
    after.set(title="where the flow takes them, with paths of some", xlabel="first direction")
    figure.legend(loc="outside right upper", title="digit")
    return figure


def _column(items: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    if isinstance(items, Tensor):
        values = items.detach().double().cpu()
        return np.asarray(values.numpy() if values.dim() == 1 else values[:, 0].numpy())
    return np.array([float(item.detach() if isinstance(item, Tensor) else item) for item in items])
