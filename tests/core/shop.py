"""Somebody else's plugin, for tests of options: every type of option, every kind of slot, and an experiment of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from heatbath import Component, hookimpl
from heatbath.core.choices import Pick, Slots, loss, losses, metric, metrics, pick
from heatbath.core.plan import Plan


@dataclass(frozen=True)
class Cosine:
    """Half a cosine."""

    start: float = 1.0
    """value at the first step"""


@dataclass(frozen=True)
class Jerk:
    """A price on sudden changes."""

    power: int = 2
    """power of the differences"""
    weight_decay: float = 0.0
    """not the weight of the loss"""
    inner: Pick = pick("schedules", "shop/cosine", start=0.5)
    """a choice within a choice"""

    def __post_init__(self):
        if self.power < 1:
            raise ValueError(f"`power` must be at least 1, got {self.power}")
        if self.power == 13:
            raise ZeroDivisionError("unlucky")


@dataclass(frozen=True)
class Grid:
    """A nested group."""

    points: int = 10
    """how many"""

    def __post_init__(self):
        if self.points < 2:
            raise ValueError(f"`points` must be at least 2, got {self.points}")


@dataclass(frozen=True)
class Trial:
    """Every type of option."""

    plan: ClassVar[Plan] = Plan(steps=7, device="cpu")

    count: int = 3
    """a whole number"""
    rate: float = 0.5
    """a number"""
    flag: bool = True
    """yes or no"""
    title: str = "plain"
    """a text"""
    mode: Literal["soft", "hard"] = "soft"
    """a word"""
    sizes: tuple[int, ...] = (4, 5)
    """several"""
    limit: float | None = None
    """a number or nothing"""
    folder: Path = Path("here")
    """a place"""
    grid: Grid = field(default_factory=Grid)
    """a group"""
    alpha: Pick = pick("schedules", "constant", level=0.25)
    """a schedule"""
    solver: Pick = pick("solvers", "shop/heun", problem="ode")
    """a component without options"""
    losses: Slots = losses(fit=loss("mse"), smooth_one=loss("shop/jerk", 0.125, power=3))
    """what is minimised"""
    metrics: Slots = metrics(error=metric("shop/error"))
    """what is measured"""

    def __post_init__(self):
        if self.rate < 0:
            raise ValueError(f"`rate` must be at least 0, got {self.rate}")


@dataclass(frozen=True)
class Greedy:
    """An experiment that wants a name of every run for itself."""

    seed: int = 0


@dataclass(frozen=True)
class Wrong:
    """An experiment whose own default is wrong."""

    alpha: Pick = pick("schedules", "shop/cosine", begin=0.1)


def part(name, options=None, problem=None):
    config = f"{__name__}:{options}" if options else None
    return Component(name, f"a part named {name}", f"{__name__}:Nothing", config, problem)


class Shop:
    """The plugin."""

    @hookimpl
    def register_schedules(self, register):
        register(part("shop/cosine", "Cosine"))

    @hookimpl
    def register_losses(self, register):
        register(part("shop/jerk", "Jerk"))
        register(part("shop/plain"))

    @hookimpl
    def register_solvers(self, register):
        register(part("shop/heun", problem="ode"))
        register(part("shop/skip", problem="recurrence"))

    @hookimpl
    def register_metrics(self, register):
        register(part("shop/error"))

    @hookimpl
    def register_experiments(self, register):
        for name in ("Trial", "Greedy", "Wrong"):
            register(part(f"shop/{name.lower()}", name))
