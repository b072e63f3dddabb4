"""Chua's circuit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.equations import FewEquations, matrix
from heatbath.envs.chaotic.exponents import SPROTT, Exponents
from heatbath.envs.chaotic.flow import normal

DOUBLE_SCROLL = Exponents((0.3271, 0.0, -2.5197), 2.1298, f"{SPROTT} (Chua's circuit)", 0.01)
"""At alpha 9, beta 100/7, slopes -8/7 and -5/7. Quoted from memory of the book, and ours agrees."""


class Chua(FewEquations):
    """x' = alpha (y - x - g(x)), y' = x - y + z, z' = -beta y; a piecewise-linear diode g.

    g(x) = m1 x + (m0 - m1) / 2 (|x + 1| - |x - 1|), of slope m0 within |x| < 1 and m1 outside.

    Reference:
        Matsumoto, IEEE Trans. Circuits Syst. 31, 1984.
    """

    dim = 3
    kernel = "chua"

    def __init__(self, options: opt.Chua, setup: Any) -> None:
        self.alpha, self.beta, self.inner, self.outer = options.alpha, options.beta, options.m0, options.m1
        self.time_step, self.substeps = options.time_step, options.substeps
        self.parameters = (self.alpha, self.beta, self.outer, (self.inner - self.outer) / 2)
        named = (self.alpha, self.beta, self.inner, self.outer)
        self.exponents = DOUBLE_SCROLL if named == (9.0, 100 / 7, -8 / 7, -5 / 7) else None

    def flow(self, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
        current = self.outer * x + self.parameters[3] * (abs(x + 1) - abs(x - 1))
        return self.alpha * (y - x - current), x - y + z, -self.beta * y

    def gradient(self, state: Tensor) -> Tensor:
        x = state[..., 0]
        slope = torch.where(x.abs() < 1, torch.full_like(x, self.inner), torch.full_like(x, self.outer))
        return matrix([[-self.alpha * (1 + slope), self.alpha, 0.0], [1.0, -1.0, 1.0], [0.0, -self.beta, 0.0]], like=x)

    def start(self, batch: int, generator: Generator) -> Tensor:
        return 0.1 * normal((batch, 3), generator)
