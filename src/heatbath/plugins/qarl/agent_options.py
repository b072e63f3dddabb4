"""Options of the players that need no gradient. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


def _check_direction(direction: tuple[float, ...]) -> None:
    if any(not -1.0 <= part <= 1.0 for part in direction):
        raise ValueError(f"`direction` must lie in [-1, 1]^size, got {direction}")


@dataclass(frozen=True)
class Still:
    """Nothing to choose."""


@dataclass(frozen=True)
class Random:
    """Uniform actions."""

    hold: int = 1
    """steps for which each is held"""

    def __post_init__(self) -> None:
        if self.hold < 1:
            raise ValueError(f"`hold` must be at least 1, got {self.hold}")


@dataclass(frozen=True)
class Linear:
    """A stored linear feedback."""

    gait: Literal["hopper"] = "hopper"
    """which one"""


@dataclass(frozen=True)
class Constant:
    """One push."""

    direction: tuple[float, ...] = ()
    """action in [-1, 1]^size; when empty, all directions are tried and the best is kept"""

    def __post_init__(self) -> None:
        _check_direction(self.direction)


@dataclass(frozen=True)
class BangBang:
    """Two opposite pushes in turn."""

    direction: tuple[float, ...] = ()
    """the first of them, in [-1, 1]^size; when empty, all directions are tried and the best is kept"""
    periods: tuple[int, ...] = (10, 20, 40, 80)
    """steps of both together; of several, the best is kept"""

    def __post_init__(self) -> None:
        _check_direction(self.direction)
        if not self.periods or min(self.periods) < 2:
            raise ValueError(f"`periods` must be at least one number, none below 2, got {self.periods}")


@dataclass(frozen=True)
class CrossEntropy:
    """A normal law over the weights of a feedback policy."""

    policy: Literal["linear", "bang-bang"] = "linear"
    """tanh or the sign of a linear function of the observation"""
    episodes: int = 4
    """simulations in which each policy is tried; the rest of the batch are further policies"""
    elite: float = 0.2
    """part of the policies that the law is fitted to, in (0, 1]"""
    smoothing: float = 0.8
    """how far the law follows each fit, in (0, 1]"""
    deviation: float = 1.0
    """standard deviation of each weight at the start"""
    bias: float = 1.0
    """that of the bias, by that of a weight; a large one tries pushes that hardly change"""
    noise: float = 0.1
    """added to the deviations, less and less"""
    cooling: int = 10
    """updates after which nothing is added any more"""
    least: float = 0.02
    """no deviation falls below it"""

    def __post_init__(self) -> None:
        for name in ("elite", "smoothing"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"`{name}` must lie in (0, 1], got {getattr(self, name)}")
        if self.episodes < 1:
            raise ValueError(f"`episodes` must be at least 1, got {self.episodes}")
        for name in ("deviation", "bias", "noise", "least", "cooling"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be at least 0 and finite, got {getattr(self, name)}")
