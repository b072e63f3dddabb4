"""Schedules that do not listen: a function of how much of the run is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import NOTHING, Clock
from heatbath.plugins.common import options as opt


class _Open:
    """A number over a run that hears no feedback."""

    needs = NOTHING

    def value(self, clock: Clock) -> float:
        raise NotImplementedError

    def sample(self, clock: Clock, count: int, generator: Generator) -> Tensor:
        return torch.full((count,), self.value(clock), device=generator.device)

    def observe(self, feedback: Mapping[str, Any]) -> None: ...


class Constant(_Open):
    """value = level."""

    def __init__(self, options: opt.Constant, setup: Any) -> None:
        self.level = options.level

    def value(self, clock: Clock) -> float:
        return self.level


class Linear(_Open):
    """value = start + (end - start) progress."""

    def __init__(self, options: opt.Linear, setup: Any) -> None:
        self.start, self.end = options.start, options.end

    def value(self, clock: Clock) -> float:
        return self.start + (self.end - self.start) * clock.progress


class Exponential(_Open):
    """value = start (end / start)^progress."""

    def __init__(self, options: opt.Exponential, setup: Any) -> None:
        self.start, self.ratio = options.start, options.end / options.start

    def value(self, clock: Clock) -> float:
        return float(self.start * self.ratio**clock.progress)
