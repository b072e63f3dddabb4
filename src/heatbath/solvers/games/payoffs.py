"""What games are made of: payoffs, temperatures and strategies, checked once where they come in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heatbath.core.errors import InvalidInput

Array = NDArray[np.float64]
TOLERANCE = 1e-6
"""How far from one the sum of a strategy may be: the rounding of a float32 softmax."""


def numbers(values: ArrayLike, name: str) -> Array:
    """`values` as float64.

    Raises:
        InvalidInput: when they are ragged, no numbers, or not finite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name}: expected an array of numbers, rows of one length, got {values!r}") from error
    if not np.isfinite(array).all():
        raise InvalidInput(f"{name}: expected finite numbers, got {array[~np.isfinite(array)][0]}")
    return array


def payoffs(A: ArrayLike, name: str = "the payoff") -> Array:
    """What the row player gets and the column player pays, shape `(..., m, n)`, as float64.

    Raises:
        InvalidInput: when it is empty, ragged, of fewer than two axes, or not finite.
    """
    array = numbers(A, name)
    if array.ndim < 2 or array.shape[-2] == 0 or array.shape[-1] == 0:
        raise InvalidInput(f"{name}: expected shape (..., m, n) with at least one action each, got {array.shape}")
    return array


def temperatures(t: ArrayLike, name: str, positive: bool = False) -> Array:
    """Temperatures, of any shape, as float64.

    Args:
        t: in the unit of the payoffs.
        name: what to call them in an error.
        positive: whether 0, perfect rationality, is refused.

    Raises:
        InvalidInput: when they are negative or not finite.
    """
    array = numbers(t, name)
    low = array.min(initial=np.inf)
    if low < 0 or (positive and low == 0):
        wanted = "positive" if positive else "at least 0 (0 is perfect rationality)"
        raise InvalidInput(f"{name}: expected temperatures that are {wanted}, got {low:g}")
    return array


def strategy(p: ArrayLike, actions: int, name: str) -> Array:
    """Mixed strategies, shape `(..., actions)`, as float64.

    Raises:
        InvalidInput: when the shape is another, an entry is negative, or a sum is not one.
    """
    array = numbers(p, name)
    if array.ndim == 0 or array.shape[-1] != actions:
        raise InvalidInput(f"{name}: expected shape (..., {actions}), one probability an action, got {array.shape}")
    off = np.abs(array.sum(-1) - 1).max(initial=0.0)
    if array.min(initial=0.0) < 0 or off > TOLERANCE:
        raise InvalidInput(f"{name}: expected probabilities that sum to 1, got {array.reshape(-1, actions)[0]}")
    return array
