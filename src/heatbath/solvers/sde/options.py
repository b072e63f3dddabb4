"""Options of the SDE solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from heatbath.solvers.ode.options import check_limits, check_tolerances, check_words


@dataclass(frozen=True)
class Adaptive:
    """Steps as long as the tolerance allows; those that are rejected leave their noise behind, to be used again."""

    rtol: float = 1e-2
    """relative tolerance; the error of a step counts in units of atol + rtol max(|y_n|, |y_{n+1}|)"""
    atol: float = 1e-2
    """absolute tolerance"""
    controller: Literal["i", "pi"] = "pi"
    """what sets the step size"""
    most_growth: float = 1.125
    """factor by which a step grows at most"""
    first_step: float = 0.0
    """length of the first step; 0 finds one"""
    max_step: float = math.inf
    """longest step"""
    max_steps: int = 100_000
    """attempted steps after which the solver gives up"""

    def __post_init__(self) -> None:
        check_words(self)
        check_tolerances(self.rtol, self.atol)
        check_limits(self.first_step, self.max_step, self.max_steps)
        if not self.most_growth > 1:
            raise ValueError(f"`most_growth` must be more than 1, got {self.most_growth}")


@dataclass(frozen=True)
class Fixed:
    """Equal steps between output times."""

    step: float = 0.01
    """longest step; each interval between output times is cut into equal steps no longer than this"""
    check: bool = True
    """look at the end whether every state is finite, for which the host waits once"""

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise ValueError(f"`step` must be positive, got {self.step}")
