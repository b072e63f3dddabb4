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
    """xi: the least expected return; the authors note 10 for most tasks, 1 for hopper, 100 for quadruped"""
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


# Exact games ---------------------------------------------------------------------------------------------------------

GAMES: dict[str, tuple[tuple[float, ...], ...]] = {
    "asymmetric": ((2.0, -1.0), (-1.0, 1.0)),
    "matching-pennies": ((1.0, -1.0), (-1.0, 1.0)),
    "rock-paper-scissors": ((0.0, -1.0, 2.0), (1.0, 0.0, -3.0), (-2.0, 3.0, 0.0)),
}
"""What the row player gets. Matching pennies are uniform at every temperature; the stakes of the third game differ."""


@dataclass(frozen=True)
class MatrixGame:
    """A matrix game whose adversary gets more rational as its temperature falls."""

    plan: ClassVar[Plan] = Plan(steps=20)

    game: Literal["asymmetric", "matching-pennies", "rock-paper-scissors", "random"] = "asymmetric"
    """the payoffs, by name; random ones are standard normal and depend on the seed"""
    payoff: tuple[float, ...] = ()
    """payoffs row by row, in place of a named game"""
    actions: tuple[int, int] = (5, 5)
    """rows and columns of a random game or of `payoff`"""
    curriculum: Pick = pick("schedules", "qarl.gamma", rate=10.0, target=0.1, threshold=-1.0)
    """temperature of the adversary; the mean of the default falls from 5 to 0.01, in the unit of the payoffs"""
    protagonist: float = 0.005
    """temperature of the protagonist; the published initial coefficient"""
    homogeneous: bool = False
    """give both players the curriculum's temperature"""
    pairs: int = 30
    """temperatures drawn at each step, whose values are fed back"""
    solver: Pick = pick("solvers", "quantal-response", problem="game")
    """what finds the equilibria"""

    def __post_init__(self) -> None:
        _count(self, "pairs")
        if not 0 <= self.protagonist < math.inf:
            raise ValueError(f"`protagonist` must be at least 0 and finite, got {self.protagonist}")
        if min(self.actions) < 1:
            raise ValueError(f"`actions` must be at least 1, got {self.actions}")
        if self.payoff and len(self.payoff) != self.actions[0] * self.actions[1]:
            raise ValueError(
                f"`payoff` has {len(self.payoff)} numbers, expected {self.actions[0]} x {self.actions[1]}; "
                "set `actions` to its rows and columns"
            )
        if not all(math.isfinite(number) for number in self.payoff):
            raise ValueError(f"`payoff` must be of finite numbers, got {self.payoff}")


@dataclass(frozen=True)
class LinearQuadratic:
    """A cart that is to be held at the origin while somebody pushes it at a price."""

    plan: ClassVar[Plan] = Plan(steps=60)

    rho: float = 0.2
    """price of the disturbance for which the robust gain is made"""
    dearest: float = 2.0
    """the price at which the run begins; it ends just above the least at which the game has a value"""
    start: tuple[float, float] = (1.0, 0.0)
    """position and speed"""
    time_step: float = 0.05
    """seconds"""
    spring: float = 0.0
    """stiffness, of either sign"""
    damping: float = 0.0
    """friction of the cart"""
    state_price: tuple[float, float] = (1.0, 0.1)
    """of position and speed"""
    control_price: float = 0.1
    """of the control"""
    gamma: float = 0.99
    """discount"""
    temperatures: tuple[float, float] = (0.05, 0.05)
    """of controller and disturbance"""

    def __post_init__(self) -> None:
        _positive(self, "rho", "dearest", "time_step", "control_price")
        _finite(self, "spring", "damping")
        if not 0 < self.gamma < 1:
            raise ValueError(f"`gamma` must lie between 0 and 1, got {self.gamma}")
        for name, low in (("start", -math.inf), ("state_price", 0.0), ("temperatures", 0.0)):
            values = getattr(self, name)
            if not all(math.isfinite(value) and value >= low for value in values):
                raise ValueError(f"`{name}` must be of finite numbers of at least {low}, got {values}")
        if min(self.temperatures) == 0:
            raise ValueError(f"`temperatures` must be positive, got {self.temperatures}")
