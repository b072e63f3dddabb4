"""Lyapunov exponents from the literature, with their source; `docs/systems.md` shows measured ones beside them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exponents:
    """Known exponents at one set of parameters.

    Args:
        spectrum: per unit of time (a map: per step), descending; not always all of them.
        kaplan_yorke: dimension, where known.
        source: where they are from.
        digits: how sure: the last digits that our own measurement confirms, as an absolute tolerance on the first.
    """

    spectrum: tuple[float, ...]
    kaplan_yorke: float | None
    source: str
    digits: float


SPROTT = "Sprott, Chaos and Time-Series Analysis, Oxford 2003, appendix A"
OURS = "own computation, QR method, see docs/systems.md"
