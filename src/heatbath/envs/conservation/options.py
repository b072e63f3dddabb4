"""Options of the conservation laws; what varies from field to field (a parameter) is an argument instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stefan:
    """Heat in a material that conducts only above a threshold."""

    diffusivity: float = 1.0
    """k_max, the diffusivity above the threshold"""

    def __post_init__(self) -> None:
        if not 0 < self.diffusivity < float("inf"):
            raise ValueError(f"`diffusivity` must be positive, got {self.diffusivity}")
