"""Ordinary differential equations: explicit methods with their errors, stiffness and step sizes in the open.

>>> import torch
>>> from heatbath.solvers.ode import solve
>>> solution = solve(lambda t, y: -y, torch.ones(1, dtype=torch.float64), (0.0, 1.0), rtol=1e-8, atol=1e-8)
>>> round(solution.value[-1].item(), 6), solution.stats["status"]
(0.367879, 'reached')
"""

from __future__ import annotations

from heatbath.core.lazy import lazily

_HOMES = {
    "solve": "standalone",
    "ExplicitRungeKutta": "explicit",
    "RK4": "rk4",
    "Adaptive": "options",
}
__all__ = ["RK4", "Adaptive", "ExplicitRungeKutta", "solve"]

__getattr__, __dir__ = lazily(__name__, _HOMES)
