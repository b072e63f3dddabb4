"""Hyperbolic laws: linear advection, and Burgers' equation with its shock."""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.envs.conservation.law import ExactLaw


class Advection(ExactLaw):
    """F = beta u on [0, 1]: a step at 1/2 moves to the right, u(t, 0) = 1. Holds at all times.

    u = 1 where x - beta t <= 1/2, else 0; the total is 1/2 + min(beta t, 1/2).

    Reference:
        Hansen et al., ICML 2023, section 4.4.

    >>> law = Advection()
    >>> float(law.solution(1.0, 0.1, 0.6)), float(law.mass(1.0, 0.1)), float(law.mass(1.0, 9.0))
    (1.0, 0.6, 1.0)
    """

    name, symbol = "advection", "beta"
    domain, end, table_time = (0.0, 1.0), 1.0, 0.1
    training, tests = (1.0, 5.0), (1.0, 3.0)

    def _solution(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return torch.where(x - p * t <= 0.5, 1.0, 0.0).to(torch.float64)

    def _flux(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return p * self._solution(p, t, x)

    def _mass(self, p: Tensor, t: Tensor) -> Tensor:
        return 0.5 + (p * t).clamp_max(0.5)

    def godunov(self, p: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """The flux between two states that meet."""
        return p * left

    def fastest(self, p: float) -> float:
        """A bound of the wave speed."""
        return p


class Burgers(ExactLaw):
    """F = u^2 / 2 on [-1, 1], u(t, -1) = a: the ramp a, -a x, 0 steepens until t = 1 / a, and goes on as a shock.

    Before: a for x <= a t - 1, a x / (a t - 1) up to 0, then 0. After: a up to (a t - 1) / 2, then 0. The total is
    a (1 + a t) / 2 until the shock leaves at a t = 3, and 2 a from then on.

    Deviation: the published code lets the total grow beyond 2 a.

    Reference:
        Hansen et al., ICML 2023, section 4.5.

    >>> law = Burgers()
    >>> float(law.mass(4.0, 0.5)), float(law.mass(4.0, 1.0))
    (6.0, 8.0)
    """

    name, symbol = "Burgers", "a"
    domain, end, table_time = (-1.0, 1.0), 1.0, 0.5
    training, tests = (1.0, 4.0), (1.0, 3.0)

    def _solution(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        s = p * t - 1
        ramp = torch.where(x <= s, p, torch.where(x <= 0, p * x / torch.where(s < 0, s, -1.0), 0.0))
        return torch.where(s < 0, ramp, torch.where(x <= s / 2, p, 0.0))

    def _flux(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return self._solution(p, t, x).square() / 2

    def _mass(self, p: Tensor, t: Tensor) -> Tensor:
        return torch.minimum(p * (1 + p * t) / 2, 2 * p)

    def godunov(self, p: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """The flux between two states that meet."""
        return torch.maximum(left.clamp_min(0.0).square(), right.clamp_max(0.0).square()) / 2

    def fastest(self, p: float) -> float:
        """A bound of the wave speed."""
        return p
