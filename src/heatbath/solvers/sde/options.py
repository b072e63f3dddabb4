"""Options of the SDE solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from heatbath.solvers.ode.options import check_tolerances


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
        check_tolerances(self.rtol, self.atol)
        if not self.max_step > 0 or self.first_step < 0:
            raise ValueError(
                f"`max_step` must be positive and `first_step` at least 0, got {self.max_step} and {self.first_step}"
            )
        if self.max_steps < 1 or not self.most_growth > 1:
            raise ValueError(
                "`max_steps` must be at least 1 and `most_growth` more than 1, "
                f"got {self.max_steps} and {self.most_growth}"
            )


@dataclass(frozen=True)
class Fixed:
    """Equal steps between output times."""

    step: float = 0.01
    """longest step; each interval between output times is cut into equal steps no longer than this"""

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise ValueError(f"`step` must be positive, got {self.step}")
