"""What trainers of shallow steps have in common. See training.py for the objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from heatbath.core.errors import ConfigError
from heatbath.solvers.recurrence.layout import Layout


@dataclass(frozen=True, slots=True)
class Losses:
    """What the steps of one `run` found, before each update; shape `(steps,)`, or `(steps, models)` of several models.

    A model whose loss is not finite stops there: that loss is kept, later ones are NaN, and the update is not made.

    Args:
        error: mean squared error.
        penalty: |1 - A|^2 + |W1|^2 + |W2|^2 + |h1|^2 + |h2|^2, without its weight.
        condition: (1 - s_max / s_min)^2 of an affine readout, without its weight; 0 where that weight is 0.
        completed: updates made, int64, shape `()` or `(models,)`; fewer than the steps where a model stopped.
    """

    error: Tensor
    penalty: Tensor
    condition: Tensor
    completed: Tensor


class Trainer:
    """What the trainers share: the models' flat parameters, their moments and step counts, and checks.

    All are changed in place, so that a module may keep views of `theta` (`Layout.tie`).

    Args:
        layout: of the parameters.
        theta: shape `(P,)`, or `(models, P)`: several models in one call, each with the bits of a single run.
        series: x, shape `(points, N)`, or `(models, points, N)`: one of its own for each model.
        window: T, steps forced in one window.
        forced: part of alpha that each latent unit gets, shape `(M,)`; by default 1 for all units that are observed
            or encoded, 0 for others.
        interval: force at every `interval`-th step of a window only; with alpha = 1, sparse teacher forcing.
        betas: of RAdam.
        epsilon: of RAdam.

    Raises:
        ConfigError: for shapes, devices or precisions that do not fit.
    """

    def __init__(
        self,
        layout: Layout,
        theta: Tensor,
        series: Tensor,
        *,
        window: int,
        forced: Tensor | None = None,
        interval: int = 1,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.layout, self.window, self.interval = layout, window, interval
        self.betas, self.epsilon = betas, epsilon
        self.theta = theta.detach()
        self.series = series.detach().contiguous()
        self._single = theta.dim() == 1
        self._theta = self.theta.unsqueeze(0) if self._single else self.theta
        self.forced = self._units(forced)
        self._check()
        self.mean, self.variance = torch.zeros_like(self._theta), torch.zeros_like(self._theta)
        self.done = torch.zeros(len(self._theta), dtype=torch.int64)

    def _units(self, forced: Tensor | None) -> Tensor:
        known = self.layout.latent if self.layout.affine else self.layout.N
        signal = (torch.arange(self.layout.latent, device=self.theta.device) < known).to(self.theta.dtype)
        if forced is None:
            return signal
        if forced.shape != signal.shape:
            raise ConfigError(f"`forced` must have shape {tuple(signal.shape)}, got {tuple(forced.shape)}")
        return signal * forced.detach().to(signal)

    def _check(self) -> None:
        layout, theta, series = self.layout, self._theta, self.series
        if theta.dim() != 2 or theta.shape[1] != layout.size or not theta.is_contiguous():
            raise ConfigError(
                f"expected contiguous parameters of shape ({layout.size},) or (models, {layout.size}), "
                f"got {tuple(self.theta.shape)}"
            )
        own = series.dim() == 3 and len(series) == len(theta)
        if not (series.dim() == 2 or own) or series.shape[-1] != layout.N:
            raise ConfigError(
                f"expected a series of shape (points, {layout.N}) or ({len(theta)}, points, {layout.N}), "
                f"got {tuple(series.shape)}"
            )
        if series.dtype != theta.dtype or series.device != theta.device:
            raise ConfigError(
                f"parameters are {theta.dtype} on {theta.device}, the series is {series.dtype} on {series.device}"
            )
        if self.window < 1 or self.interval < 1:
            raise ConfigError(f"`window` and `interval` must be at least 1, got {self.window} and {self.interval}")
        if self.latest_start < 0:
            raise ConfigError(f"a window takes {self.window + 1} points, the series has {series.shape[-2]}")

    @property
    def latest_start(self) -> int:
        """The last index at which a window can begin."""
        return int(self.series.shape[-2]) - self.window - 1

    def run(
        self,
        starts: Tensor,
        learning_rate: float | Tensor,
        alpha: float | Tensor,
        l2: float | Tensor = 0.0,
        condition: float | Tensor = 0.0,
    ) -> Losses:
        """Make one optimiser step for each row of `starts`.

        Args:
            starts: first index of each window, int64, shape `(steps, batch)`, or `(steps, models, batch)`.
            learning_rate: a number, or shape `(steps,)` or `(steps, models)`.
            alpha: forcing strength in [0, 1], likewise.
            l2: weight of the penalty, likewise.
            condition: weight of the condition number's penalty, likewise; affine readouts only.

        Raises:
            ConfigError: for windows outside the series, and shapes that do not fit.
        """
        models = len(self._theta)
        if starts.dim() == 2:
            starts = starts.unsqueeze(1).expand(-1, models, -1)
        if starts.dim() != 3 or starts.shape[1] != models or starts.shape[2] < 1 or starts.dtype != torch.int64:
            raise ConfigError(
                f"expected int64 starts of shape (steps, batch) or (steps, {models}, batch), "
                f"got {starts.dtype} of shape {tuple(starts.shape)}"
            )
        if starts.numel() and not 0 <= int(starts.min()) <= int(starts.max()) <= self.latest_start:
            raise ConfigError(
                f"windows must begin in [0, {self.latest_start}], got [{int(starts.min())}, {int(starts.max())}]"
            )
        given = (("learning_rate", learning_rate), ("alpha", alpha), ("l2", l2), ("condition", condition))
        schedules = [_per_step(name, value, len(starts), models) for name, value in given]
        found = [self.theta.new_full((len(starts), models), torch.nan) for _ in range(3)]
        completed = torch.zeros(models, dtype=torch.int64)
        if len(starts):
            self._advance(starts.contiguous(), schedules, found, completed)
        if self._single:
            found, completed = [one[:, 0] for one in found], completed[0]
        return Losses(found[0], found[1], found[2], completed)

    def _advance(self, starts: Tensor, schedules: list[Tensor], found: list[Tensor], completed: Tensor) -> None:
        """Make the steps; schedules and `found` have shape `(steps, models)`, starts `(steps, models, batch)`."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters, moments and step counts; copies."""
        state = {"theta": self._theta, "mean": self.mean, "variance": self.variance, "done": self.done}
        return {name: tensor.clone() for name, tensor in state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copied into the same memory, so that views of `theta` see it.

        Raises:
            ConfigError: for another number of models or parameters.
        """
        own = {"theta": self._theta, "mean": self.mean, "variance": self.variance, "done": self.done}
        for name, tensor in own.items():
            if name not in state or state[name].shape != tensor.shape:
                raise ConfigError(f"expected `{name}` of shape {tuple(tensor.shape)} in the state, got other models'")
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _per_step(name: str, value: float | Tensor, steps: int, models: int) -> Tensor:
    """A schedule, float64 on the host, shape `(steps, models)`."""
    given = torch.as_tensor(value, dtype=torch.float64, device="cpu")
    if given.dim() == 1:
        given = given.unsqueeze(1)
    if given.dim() > 2 or (given.dim() == 2 and (len(given) != steps or given.shape[1] not in (1, models))):
        raise ConfigError(f"`{name}` must be a number or of shape ({steps},) or ({steps}, {models}), got {value!r}")
    return given.expand(steps, models).contiguous()
