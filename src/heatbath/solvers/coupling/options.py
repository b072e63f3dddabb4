"""Options of the couplers and encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Exact:
    """The coupling of least entropy, for few symbols."""

    max_symbols: int = 16
    """the most symbols of both sides together; each one more takes three times as long"""

    def __post_init__(self) -> None:
        if self.max_symbols < 2:
            raise ValueError(f"`max_symbols` must be at least 2, got {self.max_symbols}")


@dataclass(frozen=True)
class Refined:
    """Codes one move away from a deterministic map."""

    candidates: Literal["auto", "greedy", "all"] = "auto"
    """start from the maps that the closed form chooses among, or from every map (at most 10 symbols; auto: up to 7)"""
