"""Reference levels: how far two true series are apart, which no model can be asked to beat."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from heatbath.core.contracts import Clock, Metric, StepContext

SEEN = frozenset({"prediction", "target"})


def floors(metrics: Mapping[str, Metric], true: Tensor, other: Tensor) -> dict[str, float]:
    """What each metric gives when a second true series stands in the place of a model's free run.

    Using the run's own metrics keeps their variants and their options. Those that look at a model have no floor and
    are left out.

    Args:
        metrics: by name, as `setup.metrics(...).terms` holds them. They are reset before and after.
        true: shape `(time, N)`.
        other: shape `(time, N)`, from another start.
    """
    values = {"prediction": other.unsqueeze(0), "target": true.unsqueeze(0)}
    context = StepContext(Clock(0, 1), values, "evaluate")
    found: dict[str, float] = {}
    for name, metric in metrics.items():
        if not metric.needs <= SEEN:
            continue
        metric.reset()
        with torch.no_grad():
            metric.update(context.only(metric.needs))
        value = metric.compute()
        metric.reset()
        if isinstance(value, Mapping):
            found |= {f"{name}/{key}": float(item) for key, item in value.items()}
        else:
            found[name] = float(value)
    return found
