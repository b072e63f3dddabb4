"""A conservative finite-volume scheme for the laws: what their exact solutions are held against.

d u_i / dt = (F_{i-1/2} - F_{i+1/2}) / dx with one flux a face, so that the total changes by what crosses the ends only.
Diffusive laws take the difference of the potential (the integral of k) across the face, hyperbolic ones Godunov's flux.
First order where solutions jump; slow beside a formula. Its right-hand side is a problem for any solver of `ode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue
from heatbath.core.errors import InvalidInput

SAMPLES = 64
"""Points of the midpoint rule for the average of a cell."""


@dataclass(frozen=True)
class FiniteVolume:
    """A law, at one parameter, on equal cells.

    Args:
        law: one of the exact laws, for its flux and boundary values.
        parameter: a number in the law's range.
        cells: how many, at least 2.

    Raises:
        InvalidInput: for fewer than 2 cells, or a parameter outside of the law's range.
    """

    law: Any
    parameter: float
    cells: int

    def __post_init__(self) -> None:
        if self.cells < 2:
            raise InvalidInput(f"`cells` must be at least 2, got {self.cells}")
        self.law.mass(self._p, 0.0)  # raises where the law does not hold

    @property
    def width(self) -> float:
        """dx."""
        left, right = self.law.domain
        return float(right - left) / self.cells

    @cached_property
    def edges(self) -> Tensor:
        """Shape `(cells + 1,)`."""
        left, right = self.law.domain
        return torch.linspace(left, right, self.cells + 1, dtype=torch.float64)

    @cached_property
    def _p(self) -> Tensor:
        return torch.tensor(self.parameter, dtype=torch.float64)

    def exact(self, t: float) -> Tensor:
        """Averages of the exact solution over the cells, shape `(cells,)`."""
        inner = (torch.arange(SAMPLES, dtype=torch.float64) + 0.5) / SAMPLES * self.width
        averages: Tensor = self.law.solution(self._p, t, self.edges[:-1].unsqueeze(1) + inner).mean(1)
        return averages

    def face_fluxes(self, t: float, u: Tensor) -> Tensor:
        """F at the faces, from cell averages `(..., cells)`: shape `(..., cells + 1)`."""
        first, last = u[..., :1], u[..., -1:]
        if self.law.periodic:
            before, after = last, first
        else:
            before, after = self.law.inflow(self._p, t).expand_as(first), last
        if hasattr(self.law, "godunov"):
            padded = torch.cat([before, u, after], -1)
            flux: Tensor = self.law.godunov(self._p, padded[..., :-1], padded[..., 1:])
            return flux
        potential = self.law.potential(self._p, torch.cat([before, u, after], -1))
        slopes: Tensor = potential.diff(dim=-1) / self.width
        if not self.law.periodic:  # the boundary value sits on the face, half a cell away; nothing crosses the far end
            slopes = torch.cat([2 * slopes[..., :1], slopes[..., 1:-1], 0 * slopes[..., -1:]], -1)
        return -slopes

    def derivative(self, t: float, u: Tensor) -> Tensor:
        """d u / dt, `(..., cells)`."""
        return -self.face_fluxes(t, u).diff(dim=-1) / self.width

    @property
    def stable_step(self) -> float:
        """A step at which explicit Runge-Kutta methods are stable."""
        speed = float(self.law.fastest(self.parameter))
        diffusive = not hasattr(self.law, "godunov")
        return 0.4 * self.width**2 / speed if diffusive else 0.5 * self.width / speed

    def problem(self, *times: float) -> InitialValue:
        """From the exact averages at the first time on; the answer has shape `(times, cells)`.

        Raises:
            InvalidInput: for no times, or one at which the law's boundary values no longer hold.
        """
        if not times:
            raise InvalidInput("`problem` needs the times at which the answer is wanted, got none")
        self.law.mass(self._p, max(times))
        return InitialValue(self.derivative, self.exact(times[0]), times)
