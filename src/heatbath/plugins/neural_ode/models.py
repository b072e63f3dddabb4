"""Vector fields."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from heatbath.plugins.neural_ode import options as opt


class VectorField(nn.Module):
    """f(t, u) = out(W2 [z; t] + b2), z = tanh(W1 [u; t] + b1), with u^3 for u if asked for.

    Symbols: W1 (hidden, dim), W2 (dim, hidden); the columns of both for t are vectors of their own.

    Args:
        options: number of hidden units, the output, whether time and cubes are seen.
        setup: unused.
        state_size: dim.
        dtype: of the parameters.

    Reference:
        Pal, Ma, Shah, Rackauckas, ICML 2021, appendix A: 784 to 100 to 784, both layers with time, both tanh.

    >>> f = VectorField(opt.VectorField(hidden=4), None, state_size=3)
    >>> f(0.5, torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self, options: opt.VectorField, setup: Any, state_size: int, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.cubed, self.bounded = options.cubed, options.output == "tanh"
        self.first = _Layer(state_size, options.hidden, options.time, dtype)
        self.second = _Layer(options.hidden, state_size, options.time, dtype)

    def forward(self, t: float | Tensor, u: Tensor) -> Tensor:
        """u has shape `(batch, dim)`; t is a number, or a tensor that broadcasts against u."""
        z = torch.tanh(self.first(t, u**3 if self.cubed else u))
        f: Tensor = self.second(t, z)
        return torch.tanh(f) if self.bounded else f


class _Layer(nn.Module):
    """W x + w t + b: a linear layer of [x; t], without joining the two."""

    def __init__(self, inputs: int, outputs: int, time: bool, dtype: torch.dtype) -> None:
        super().__init__()
        bound = (inputs + time) ** -0.5

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, dtype=dtype).uniform_(-bound, bound))

        self.weight, self.bias = uniform(outputs, inputs), uniform(outputs)
        self.of_time = uniform(outputs) if time else None

    def forward(self, t: float | Tensor, x: Tensor) -> Tensor:
        if self.of_time is None:
            return nn.functional.linear(x, self.weight, self.bias)
        if isinstance(t, Tensor):
            shift = self.bias + self.of_time * t.to(x.dtype)
            return nn.functional.linear(x, self.weight) + shift
        return nn.functional.linear(x, self.weight, torch.add(self.bias, self.of_time, alpha=t))
