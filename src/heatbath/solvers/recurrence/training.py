"""Whole training steps of generalized teacher forcing for one or several models, many steps a call.

One step of one model, on `batch` windows x_1 .. x_{T+1} of its series:

    z_1 = init(x_1),  z_t = F(~z_{t-1}),  ~z_t = (1 - alpha) z_t + alpha zhat_t,
    loss = mean (g(z_t) - x_t)^2 + l2 (|1 - A|^2 + |W1|^2 + |W2|^2 + |h1|^2 + |h2|^2) + condition (1 - s_max / s_min)^2,

t = 2 .. T + 1, and an update by RAdam. Identity observation model: g takes the first N units, zhat is x there, and
init(x) is x with a learned linear guess of the other units. Affine: g(z) = B z, zhat = B+ x held constant, and
init(x) = B+ x differentiated; s are the singular values of B.

Reference:
    Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3. Liu et al., On the Variance of the Adaptive Learning Rate
    and Beyond, ICLR 2020, algorithm 2.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from heatbath.core.errors import ConfigError
from heatbath.solvers.recurrence.kernels import LossPointers, Schedules, State, Training, call, kernels
from heatbath.solvers.recurrence.layout import Layout
from heatbath.solvers.recurrence.plain_training import PlainTrainer
from heatbath.solvers.recurrence.trainer import Losses, Trainer

__all__ = ["FusedTrainer", "Losses", "PlainTrainer", "Trainer", "make_trainer"]


class FusedTrainer(Trainer):
    """The steps by a compiled kernel: a call costs about what its arithmetic costs. float32 or float64 on the CPU.

    Args and errors as of `Trainer`; several models are trained one after the other in one call.

    >>> import torch
    >>> layout = Layout(latent=1, hidden=2)
    >>> series = torch.linspace(0, 1, 20).unsqueeze(1)
    >>> trainer = make_trainer(layout, torch.full((layout.size,), 0.1), series, window=5)
    >>> losses = trainer.run(torch.randint(15, (200, 4), generator=torch.Generator().manual_seed(0)), 0.01, alpha=0.2)
    >>> bool(losses.error[-20:].mean() < 0.5 * losses.error[0])
    True
    """

    def __init__(
        self, layout: Layout, theta: Tensor, series: Tensor, *, instruction_set: str | None = None, **others: Any
    ) -> None:
        super().__init__(layout, theta, series, **others)
        table = kernels(theta.dtype, instruction_set)
        if table is None or theta.device.type != "cpu":
            raise ConfigError(
                f"no compiled kernel for {theta.dtype} on {theta.device}; use PlainTrainer, or make_trainer to choose"
            )
        self._table = table

    def _advance(self, starts: Tensor, schedules: list[Tensor], found: list[Tensor], completed: Tensor) -> None:
        layout, models = self.layout, len(self._theta)
        steps, _, batch = starts.shape
        own = self.series.shape[1] * self.series.shape[2] if self.series.dim() == 3 else 0
        sizes = (models, steps, self.window, batch, layout.latent, layout.hidden, layout.N, own)
        training = Training(*sizes, layout.clipped, layout.affine, self.interval, *self.betas, self.epsilon)
        state = State(*(one.data_ptr() for one in (self._theta, self.mean, self.variance, self.done)))
        losses = LossPointers(*(one.data_ptr() for one in (*found, completed)))
        rates = Schedules(*(one.data_ptr() for one in schedules))
        call(self._table.train, training, rates, self.series, starts, self.forced, state, losses)


def make_trainer(layout: Layout, theta: Tensor, series: Tensor, **others: Any) -> Trainer:
    """A `FusedTrainer` where a kernel was built for this precision and device, else a `PlainTrainer`."""
    fused = theta.device.type == "cpu" and kernels(theta.dtype) is not None
    return (FusedTrainer if fused else PlainTrainer)(layout, theta, series, **others)
