"""Options of the ODE solvers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RK4:
    """Fixed steps."""

    step: float = 0.01
    """longest step; each interval between output times is cut into equal steps no longer than this"""

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise ValueError(f"`step` must be positive, got {self.step}")
