"""The Lorenz systems of 1963 and 1996."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.equations import Equations, FewEquations, matrix
from heatbath.envs.chaotic.exponents import OURS, SPROTT, Exponents
from heatbath.envs.chaotic.flow import normal

CLASSICAL = Exponents((0.9056, 0.0, -14.5723), 2.06215, f"{SPROTT} (Lorenz attractor)", 0.005)
"""At sigma 10, rho 28, beta 8/3. Sure: found in many places, and their sum is exact."""


class Lorenz63(FewEquations):
    """x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z.

    Volumes contract at the constant rate sigma + 1 + beta.

    Reference:
        Lorenz, J. Atmos. Sci. 20, 1963, equations 25-27.

    >>> system = Lorenz63(opt.Lorenz63(), None)
    >>> system.series(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3])
    """

    dim = 3
    kernel = "lorenz63"

    def __init__(self, options: opt.Lorenz63, setup: Any) -> None:
        self.sigma, self.rho, self.beta = options.sigma, options.rho, options.beta
        self.time_step, self.substeps = options.time_step, options.substeps
        self.parameters = (self.sigma, self.rho, self.beta)
        self.exponents = CLASSICAL if self.parameters == (10.0, 28.0, 8 / 3) else None

    def flow(self, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
        return self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z

    def gradient(self, state: Tensor) -> Tensor:
        x, y, z = state.unbind(-1)
        return matrix([[-self.sigma, self.sigma, 0.0], [self.rho - z, -1.0, -x], [y, x, -self.beta]], like=x)

    def start(self, batch: int, generator: Generator) -> Tensor:
        draw = normal((batch, 3), generator)
        return draw + draw.new_tensor([0.0, 0.0, self.rho - 1])


LORENZ96 = {
    (10, 8.0): Exponents((1.17,), 6.51, OURS, 0.03),
    (20, 8.0): Exponents((1.55,), 13.49, OURS, 0.03),
    (40, 8.0): Exponents(
        (1.68,), 27.1, "Lorenz and Emanuel, J. Atmos. Sci. 55, 1998; Karimi and Paul, Chaos 20, 2010", 0.03
    ),
}
"""By N and F. That of N = 40 is quoted from memory (doubling in 2.1 days of 0.2 units; dimension 27.1); ours agree."""


class Lorenz96(Equations):
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F on a ring of N places.

    Volumes contract at the constant rate N. At F = 8 chaotic for most N.

    Reference:
        Lorenz, Predictability: a problem partly solved, ECMWF 1996.
    """

    kernel = "lorenz96"

    def __init__(self, options: opt.Lorenz96, setup: Any) -> None:
        self.dim, self.forcing = options.variables, options.forcing
        self.time_step, self.substeps = options.time_step, options.substeps
        self.parameters = (self.forcing,)
        self.exponents = LORENZ96.get((self.dim, self.forcing))

    def derivative(self, t: float, state: Tensor) -> Tensor:
        ahead, behind, before = state.roll(-1, -1), state.roll(1, -1), state.roll(2, -1)
        return (ahead - before) * behind - state + self.forcing

    def gradient(self, state: Tensor) -> Tensor:
        ahead, behind, before = state.roll(-1, -1), state.roll(1, -1), state.roll(2, -1)
        identity = torch.eye(self.dim, dtype=state.dtype, device=state.device)
        towards = behind.unsqueeze(-1) * (identity.roll(1, -1) - identity.roll(-2, -1))
        return towards + (ahead - before).unsqueeze(-1) * identity.roll(-1, -1) - identity

    def start(self, batch: int, generator: Generator) -> Tensor:
        return self.forcing + normal((batch, self.dim), generator)
