"""Where a function of the state changes sign: found on the dense output, and differentiable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from heatbath.solvers.ode.steps import VectorField

EventFunction = Callable[[Any, Tensor], Tensor]


def crossed(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Entries that changed sign or became 0; one that was 0 has not.

    >>> crossed([1.0, -1.0, 0.0], [-1.0, -2.0, 3.0])
    [0]
    """
    return [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a * b < 0 or (b == 0 and a != 0)]


def find_root(g: Callable[[float], float], before: float, after: float, tolerance: float = 1e-14) -> float:
    """A root of g in (0, 1], between values of opposite sign, by the Illinois variant of regula falsi and bisection.

    Reference:
        Dowell and Jarratt, BIT 11, 1971.

    >>> round(find_root(lambda x: x * x - 0.25, -0.25, 0.75), 9)
    0.5
    """
    if after == 0:
        return 1.0
    low, high, g_low, g_high, side = 0.0, 1.0, before, after, 0
    for attempt in range(200):
        middle = (low * g_high - high * g_low) / (g_high - g_low) if attempt % 3 < 2 else (low + high) / 2
        value = g(middle)
        if value == 0 or high - low <= tolerance:
            return middle
        if (value > 0) == (g_high > 0):
            high, g_high = middle, value
            g_low, side = (g_low / 2 if side == 1 else g_low), 1
        else:
            low, g_low = middle, value
            g_high, side = (g_high / 2 if side == -1 else g_high), -1
    return (low + high) / 2


def differentiable(event: EventFunction, f: VectorField, t: float, y: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Time and state of an event, in the graph; the time is 0-d, float64.

    dtau = -dg / (g_t + g_y f) at the event, dy = dy(t) + f dtau (the implicit-function theorem).

    Args:
        event: g.
        f: the derivative; evaluated once.
        t: the time of the event.
        y: the state there, in the graph as a state at a fixed time.
        index: which entry of g is 0.
    """
    value = event(t, y).reshape(-1)[index]
    with torch.enable_grad():
        time = torch.full((), t, dtype=torch.float64, device=y.device).requires_grad_()
        state = y.detach().requires_grad_()
        at_rest = event(time, state).reshape(-1)[index]
        g_t, g_y = torch.autograd.grad(at_rest, (time, state), allow_unused=True, materialize_grads=True)
    slope = f(t, y).detach()
    rate = g_t + (g_y * slope).sum().to(torch.float64)
    moved = -(value - value.detach()).to(torch.float64) / rate
    return time.detach() + moved, y + slope * moved.to(y.dtype)
