"""The Rossler system."""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor

from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.equations import FewEquations, matrix
from heatbath.envs.chaotic.exponents import SPROTT, Exponents
from heatbath.envs.chaotic.flow import normal

CLASSICAL = Exponents((0.0714, 0.0, -5.3943), 2.0132, f"{SPROTT} (Rossler attractor)", 0.003)
"""At a = b = 0.2, c = 5.7. Sure: found in many places."""


class Rossler(FewEquations):
    """x' = -y - z, y' = x + a y, z' = b + z (x - c).

    Volumes change at the rate a + x - c, which is not constant.

    Reference:
        Rossler, Phys. Lett. A 57, 1976.
    """

    dim = 3
    kernel = "rossler"

    def __init__(self, options: opt.Rossler, setup: Any) -> None:
        self.a, self.b, self.c = options.a, options.b, options.c
        self.time_step, self.substeps = options.time_step, options.substeps
        self.parameters = (self.a, self.b, self.c)
        self.exponents = CLASSICAL if self.parameters == (0.2, 0.2, 5.7) else None

    def flow(self, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
        return -y - z, x + self.a * y, self.b + z * (x - self.c)

    def gradient(self, state: Tensor) -> Tensor:
        x, _, z = state.unbind(-1)
        return matrix([[0.0, -1.0, -1.0], [1.0, self.a, 0.0], [z, 0.0, x - self.c]], like=x)

    def start(self, batch: int, generator: Generator) -> Tensor:
        return normal((batch, 3), generator)
