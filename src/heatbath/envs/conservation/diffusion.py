"""Diffusive laws, F = -k(u) u_x: heat, porous medium, Stefan."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from heatbath.envs.conservation import options as opt
from heatbath.envs.conservation.law import ExactLaw

NEWTON = 12
"""Steps for the Stefan root; from its bound above, 8 reach round-off for thresholds from 1e-6 to 1 - 1e-6."""


class Heat(ExactLaw):
    """k(u) = k on [0, 2 pi], periodic, from sin x: u = exp(-k t) sin x. The total stays 0.

    Deviation: the published code samples its heat fields at wrong times and places; these are exact.

    Reference:
        Hansen et al., ICML 2023, section 4.1.

    >>> law = Heat()
    >>> round(float(law.solution(1.0, 0.5, math.pi / 2)), 6), float(law.mass(1.0, 0.5))
    (0.606531, 0.0)
    """

    name, symbol = "heat", "k"
    domain, end, table_time = (0.0, 2 * math.pi), 1.0, 0.5
    training, tests, periodic = (1.0, 5.0), (1.0, 5.0), True

    def _solution(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return torch.exp(-p * t) * torch.sin(x)

    def _flux(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return -p * torch.exp(-p * t) * torch.cos(x)

    def _mass(self, p: Tensor, t: Tensor) -> Tensor:
        return torch.zeros_like(p + t)

    def potential(self, p: Tensor, u: Tensor) -> Tensor:
        """The integral of k from 0 to u; F is minus its slope in x."""
        return p * u

    def fastest(self, p: float) -> float:
        """A bound of k(u) for the step of an explicit solver."""
        return p


class PorousMedium(ExactLaw):
    """k(u) = u^m on [0, 1], from 0, u(t, 0) = (m t)^{1/m}: u = (m (t - x)_+)^{1/m}, while the front x = t is inside.

    The total is m^{1 + 1/m} / (m + 1) t^{1 + 1/m}; F = u. Any m > 0; the slope at the front is finite for m <= 1 only.

    Reference:
        Hansen et al., ICML 2023, section 4.2.

    >>> law = PorousMedium()
    >>> float(law.solution(1.0, 0.5, 0.2)), float(law.mass(1.0, 0.5))
    (0.3, 0.125)
    """

    name, symbol = "porous medium", "m"
    domain, end, table_time = (0.0, 1.0), 1.0, 0.5
    training, tests = (1.0, 6.0), (1.0, 3.0, 6.0)

    def valid_until(self, parameter: Tensor) -> Tensor:
        return torch.ones_like(parameter)

    def _solution(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        depth = t - x
        dry = depth <= 0
        # The root's slope at 0 is infinite: ahead of the front it must not be asked for, so that gradients are 0 there.
        return (p * depth.masked_fill(dry, 1.0)).pow(1 / p).masked_fill(dry, 0.0)

    def _flux(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return self._solution(p, t, x)

    def _mass(self, p: Tensor, t: Tensor) -> Tensor:
        return p.pow(1 + 1 / p) / (p + 1) * t.pow(1 + 1 / p)

    def potential(self, p: Tensor, u: Tensor) -> Tensor:
        """The integral of k from 0 to u."""
        return u.clamp_min(0.0).pow(p + 1) / (p + 1)

    def fastest(self, p: float) -> float:
        """A bound of k(u): it is m t where u is largest."""
        return p * self.end


class Stefan(ExactLaw):
    """k(u) = k_max above the threshold u*, else 0, on [0, 1], from 0, u(t, 0) = 1.

    u = 1 - c erf(x / (2 sqrt(k_max t))) up to the front alpha sqrt(t), where it jumps from u* to 0. With the root z of
    u* erf(z) z exp(z^2) = (1 - u*) / sqrt(pi): alpha = 2 sqrt(k_max) z, c = (1 - u*) / erf(z). The total is
    2 c sqrt(k_max t / pi). Holds while the front is inside. The flux through the left end is infinite at t = 0.

    Reference:
        Hansen et al., ICML 2023, section 4.3, with any k_max.

    >>> law = Stefan()
    >>> round(float(law.front(0.6, 0.05)), 4)
    0.2351
    """

    name, symbol = "Stefan", "u"
    domain, end, table_time = (0.0, 1.0), 0.1, 0.05
    training, tests = (0.55, 0.7), (0.6, 0.5)
    parameters = (0.0, 1.0)

    def __init__(self, options: opt.Stefan | None = None, setup: Any = None) -> None:
        self.diffusivity = (options or opt.Stefan()).diffusivity

    def front(self, parameter: Any, t: Any, *, check: bool = True) -> Tensor:
        """Where the jump is at t."""
        p, t, _ = self._arguments(parameter, t, 0.0, check=check)
        place: Tensor = self._speed(p) * t.sqrt()
        return place

    def valid_until(self, parameter: Tensor) -> Tensor:
        return self._speed(parameter).pow(-2)

    def _speed(self, p: Tensor) -> Tensor:
        """alpha."""
        return 2 * math.sqrt(self.diffusivity) * stefan_root(p)

    def _solution(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        z = stefan_root(p)
        # At t = 0 the quotient is infinite for x > 0, and the front is at 0.
        stretched = x / (2 * (self.diffusivity * t).sqrt()).clamp_min(1e-300)
        inside = 1 - (1 - p) / torch.erf(z) * torch.erf(stretched)
        return torch.where(x <= 2 * z * (self.diffusivity * t).sqrt(), inside, 0.0)

    def _flux(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        z = stefan_root(p)
        c = (1 - p) / torch.erf(z)
        start, ahead = t == 0, x > 2 * z * (self.diffusivity * t).sqrt()
        later = torch.where(start, 1.0, t)  # a quotient by 0 would spoil gradients even where it is not chosen
        slope = c * (self.diffusivity / (math.pi * later)).sqrt()
        slope = slope * torch.exp(-x.square() / (4 * self.diffusivity * later))
        return torch.where(ahead, 0.0, torch.where(start, torch.inf, slope))

    def _mass(self, p: Tensor, t: Tensor) -> Tensor:
        return 2 * (1 - p) / torch.erf(stefan_root(p)) * (self.diffusivity * t / math.pi).sqrt()

    def potential(self, p: Tensor, u: Tensor) -> Tensor:
        """The integral of k from 0 to u."""
        return self.diffusivity * (u - p).clamp_min(0.0)

    def fastest(self, p: float) -> float:
        """k_max."""
        return self.diffusivity


def stefan_root(threshold: Tensor) -> Tensor:
    """z with u* erf(z) z exp(z^2) sqrt(pi) = 1 - u*, by Newton in log z of the logarithm, which is convex there.

    With q = (1 - u*) / u* the root is below sqrt(q / 2) and sqrt(log(1 + q)); from there Newton comes down to it.

    Args:
        threshold: u* in (0, 1).

    Returns:
        z, of its shape.
    """
    q = (1 - threshold) / threshold
    z = torch.minimum((q / 2).sqrt(), torch.log1p(q).sqrt())
    goal = q.log() - 0.5 * math.log(math.pi)
    for _ in range(NEWTON):
        erf = torch.erf(z)
        value = erf.log() + z.log() + z.square() - goal
        slope = 1 + 2 * z.square() + 2 / math.sqrt(math.pi) * z * torch.exp(-z.square()) / erf
        z = z * torch.exp(-value / slope)
    return z
