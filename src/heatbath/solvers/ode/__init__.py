"""Ordinary differential equations: explicit methods with their errors, stiffness and step sizes in the open.

>>> import torch
>>> from heatbath.solvers.ode import solve
>>> solution = solve(lambda t, y: -y, torch.ones(1, dtype=torch.float64), (0.0, 1.0), rtol=1e-8, atol=1e-8)
>>> round(solution.value[-1].item(), 6), solution.stats["status"]
(0.367879, 'reached')
"""

from __future__ import annotations

from typing import Any

_LAZY = {
    "solve": "heatbath.solvers.ode.standalone",
    "ExplicitRungeKutta": "heatbath.solvers.ode.explicit",
    "RK4": "heatbath.solvers.ode.rk4",
    "Adaptive": "heatbath.solvers.ode.options",
}
__all__ = ["RK4", "Adaptive", "ExplicitRungeKutta", "solve"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
