"""Options of the two-player simulations. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Simulated:
    """What all of them share."""

    max_force: float = 1.0
    """the adversary's largest push on each body along each axis, N"""
    bodies: tuple[str, ...] = ()
    """bodies that it pushes; where the method's papers have them when empty"""
    axes: str = ""
    """axes of the world along which it pushes, such as xz; the papers' when empty"""
    horizon: int = 1000
    """control steps of an episode"""
    threads: int = 1
    """that step the simulations"""
    serial: bool = False
    """step them in a Python loop, the reference path"""
    failure_rate: float = 0.05
    """share of the last 1000 steps that may break down before the run is stopped"""

    def __post_init__(self) -> None:
        if not 0 < self.max_force < float("inf"):
            raise ValueError(f"`max_force` must be positive and finite, got {self.max_force}")
        for name in ("horizon", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.failure_rate <= 1:
            raise ValueError(f"`failure_rate` must lie in [0, 1], got {self.failure_rate}")


@dataclass(frozen=True)
class Hopper(Simulated):
    """A one-legged robot, pushed at the foot."""
