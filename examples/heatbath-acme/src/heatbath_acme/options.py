"""Options; this module imports no torch, so that `heatbath describe` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from heatbath.core.choices import Pick, pick
from heatbath.core.plan import Plan


@dataclass(frozen=True)
class Jerk:
    """A price on sudden changes."""

    power: int = 2
    """power of the third differences"""

    def __post_init__(self):
        if self.power < 1:
            raise ValueError(f"`power` must be at least 1, got {self.power}")


@dataclass(frozen=True)
class Cosine:
    """Half a cosine over the run."""

    start: float = 1.0
    """value at the first step; it ends at 0"""


@dataclass(frozen=True)
class Heun:
    """Adaptive steps of order 2."""

    tolerance: float = 1e-4
    """accepted error of a step, absolute"""
    first_step: float = 0.05
    """length of the first step"""

    def __post_init__(self):
        if not self.tolerance > 0 or not self.first_step > 0:
            raise ValueError(
                f"`tolerance` and `first_step` must be positive, got {self.tolerance} and {self.first_step}"
            )


@dataclass(frozen=True)
class FictitiousPlay:
    """Repeated play of a matrix game."""

    rounds: int = 5000
    """how often; the error falls like its inverse"""

    def __post_init__(self):
        if self.rounds < 1:
            raise ValueError(f"`rounds` must be at least 1, got {self.rounds}")


@dataclass(frozen=True)
class Climber:
    """Random search on the weights of a linear policy."""

    spread: float = 0.3
    """standard deviation of a trial around the best weights so far"""


@dataclass(frozen=True)
class Thermostat:
    """Rooms that lose heat, and an agent that may heat or cool them."""

    plan: ClassVar[Plan] = Plan(steps=200, evaluate_every=50, checkpoint_every=50)

    agent: Pick = pick("agents", "acme/climber", problem="control")
    """who regulates"""
    solver: Pick = pick("solvers", "acme/heun", problem="ode")
    """how the temperature of a room is stepped"""
    rooms: int = 32
    """rooms, each with its own weather"""
