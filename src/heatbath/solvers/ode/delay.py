"""Delay equations y'(t) = f(y(t), y(t - tau)), in fixed steps that divide the delay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Y = TypeVar("Y")


def delay_rk4_step(
    f: Callable[[Y, Y], Y], y: Y, delayed: tuple[Y, Y], slopes: tuple[Any, Any], h: float
) -> tuple[Y, Y]:
    """One Runge-Kutta step of order 4; delayed values at half the step come from cubic Hermite interpolation.

    Args:
        f: right-hand side, of the state and the delayed state.
        y: the state at t.
        delayed: the states at t - tau and t - tau + h.
        slopes: the derivatives there. With tau = h the second is that at t, and may be None.
        h: length of the step, at most tau.

    Returns:
        The state at t + h, and the derivative at t.
    """
    begin, end = delayed
    k1: Any = f(y, begin)
    first, last = slopes[0], k1 if slopes[1] is None else slopes[1]
    middle: Any = 0.5 * (begin + end) + h / 8 * (first - last)  # type: ignore[operator]
    k2: Any = f(y + h / 2 * k1, middle)
    k3: Any = f(y + h / 2 * k2, middle)
    k4: Any = f(y + h * k3, end)
    stepped: Y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return stepped, k1


def delay_rk4(
    f: Callable[[Y, Y], Y], history: Sequence[Y], slopes: Sequence[Y], h: float, steps: int
) -> tuple[list[Y], list[Y]]:
    """Go on from a history, for anything that adds and scales: numbers, or tensors with rows side by side.

    The order is 4 where the history joins smoothly, its slope at the end being f. One that breaks there, as constant
    ones do, costs an error of order 2 on one step of the second delay, since a break has two slopes and one is kept.

    Args:
        f: right-hand side, of the state and the delayed state.
        history: states at t - tau, t - tau + h, .., t; one more than there are steps in a delay.
        slopes: derivatives there, but for the last.
        h: length of a step; tau is a whole number of them.
        steps: how many.

    Returns:
        The history and the states after it, and the slopes of all but the last of them.

    Reference:
        Bellen and Zennaro, Numerical Methods for Delay Differential Equations, 2003, chapter 6.

    >>> import math
    >>> times = [-1.0, -0.75, -0.5, -0.25, 0.0]  # y'(t) = e y(t - 1) has the solution e^t
    >>> past = [math.exp(t) for t in times]
    >>> values, _ = delay_rk4(lambda y, delayed: math.e * delayed, past, past[:-1], 0.25, 4)
    >>> abs(values[-1] - math.e) < 1e-3
    True
    """
    values, derivatives, lag = list(history), list(slopes), len(history) - 1
    for index in range(steps):
        delayed = values[index], values[index + 1]
        known = derivatives[index], derivatives[index + 1] if lag > 1 else None
        stepped, slope = delay_rk4_step(f, values[index + lag], delayed, known, h)
        values.append(stepped)
        derivatives.append(slope)
    return values, derivatives
