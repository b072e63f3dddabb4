"""Options of the game solvers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MirrorAscent:
    """Small steps along the gradient, in log space."""

    tolerance: float = 1e-12
    """of the largest difference between a probability and that of the answer"""
    iterations: int = 200_000
    """at which it gives up"""

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ValueError(f"`tolerance` must be positive, got {self.tolerance}")
        if self.iterations < 1:
            raise ValueError(f"`iterations` must be at least 1, got {self.iterations}")
