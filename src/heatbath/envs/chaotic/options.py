"""Options of the chaotic systems."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lorenz63:
    """Parameters of Lorenz (1963), chaotic by default."""

    sigma: float = 10.0
    """Prandtl number"""
    rho: float = 28.0
    """relative Rayleigh number"""
    beta: float = 8 / 3
    """geometric factor"""
    time_step: float = 0.01
    """time between points, and the step of the integration"""

    def __post_init__(self) -> None:
        if not self.time_step > 0:
            raise ValueError(f"`time_step` must be positive, got {self.time_step}")
