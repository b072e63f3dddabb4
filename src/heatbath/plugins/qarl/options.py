"""Options of the curricula and experiments, with the published settings as defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from heatbath.core.choices import Pick, pick
from heatbath.core.plan import Plan

# Curricula -----------------------------------------------------------------------------------------------------------
# Defaults: the authors' code (Reddi et al., ICLR 2024). They fit rewards in [0, 1] a step: where a task has others,
# scale the temperatures as its rewards are scaled.


@dataclass(frozen=True)
class Gamma:
    """A Gamma law of temperatures whose shape goes to its target at the pace that the returns allow."""

    shape: float = 50.0
    """k at the start; the mean temperature is shape / rate, 0.05"""
    target: float = 1.0
    """k at the end, above or below; a mean of 0.001"""
    rate: float = 1000.0
    """lambda, the same at all times"""
    max_kl: float = 0.5
    """eps: the most by which one update may change the law, in nats"""
    threshold: float = 10.0
    """xi: the least expected return; the authors note 10 for cheetah, walker and cartpole, 1 for hopper, 100 for quadruped"""
    pairs: int = 30
    """M: pairs of temperature and return to an update"""
    self_normalised: bool = False
    """divide the weighted returns by the sum of their weights, not by M"""

    def __post_init__(self) -> None:
        _positive(self, "shape", "target", "rate", "max_kl")
        _finite(self, "threshold")
        _count(self, "pairs")


@dataclass(frozen=True)
class Single(Gamma):
    """The same with one draw for all episodes of an iteration: the paper's reduced sampling."""


@dataclass(frozen=True)
class Force(Gamma):
    """A limit on the adversary's force that grows as the Gamma law's temperature falls."""

    force: float = 1.0
    """the largest force, in Newtons or as a part of the task's own"""

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(self, "force")


@dataclass(frozen=True)
class Linear:
    """A straight line that ends early."""

    start: float = 0.05
    """temperature at the first step"""
    end: float = 0.001
    """temperature in the last part of the run"""
    until: float = 2 / 3
    """the part of the run at which the end is reached, in (0, 1]"""

    def __post_init__(self) -> None:
        _positive(self, "start", "end")
        if not 0 < self.until <= 1:
            raise ValueError(f"`until` must lie in (0, 1], got {self.until}")


@dataclass(frozen=True)
class Point:
    """A temperature that falls by the same amount whenever the returns are good."""

    start: float = 0.05
    """temperature at the first step"""
    end: float = 0.001
    """the lowest"""
    decrement: float = 0.001
    """by how much it falls at once"""
    threshold: float = 10.0
    """xi: what the mean return must be above"""
    pairs: int = 30
    """M: returns to a judgement"""

    def __post_init__(self) -> None:
        _positive(self, "start", "end", "decrement")
        _finite(self, "threshold")
        _count(self, "pairs")
        if self.end > self.start:
            raise ValueError(f"`end` must be at most `start`, got {self.end} and {self.start}")


@dataclass(frozen=True)
class Fixed:
    """One temperature at all times."""

    temperature: float = 0.05
    """that of the adversary"""

    def __post_init__(self) -> None:
        _positive(self, "temperature")


def _positive(options: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(options, name) < math.inf:
            raise ValueError(f"`{name}` must be positive and finite, got {getattr(options, name)}")


def _finite(options: object, *names: str) -> None:
    for name in names:
        if not math.isfinite(getattr(options, name)):
            raise ValueError(f"`{name}` must be finite, got {getattr(options, name)}")


def _count(options: object, *names: str) -> None:
    for name in names:
        if getattr(options, name) < 1:
            raise ValueError(f"`{name}` must be at least 1, got {getattr(options, name)}")
