"""Conformance of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from heatbath.core.contracts import Clock, Metric, StepContext
from heatbath.core.host import Host
from heatbath.core.testing.examples import build, example_values
from heatbath.core.testing.expect import check_needs, expect, global_generators_untouched, same


def check_metric(host: Host, name: str, *, values: Mapping[str, Any] | None = None, **options: Any) -> None:
    """Check a registered metric against its contract, on random values.

    Args:
        host: the plugins.
        name: as registered.
        values: what it is to see, where the examples of `example_values` do not fit it.
        options: its own.

    Raises:
        ConformanceError: saying what is wrong.
    """
    metric = build(host, "metrics", name, **options)
    expect(isinstance(metric, Metric), f"{name}: a metric has `needs`, `update`, `compute` and `reset`")
    check_needs(name, metric)
    given = {**example_values(metric.needs), **(values or {})}

    def measure() -> Any:
        metric.reset()
        context = StepContext(Clock(3, 10), given, "evaluate", torch.Generator().manual_seed(0))
        with torch.no_grad(), global_generators_untouched(name, "the metric"):
            metric.update(context.only(metric.needs, context.generator))
            return metric.compute()

    first = measure()
    numbers = first.values() if isinstance(first, Mapping) else [first]
    plain = all(isinstance(value, float | int) for value in numbers)
    expect(plain, f"{name}: `compute` must give a number on the host, or several by name, got {first!r}")
    expect(same(measure(), first), f"{name}: `reset` leaves something behind, or the metric is random")
