"""The solution between the steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode.steps import inside
from heatbath.solvers.ode.tableaux import Tableau


@dataclass
class DenseOutput:
    """u(t), in the graph, from the stages of every accepted step; the trace entry `dense`.

    >>> from heatbath.solvers.ode import solve
    >>> y = solve(lambda t, y: -y, torch.ones(1, dtype=torch.float64), (0.0, 1.0), record={"dense"}).trace["dense"]
    >>> round(y(0.5).item(), 5)
    0.60653
    """

    tableau: Tableau
    starts: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    slopes: list[tuple[Tensor, ...]] = field(default_factory=list)

    def add(self, t: float, h: float, u: Tensor, slopes: tuple[Tensor, ...]) -> None:
        """A step of length h from (t, u)."""
        self.starts.append(t)
        self.sizes.append(h)
        self.states.append(u)
        self.slopes.append(slopes)

    def __call__(self, times: float | Sequence[float]) -> Tensor:
        """States at one time, shaped like the state, or at several, with an axis before.

        Raises:
            InvalidInput: for a time outside of what was integrated over.
        """
        if isinstance(times, int | float):
            return self._at(float(times))
        return torch.stack([self._at(float(time)) for time in times])

    def _at(self, time: float) -> Tensor:
        if not self.starts:
            raise InvalidInput("no step was taken, there is nothing between the steps")
        direction = 1.0 if self.sizes[0] > 0 else -1.0
        begin, end = self.starts[0], self.starts[-1] + self.sizes[-1]
        if not (begin <= time <= end if direction > 0 else end <= time <= begin):
            raise InvalidInput(f"t = {time} lies outside of what was integrated over, {begin} to {end}")
        n = max(bisect_right(self.starts, direction * time, key=lambda start: direction * start) - 1, 0)
        h = self.sizes[n]
        return inside(self.tableau, (time - self.starts[n]) / h, h, self.states[n], self.slopes[n])
