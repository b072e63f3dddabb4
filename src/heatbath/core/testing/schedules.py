"""Conformance of schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import Clock, Schedule
from heatbath.core.host import Host
from heatbath.core.testing.examples import build, example_values
from heatbath.core.testing.expect import check_needs, check_state, expect, global_generators_untouched, same

COUNT = 7


def check_schedule(host: Host, name: str, *, feedback: Mapping[str, Any] | None = None, **options: Any) -> None:
    """Check a registered schedule against its contract.

    Args:
        host: the plugins.
        name: as registered.
        feedback: what it is to observe, by name without `feedback:`, where the examples do not fit it.
        options: its own.

    Raises:
        ConformanceError: saying what is wrong.
    """
    schedule = build(host, "schedules", name, **options)
    expect(isinstance(schedule, Schedule), f"{name}: a schedule has `needs`, `value`, `sample` and `observe`")
    check_needs(name, schedule)
    strange = sorted(need for need in schedule.needs if not need.startswith("feedback:"))
    expect(not strange, f"{name}: a schedule can only need `feedback:<name>`, not {strange}")
    heard = {need.removeprefix("feedback:"): value for need, value in example_values(schedule.needs).items()}
    heard |= dict(feedback or {})
    for round_ in range(2):
        for step in (0, 1, 50, 100):
            _check_at(name, schedule, Clock(step, 100))
        if round_ == 0:
            schedule.observe(heard)
    check_state(name, schedule, build(host, "schedules", name, **options))


def _check_at(name: str, schedule: Schedule, clock: Clock) -> None:
    with global_generators_untouched(name, "the schedule"):
        value = schedule.value(clock)
        drawn = schedule.sample(clock, COUNT, torch.Generator().manual_seed(0))
    is_number = isinstance(value, float | int) and not isinstance(value, bool)
    expect(is_number and math.isfinite(value), f"{name}: `value` at {clock} must be a finite number, got {value!r}")
    expect(schedule.value(clock) == value, f"{name}: asked twice at {clock}, `value` gives two answers")
    expect(isinstance(drawn, Tensor), f"{name}: `sample` must give a tensor, got {type(drawn).__name__}")
    expect(tuple(drawn.shape) == (COUNT,), f"{name}: `sample` of {COUNT} has shape {tuple(drawn.shape)}")
    expect(bool(drawn.isfinite().all()), f"{name}: `sample` at {clock} is not finite")
    again = schedule.sample(clock, COUNT, torch.Generator().manual_seed(0))
    expect(same(again, drawn), f"{name}: `sample` with equal generators gives two answers")
