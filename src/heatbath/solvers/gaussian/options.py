"""Options of the solvers of `conditioning`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Conditioner:
    """Conditioning without the covariance matrix."""

    check: bool = True
    """read back whether the input is sound: one host synchronisation a call; without it, bad input gives NaN"""
