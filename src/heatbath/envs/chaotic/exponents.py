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
        confirmed: how near our own measurement came to the first exponent, which says how sure it is.
    """

    spectrum: tuple[float, ...]
    kaplan_yorke: float | None
    source: str
    confirmed: float


SPROTT = "Sprott, Chaos and Time-Series Analysis, Oxford 2003, appendix A"
OURS = "own computation, QR method, see docs/systems.md"
