"""Options of the common components."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """One level at all times."""

    level: float = 1.0
    """the value"""


@dataclass(frozen=True)
class Linear:
    """A straight line over the run."""

    start: float = 1.0
    """value at the first step"""
    end: float = 0.0
    """value at the last step"""


@dataclass(frozen=True)
class Exponential:
    """Geometric decay or growth over the run."""

    start: float = 1.0
    """value at the first step, not 0"""
    end: float = 0.1
    """value at the last step, of the sign of start"""

    def __post_init__(self) -> None:
        if self.start == 0.0 or self.end / self.start <= 0.0:
            raise ValueError(f"`start` and `end` must have one sign and not be 0, got {self.start} and {self.end}")


@dataclass(frozen=True)
class OneCycle:
    """Up to a peak and down again, as learning rates go."""

    peak: float = 1e-3
    """largest value"""
    rise: float = 0.3
    """part of the run in which it rises, in (0, 1)"""
    start: float = 0.04
    """value at the first step, as a part of the peak"""
    end: float = 4e-6
    """value at the last step, as a part of the peak"""

    def __post_init__(self) -> None:
        if not 0.0 < self.rise < 1.0:
            raise ValueError(f"`rise` must lie between 0 and 1, got {self.rise}")
