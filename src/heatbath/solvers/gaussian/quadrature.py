"""Weights w with w . u = the integral of u, from its values on a grid. Grids rise, and need not be uniform.

Nothing is checked here, so that nothing waits for a device; `LinearConstraint.quadrature` has grids checked when it is
first used.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, stack
from torch.nn.functional import pad

from heatbath.core.errors import InvalidInput


def trapezoid(x: Tensor) -> Tensor:
    """Half of the two intervals beside each point; exact for straight lines between the points.

    Args:
        x: grid, shape `(..., n)`, n >= 2.

    Returns:
        Weights, shape `(..., n)`.

    >>> import torch
    >>> trapezoid(torch.tensor([0.0, 1.0, 4.0])).tolist()
    [0.5, 2.0, 1.5]
    """
    half = x.diff() / 2
    return pad(half, (0, 1)) + pad(half, (1, 0))


def right(x: Tensor) -> Tensor:
    """Riemann sum that takes the value at each interval's right end; the first point does not count. As `trapezoid`."""
    return pad(x.diff(), (1, 0))


def left(x: Tensor) -> Tensor:
    """Riemann sum that takes the value at each interval's left end; the last point does not count. As `trapezoid`."""
    return pad(x.diff(), (0, 1))


def simpson(x: Tensor) -> Tensor:
    """A parabola through each three points in a row; exact for parabolas, on uniform grids of odd n for cubics.

    With an even number of points the last interval has the parabola through the last three of them.

    Args:
        x: grid, shape `(..., n)`, n >= 3.

    Returns:
        Weights, shape `(..., n)`.

    Raises:
        InvalidInput: for fewer than three points.

    Reference:
        Cartwright, "Simpson's rule cumulative integration with MS Excel and irregularly-spaced data", J. Math. Sci.
        Math. Educ. 12(2), 2017, equation 8, for the last interval.

    >>> import torch
    >>> (6 * simpson(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])) / 2).tolist()
    [1.0, 4.0, 2.0, 4.0, 1.0]
    """
    n = x.shape[-1]
    if n < 3:
        raise InvalidInput(f"Simpson's rule needs at least 3 points, got {n}; use `trapezoid`")
    h, pairs = x.diff(), (n - 1) // 2
    first, second = h[..., 0 : 2 * pairs : 2], h[..., 1 : 2 * pairs : 2]
    both = first + second
    begin = both / 6 * (2 - second / first)
    middle = both.pow(3) / (6 * first * second)
    end = both / 6 * (2 - first / second)
    # begin and middle take turns from the first point on; each end falls on the next begin.
    weights = pad(stack([begin, middle], -1).flatten(-2), (0, n - 2 * pairs))
    weights = weights + pad(stack([0 * end, end], -1).flatten(-2), (1, n - 2 * pairs - 1))
    if n % 2 == 0:
        weights = weights + pad(_last_interval(h[..., -2], h[..., -1]), (n - 3, 0))
    return weights


def _last_interval(before: Tensor, last: Tensor) -> Tensor:
    """Weights of the last three points, shape `(..., 3)`, for the integral over the last interval alone."""
    both = before + last
    end = (2 * last.square() + 3 * before * last) / (6 * both)
    middle = (last.square() + 3 * before * last) / (6 * before)
    begin = -last.pow(3) / (6 * before * both)
    return stack([begin, middle, end], -1)


def cells(edges: Tensor) -> Tensor:
    """Widths of finite-volume cells, whose averages they integrate exactly.

    Args:
        edges: shape `(..., n + 1)`.

    Returns:
        Weights, shape `(..., n)`.
    """
    return edges.diff()


RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "trapezoid": trapezoid,
    "left": left,
    "right": right,
    "simpson": simpson,
    "cells": cells,
}
"""Rules by name. `cells` takes edges, one more than there are values; the others take the points."""


def weights(rule: str, x: Tensor) -> Tensor:
    """Weights of the rule of that name.

    Raises:
        InvalidInput: for an unknown rule, or a grid that is too short for any.
    """
    if not isinstance(rule, str) or rule not in RULES:
        raise InvalidInput(f"`rule` must be one of {', '.join(sorted(RULES))}, got {rule!r}")
    if x.dim() == 0 or x.shape[-1] < 2:
        raise InvalidInput(f"a grid has at least 2 points in its last axis, got shape {tuple(x.shape)}")
    return RULES[rule](x)
