"""Linear feedbacks that were found once and are kept as numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gait:
    """action = tanh(weights^T (observation - offset) / scale + bias).

    Args:
        offset, scale: shapes `(d,)`.
        weights: shape `(d, m)`.
        bias: shape `(m,)`.
    """

    offset: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]


GAITS: dict[str, Gait] = {}
