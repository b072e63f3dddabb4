"""Probability vectors: checked once, where they come in; and their entropy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heatbath.core.errors import HeatbathError

Masses = NDArray[np.float64]
TOLERANCE = 1e-6
"""How far from one a sum may be: the rounding of a float32 softmax. What is closer is scaled to one."""
ROUNDING = 1e-14
"""A sum so near to one is left alone, so that scaling twice is scaling once."""


class CouplingError(HeatbathError, ValueError):
    """A marginal, a rate or a size that a coupling cannot be made of."""


def entropy(p: ArrayLike) -> float:
    """H(p) = -sum p log2 p over the positive entries, in bits; p of any shape.

    >>> entropy([0.5, 0.25, 0.25])
    1.5
    """
    masses = np.asarray(p, dtype=np.float64)
    masses = masses[masses > 0]
    return float(-(masses * np.log2(masses)).sum()) + 0.0


def entropy_rows(p: Masses) -> Masses:
    """The entropy of each row, in bits; p of shape `(..., n)`, the answer `(...)`."""
    logarithms = np.log2(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(-(p * logarithms).sum(-1) + 0.0)


def binary_entropy(x: float) -> float:
    """h(x) = -x log2 x - (1 - x) log2(1 - x), in bits, of a number in [0, 1].

    >>> binary_entropy(0.5)
    1.0
    """
    return -sum(part * math.log2(part) for part in (x, 1.0 - x) if part > 0.0) + 0.0


def marginal(p: ArrayLike, name: str = "the marginal") -> Masses:
    """A probability vector as float64, contiguous, scaled to the sum one.

    Args:
        p: shape `(n,)`.
        name: what to call it in an error.

    Raises:
        CouplingError: when it is empty, of another shape, negative, not finite, or does not sum to one.
    """
    return _checked(p, name, 1)


def marginal_rows(P: ArrayLike, name: str = "the marginals") -> Masses:
    """Probability vectors as rows, shape `(batch, n)`; else as `marginal`. A row has the bits of `marginal` of it."""
    return _checked(P, name, 2)


def _checked(p: ArrayLike, name: str, dimensions: int) -> Masses:
    try:
        masses = np.ascontiguousarray(p, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CouplingError(f"{name}: expected numbers, got {type(p).__name__}: {error}") from None
    shape = "(n,)" if dimensions == 1 else "(batch, n)"
    if np.ndim(p) != dimensions:
        raise CouplingError(f"{name}: expected shape {shape}, got {np.shape(p)}")
    if masses.shape[-1] == 0:
        raise CouplingError(f"{name} is empty: expected shape {shape} with at least one symbol, got {masses.shape}")
    if not masses.size:
        return masses
    off = np.abs(masses.sum(-1) - 1.0)
    furthest = off.max()
    if not (masses.min() >= 0.0 and furthest <= TOLERANCE):
        raise CouplingError(_complaint(masses, name))
    if furthest <= ROUNDING:
        return masses
    scaled = masses / masses.sum(-1, keepdims=True)
    return np.where(np.expand_dims(off, -1) > ROUNDING, scaled, masses)


def _complaint(masses: Masses, name: str) -> str:
    """What is wrong with the first row that is."""
    for index, row in enumerate(masses.reshape(-1, masses.shape[-1])):
        where = f"{name}, row {index}" if masses.ndim > 1 else name
        if not np.isfinite(row).all():
            place = int(np.flatnonzero(~np.isfinite(row))[0])
            return f"{where}: expected finite masses, got {row[place]} at symbol {place}"
        if (row < 0).any():
            place = int(row.argmin())
            return f"{where}: expected masses of at least 0, got {row[place]} at symbol {place}"
        if abs(row.sum() - 1.0) > TOLERANCE:
            return f"{where}: expected masses that sum to 1, got {row.sum()}; divide by the sum"
    raise AssertionError("nothing is wrong")


def code_rate(rate: Any) -> float:
    """A bound on a code's entropy, in bits.

    Raises:
        CouplingError: when it is no number, or negative.
    """
    bits = _bits(rate)
    if bits.ndim:
        raise CouplingError(f"`rate` must be one number of bits, got shape {bits.shape}")
    return float(bits)


def code_rates(rate: Any, batch: int) -> Masses:
    """A bound for each of `batch` codes, from one number or one each, shape `(batch,)`. Raises as `code_rate` does."""
    bits = _bits(rate)
    if bits.ndim and bits.shape != (batch,):
        raise CouplingError(f"`rate`: expected a number, or shape ({batch},), one for each row, got {bits.shape}")
    return np.ascontiguousarray(np.broadcast_to(bits, (batch,)))


def _bits(rate: Any) -> Masses:
    try:
        if rate is None:  # numpy's nan
            raise TypeError
        bits = np.asarray(rate.detach().cpu() if hasattr(rate, "detach") else rate, dtype=np.float64)
    except (TypeError, ValueError):
        raise CouplingError(f"`rate` must be a number of bits, got {rate!r}") from None
    if not (bits >= 0.0).all():
        raise CouplingError(f"`rate` must be at least 0 bits, got {bits.min()}")
    return bits
