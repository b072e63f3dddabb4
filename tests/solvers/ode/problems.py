"""Equations for the tests of the ODE solvers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from heatbath.core.contracts import InitialValue, Solution
from heatbath.solvers.ode.explicit import ExplicitRungeKutta
from heatbath.solvers.ode.options import Adaptive
from heatbath.solvers.ode.tableaux import ADAPTIVE

METHODS = sorted(ADAPTIVE)
HIGHER = [name for name in METHODS if ADAPTIVE[name].order >= 3]


def solver(method: str = "tsit5", **options: Any) -> ExplicitRungeKutta:
    return ExplicitRungeKutta(ADAPTIVE[method], Adaptive(**options))


def decay(t: Any, y: Tensor) -> Tensor:
    return -y


def lotka_volterra(t: Any, u: Tensor) -> Tensor:
    x, y = u[..., 0], u[..., 1]
    return torch.stack([1.5 * x - x * y, x * y - 3 * y], -1)


def van_der_pol(mu: float) -> Callable[[Any, Tensor], Tensor]:
    def f(t: Any, u: Tensor) -> Tensor:
        x, y = u[..., 0], u[..., 1]
        return torch.stack([y, mu * (1 - x * x) * y - x], -1)

    return f


def batch(size: int = 16, seed: int = 0) -> Tensor:
    return 0.5 + 1.5 * torch.rand(size, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Net(nn.Module):
    """A small vector field that depends on time."""

    def __init__(self, dim: int = 2, hidden: int = 8, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        for p in self.parameters():
            p.data = 0.8 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
        self.calls = 0

    def forward(self, t: Any, y: Tensor) -> Tensor:
        self.calls += 1
        return self.outer(torch.tanh(self.inner(y))) * (math.cos(t) if isinstance(t, float) else torch.cos(t))


def solve(
    method: str, f: Any, y0: Tensor, times: tuple[float, ...], record: set[str] | None = None, **how: Any
) -> Solution:
    """With options of the solver, or `on_step` and `event`."""
    extra = {name: how.pop(name) for name in ("event", "parameters") if name in how}
    on_step = how.pop("on_step", None)
    problem = InitialValue(f, y0, times, **extra)
    return solver(method, **how).solve(problem, record=frozenset(record or ()), on_step=on_step)


def slope_of(errors: list[float], factor: float = 2.0) -> float:
    """Order from errors at sizes that fall by `factor`."""
    return math.log(errors[0] / errors[-1]) / math.log(factor) / (len(errors) - 1)
