"""The Henon map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.equations import matrix
from heatbath.envs.chaotic.exponents import SPROTT, Exponents
from heatbath.envs.chaotic.flow import System, normal

CLASSICAL = Exponents((0.41922, -1.62319), 1.25827, f"{SPROTT} (Henon map)", 0.003)
"""At a = 1.4, b = 0.3. Sure: found in many places, and their sum is log b."""


class Henon(System):
    """(x, y) -> (1 - a x^2 + y, b x); areas shrink by |b| a step.

    Reference:
        Henon, Comm. Math. Phys. 50, 1976.
    """

    dim = 2
    time_step = 1.0

    def __init__(self, options: opt.Henon, setup: Any) -> None:
        self.a, self.b = options.a, options.b
        self.exponents = CLASSICAL if (self.a, self.b) == (1.4, 0.3) else None

    def map(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Numbers or tensors alike."""
        return 1 - self.a * (x * x) + y, self.b * x

    def step(self, state: Tensor) -> Tensor:
        return torch.stack(self.map(*state.unbind(-1)), -1)

    def jacobian(self, state: Tensor) -> Tensor:
        """The derivative of `step`, shape `(..., 2, 2)`."""
        x = state[..., 0]
        return matrix([[-2 * self.a * x, 1.0], [self.b, 0.0]], like=x)

    def start(self, batch: int, generator: Generator) -> Tensor:
        return 0.1 * normal((batch, 2), generator).clamp(-2, 2)

    def _run(self, state: Tensor, points: int, skip: int) -> Tensor:
        if len(state) > 1 or state.device.type != "cpu" or state.dtype != torch.float64:
            return super()._run(state, points, skip)
        x, y = state[0].tolist()
        seen = []
        for _ in range(skip + points):
            x, y = self.map(x, y)
            seen.append((x, y))
        return torch.tensor(seen[skip:], dtype=torch.float64).reshape(1, points, 2)
