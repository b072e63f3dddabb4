"""What a simulator of the problem `flow` gives, and the integration of few equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor


class Flow(Protocol):
    """A system in continuous time, seen at equal intervals.

    Attributes:
        dim: number of variables.
        time_step: time between points.
        lyapunov_max: its largest Lyapunov exponent per unit of time, where it is known.
    """

    dim: int
    time_step: float
    lyapunov_max: float | None

    def series(self, points: int, generator: Generator) -> Tensor:
        """A trajectory on the attractor from a random start, shape `(points, dim)`, float64, on the CPU."""


Components = Sequence[float]


def trajectory(f: Callable[..., Components], start: Components, time_step: float, steps: int) -> Tensor:
    """Runge-Kutta of order 4 over Python numbers, one step a point; for three variables ten times as fast as tensors.

    Args:
        f: derivatives of the components, from the components.
        start: the first state, which is not part of the result.
        time_step: h.
        steps: how many.

    Returns:
        The states after 1 .. steps steps, shape `(steps, dim)`, float64.
    """
    y, h, half, sixth, states = tuple(start), time_step, time_step / 2, time_step / 6, []
    for _ in range(steps):
        k1 = f(*y)
        k2 = f(*[a + half * b for a, b in zip(y, k1, strict=True)])
        k3 = f(*[a + half * b for a, b in zip(y, k2, strict=True)])
        k4 = f(*[a + h * b for a, b in zip(y, k3, strict=True)])
        y = tuple([a + sixth * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(y, k1, k2, k3, k4, strict=True)])
        states.append(y)
    return torch.tensor(states, dtype=torch.float64).reshape(steps, len(y))
