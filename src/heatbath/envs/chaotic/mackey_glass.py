"""The Mackey-Glass delay equation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.envs.chaotic import compiled
from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.exponents import OURS, Exponents
from heatbath.envs.chaotic.flow import System
from heatbath.solvers.ode.delay import delay_rk4, delay_rk4_step

CLASSICAL = Exponents((0.0051, 0.0, -0.0386), 2.13, OURS, 0.0003)
"""At the classical parameters and a delay of 17. The literature has values from 0.005 to 0.007 and a dimension of 2.1
(Farmer, Physica D 4, 1982; from memory)."""


class MackeyGlass(System):
    """x'(t) = beta x(t - tau) / (1 + x(t - tau)^n) - gamma x(t).

    A state is a piece of history: the values at t - tau, .., t in integration steps, then the slopes at all but the
    last, `2 lag + 1` numbers; where the observed values lie further back than tau, the history is that much longer.
    Observed are x(t), x(t - spacing), x(t - 2 spacing), ..., a delay embedding.

    Reference:
        Mackey and Glass, Science 197, 1977. The embedding by four values, six apart: Jang, IEEE Trans. Syst. Man
        Cybern. 23, 1993.
    """

    transient = 2_000

    def __init__(self, options: opt.MackeyGlass, setup: Any) -> None:
        self.beta, self.gamma, self.exponent = options.beta, options.gamma, options.exponent
        self.time_step, self.substeps, self.dim = options.time_step, options.substeps, options.coordinates
        self.h = options.time_step / options.substeps
        self.lag = round(options.delay / self.h)
        self.offsets = [i * options.spacing * options.substeps for i in range(options.coordinates)]
        self.kept = max(self.lag, self.offsets[-1])
        named = (self.beta, self.gamma, self.exponent, options.delay)
        self.exponents = CLASSICAL if named == (0.2, 0.1, 10.0, 17.0) else None

    @property
    def state_dim(self) -> int:
        return self.kept + 1 + self.lag

    def derivative(self, x: Any, delayed: Any) -> Any:
        """The right-hand side, of the value and the delayed value; numbers or tensors alike."""
        return self.beta * delayed / (1.0 + delayed**self.exponent) - self.gamma * x

    def start(self, batch: int, generator: Generator) -> Tensor:
        """Constant histories between 0.5 and 1.3."""
        level = torch.rand((batch, 1), generator=generator, device=generator.device, dtype=torch.float64)
        return torch.cat([(0.5 + 0.8 * level).expand(batch, self.kept + 1), level.new_zeros(batch, self.lag)], 1)

    def step(self, state: Tensor) -> Tensor:
        values, slopes = state.split([self.kept + 1, self.lag], -1)
        for _ in range(self.substeps):
            begin, end = values[..., -1 - self.lag], values[..., -self.lag]
            known = slopes[..., 0], slopes[..., 1] if self.lag > 1 else None
            x, slope = delay_rk4_step(self.derivative, values[..., -1], (begin, end), known, self.h)
            values = torch.cat([values[..., 1:], x.unsqueeze(-1)], -1)
            slopes = torch.cat([slopes[..., 1:], slope.unsqueeze(-1)], -1)
        return torch.cat([values, slopes], -1)

    def observe(self, state: Tensor) -> Tensor:
        return torch.stack([state[..., self.kept - offset] for offset in self.offsets], -1)

    def _run(self, state: Tensor, points: int, skip: int) -> Tensor:
        values, slopes = state.split([self.kept + 1, self.lag], -1)
        steps, older = (skip + points) * self.substeps, self.kept - self.lag
        history = values[:, older:]
        if compiled.fits(state):
            run = torch.cat([history, history.new_empty(len(state), steps)], 1)
            derivatives = torch.cat([slopes, slopes.new_empty(len(state), steps)], 1)
            compiled.mackey_glass((self.beta, self.gamma, self.exponent), self.lag, self.h, run, derivatives)
        elif len(state) == 1 and state.device.type == "cpu" and state.dtype == torch.float64:
            numbers, _ = delay_rk4(self.derivative, history[0].tolist(), slopes[0].tolist(), self.h, steps)
            run = torch.tensor([numbers], dtype=state.dtype)
        else:
            columns, _ = delay_rk4(self.derivative, history.unbind(1), slopes.unbind(1), self.h, steps)
            run = torch.stack(columns, 1)
        run = torch.cat([values[:, :older], run], 1)
        first = self.kept + (skip + 1) * self.substeps
        last = first + points * self.substeps
        return torch.stack([run[:, first - offset : last - offset : self.substeps] for offset in self.offsets], -1)
