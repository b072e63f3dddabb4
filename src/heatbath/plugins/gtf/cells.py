"""Models that this method did not invent, to show that it asks nothing of them but a step z -> F(z)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heatbath.core.build import Setup
from heatbath.core.contracts import InitialValue
from heatbath.core.errors import NotFinite
from heatbath.plugins.gtf import options as opt


class GRU(nn.Module):
    """`torch.nn.GRUCell` as an autonomous map, F(z) = c GRU(s, z / c); its own states lie within (-1, 1), hence c.

    Args:
        options: the scale c.
        setup: unused.
        latent_size: M.
        input_size: number of external inputs.

    Reference:
        Cho et al., EMNLP 2014.

    >>> GRU(opt.GRU(), None, latent_size=3)(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, options: opt.GRU, setup: Setup | None, latent_size: int, input_size: int = 0) -> None:
        super().__init__()
        self.scale = options.scale
        self.cell = nn.GRUCell(input_size, latent_size)

    def forward(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One step; z and the result have shape `(batch, M)`, s `(batch, K)`."""
        nothing = z.new_zeros(len(z), 0)
        stepped: Tensor = self.cell(nothing if s is None else s, z / self.scale)
        return self.scale * stepped


class NeuralFlow(nn.Module):
    """The flow of a small neural ODE over one interval between points: z' = f(z, s), f a network with one hidden layer.

    Args:
        options: hidden units, the solver and the step that it is given.
        setup: builds the solver.
        latent_size: M.
        input_size: number of external inputs, constant over an interval.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018.
    """

    def __init__(self, options: opt.NeuralFlow, setup: Setup, latent_size: int, input_size: int = 0) -> None:
        super().__init__()
        self.solver, self.times = setup.build("solver", options.solver), (0.0, options.interval)
        self.field = nn.Sequential(
            nn.Linear(latent_size + input_size, options.hidden), nn.Tanh(), nn.Linear(options.hidden, latent_size)
        )

    def forward(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One interval; z and the result have shape `(..., M)`, s `(..., K)`.

        Raises:
            NotFinite: when the solver says that it did not reach the end.
        """

        def derivative(t: float, y: Tensor) -> Tensor:
            found: Tensor = self.field(y if s is None else torch.cat([y, s], -1))
            return found

        solution = self.solver.solve(InitialValue(derivative, z, self.times))
        if not solution.ok:
            reason = solution.stats.get("message", "it did not reach the end")
            raise NotFinite(f"the interval of length {self.times[1]} could not be taken: {reason}")
        end: Tensor = solution.value[-1]
        return end
