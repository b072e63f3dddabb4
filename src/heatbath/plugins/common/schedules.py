"""Schedules that do not listen: a function of how much of the run is done."""

from __future__ import annotations

import math
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


class OneCycle(_Open):
    """Half a cosine from start peak to peak, then one from peak to end peak.

    Reference:
        Smith, Topin, "Super-Convergence", 2019; the shape and the defaults are those of torch's OneCycleLR.
    """

    def __init__(self, options: opt.OneCycle, setup: Any) -> None:
        self.options = options

    def value(self, clock: Clock) -> float:
        how, progress = self.options, clock.progress
        if progress < how.rise:
            return how.peak * _half_cosine(how.start, 1.0, progress / how.rise)
        return how.peak * _half_cosine(1.0, how.end, (progress - how.rise) / (1.0 - how.rise))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0
