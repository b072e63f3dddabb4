"""Options of the experiments on couplings, and the sources that they know by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from heatbath.core.choices import Pick, pick
from heatbath.core.plan import Plan

Law = tuple[float, ...]
SOURCES: dict[str, tuple[Law, Law]] = {
    "paper": ((0.7, 0.2, 0.1), (0.5, 0.3, 0.2)),
    "binomial": (tuple(math.comb(20, k) / 2**20 for k in range(21)), (1 / 21,) * 21),
    "geometric": (tuple(0.7**k * 0.3 / (1 - 0.7**20) for k in range(20)), (1 / 20,) * 20),
    "uniform": ((1 / 16,) * 16, (1 / 16,) * 16),
}
"""Laws of X and of Y. X of figure 2; of the kinds of figure 9, whose parameters are not published (ours: Binomial(20,
1/2), ratio 0.7 cut off at 20); of figure 10. Y is ours but for the last."""


@dataclass(frozen=True)
class Bottleneck:
    """X -> T -> Y with H(T) bounded by rates from 0 to H(X)."""

    plan: ClassVar[Plan] = Plan(steps=60)

    source: Literal["paper", "binomial", "geometric", "uniform"] = "paper"
    """the law of X, by name"""
    masses: tuple[float, ...] = ()
    """the law of X in numbers, in place of a named one"""
    output: tuple[float, ...] = ()
    """the law of Y in numbers, in place of the one that goes with the source (that of X for `masses`)"""
    encoder: Pick = pick("solvers", "ebim", problem="bottleneck")
    """what codes X; I(X; Y) is measured with it"""
    refined: Pick = pick("solvers", "ebim-refined", problem="bottleneck")
    """a second encoder, drawn as the thick line"""
    baseline: Pick = pick("solvers", "shkel-verdu", problem="bottleneck")
    """a third, to hold them against"""
    coupler: Pick = pick("solvers", "greedy-mec", problem="coupling")
    """what couples T and Y"""

    def __post_init__(self) -> None:
        for name in ("masses", "output"):
            law = getattr(self, name)
            if law and (min(law) < 0 or not abs(sum(law) - 1) <= 1e-6):
                raise ValueError(f"`{name}` must be of at least 0 and sum to 1, got {law}")


@dataclass(frozen=True)
class Couplings:
    """Pairs of random marginals, each normalised and coupled."""

    plan: ClassVar[Plan] = Plan(steps=1000)

    coupler: Pick = pick("solvers", "greedy-mec", problem="coupling")
    """what couples them"""
    law: Literal["half-normal", "dirichlet"] = "half-normal"
    """of the marginals: |N(0, 1)| or exponential numbers, divided by their sum"""
    support: int = 20
    """symbols of each marginal"""

    def __post_init__(self) -> None:
        if self.support < 1:
            raise ValueError(f"`support` must be at least 1, got {self.support}")
