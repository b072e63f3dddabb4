"""The training steps in plain torch: the reference for the compiled ones, and what serves where none were built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import Recurrence
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.scan import Scan
from heatbath.solvers.recurrence.trainer import Trainer


class PlainTrainer(Trainer):
    """Autograd through `Scan`, and `torch.optim.RAdam`, on any device. Args and errors as of `Trainer`."""

    def _advance(self, starts: Tensor, schedules: list[Tensor], found: list[Tensor], completed: Tensor) -> None:
        for model in range(len(self._theta)):
            self._advance_one(model, starts[:, model], [one[:, model].tolist() for one in schedules], found, completed)

    def _advance_one(
        self, model: int, starts: Tensor, schedules: list[list[float]], found: list[Tensor], completed: Tensor
    ) -> None:
        theta = torch.nn.Parameter(self._theta[model])
        series = self.series if self.series.dim() == 2 else self.series[model]
        optimizer = torch.optim.RAdam([theta], betas=self.betas, eps=self.epsilon, foreach=False)
        count = torch.tensor(float(self.done[model]))
        optimizer.state[theta] = {"step": count, "exp_avg": self.mean[model], "exp_avg_sq": self.variance[model]}
        offsets = torch.arange(self.window + 1, device=series.device).unsqueeze(1)
        for step, (rate, alpha, l2, condition) in enumerate(zip(*schedules, strict=True)):
            losses = self._losses(theta, series[starts[step].to(series.device) + offsets], alpha, condition != 0)
            for kept, loss in zip(found, losses, strict=True):
                kept[step, model] = loss.detach()
            error, penalty, conditioned = losses
            if not bool(torch.stack(losses).isfinite().all()):
                break
            optimizer.zero_grad()
            (error + l2 * penalty + condition * conditioned).backward()
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            completed[model] += 1
            self.done[model] += 1

    def _losses(self, theta: Tensor, x: Tensor, alpha: float, conditioned: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Error, penalty and condition of one batch of windows x, shape `(T + 1, batch, N)`."""
        layout, views = self.layout, self.layout.views(theta)
        condition = theta.new_zeros(())
        if layout.affine:
            inverse = torch.linalg.pinv(views["B"])
            start, signal = x[0] @ inverse.T, x[1:] @ inverse.detach().T
            if conditioned:
                values = torch.linalg.svdvals(views["B"])
                condition = (1 - values[0] / (values[-1] + 1e-8)).square()
        else:
            start, signal = x[0], torch.nn.functional.pad(x[1:], (0, layout.latent - layout.N))
            if "guess" in views:
                start = torch.cat([start, x[0] @ views["guess"].T], dim=-1)
        forcing = Forcing(alpha * self.forced, signal)

        def every(t: float, z: Tensor, info: Mapping[str, Any]) -> Tensor | None:
            return forcing(t, z, info) if (info["index"] + 1) % self.interval == 0 else None

        problem = Recurrence(layout.step(theta), start, self.window)
        solution = Scan(None, None).solve(problem, record=frozenset({"proposal"}), on_step=every)
        z = solution.trace["proposal"]
        seen = z @ views["B"].T if layout.affine else z[..., : layout.N]
        weights = theta[: layout.penalised]
        penalty = (1 - views["A"]).square().sum() + weights[layout.latent :].square().sum()
        return (seen - x[1:]).square().mean(), penalty, condition
