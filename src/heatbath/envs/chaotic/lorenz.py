"""The Lorenz system of 1963."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.flow import trajectory

LYAPUNOV_SPECTRUM = (0.906, 0.0, -14.57)
"""Per unit of time, at the classical parameters: Sprott, Chaos and Time-Series Analysis, 2003."""
TRANSIENT = 10_000
"""Steps left out before a series begins."""


class Lorenz63:
    """x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z, by Runge-Kutta of order 4.

    >>> system = Lorenz63(opt.Lorenz63(), None)
    >>> system.series(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3])
    """

    dim = 3

    def __init__(self, options: opt.Lorenz63, setup: Any) -> None:
        self.sigma, self.rho, self.beta = options.sigma, options.rho, options.beta
        self.time_step = options.time_step
        classical = opt.Lorenz63(time_step=options.time_step) == options
        self.lyapunov_max = LYAPUNOV_SPECTRUM[0] if classical else None

    def flow(self, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
        """Derivatives of the components, numbers or tensors alike."""
        return self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z

    def derivative(self, t: float, state: Tensor) -> Tensor:
        """The right-hand side for the problem `ode`; state of shape `(..., 3)`."""
        return torch.stack(self.flow(*state.unbind(-1)), -1)

    def series(self, points: int, generator: Generator) -> Tensor:
        """A trajectory from a random start, its first 10 000 steps left out, shape `(points, 3)`, float64."""
        draw = torch.randn(3, generator=generator, device=generator.device, dtype=torch.float64).tolist()
        start = (draw[0], draw[1], self.rho - 1 + draw[2])
        return trajectory(self.flow, start, self.time_step, TRANSIENT + points)[TRANSIENT:]
