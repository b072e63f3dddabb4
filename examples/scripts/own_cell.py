"""Generalized teacher forcing of a recurrent cell that knows nothing of it: a closed-form continuous-time cell of ncps.

python own_cell.py [STEPS]

Forcing is a hook between steps, so all that is asked of a cell is a step z -> F(z). Without `pip install ncps` an Elman
cell of torch stands in.
"""

import sys

import torch

import heatbath

REACH = 5.0
"""The cell's own states lie within (-1, 1), standardised data do not."""


def foreign_cell(units):
    """A module `(input, state) -> state`, of somebody else."""
    try:
        from ncps.torch import CfCCell
    except ModuleNotFoundError:
        return torch.nn.RNNCell(1, units)

    class ContinuousTime(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = CfCCell(1, units, backbone_units=64)

        def forward(self, inputs, state):
            return self.cell(inputs, state, 1.0)[0]

    return ContinuousTime()


class Cell(torch.nn.Module):
    """F(z) = c cell(0, z / c)."""

    def __init__(self, options, setup, latent_size):
        super().__init__()
        self.cell = foreign_cell(latent_size)

    def forward(self, z):
        return REACH * self.cell(z.new_zeros(len(z), 1), z / REACH)


class Plugin:
    @heatbath.hookimpl
    def register_models(self, register):
        register(heatbath.Component("own/cell", "a cell of ncps", f"{__name__}:Cell", problem="recurrence"))


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    host = heatbath.Host().load()
    host.add(Plugin(), "own")
    run = heatbath.run(
        "gtf.lorenz63",
        host=host,
        model="own/cell",
        latent=16,
        observation="affine",
        window=30,
        points=20_000,
        steps=steps,
    )
    print(f"{run.task.model.dynamics.cell}")
    print(f"{run.status}: D_stsp {run.metrics['d_stsp']:.3g}, PE(20) {run.metrics['prediction_error_20']:.3g}")
