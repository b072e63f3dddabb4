"""A feedback policy found by the cross-entropy method: whole populations are played as one batch of simulations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import Phase, Transition
from heatbath.plugins.qarl import agent_options as opt

FLATTEST = 1e-6
"""Observations that vary less in the first generation are taken for constants."""


@dataclass(frozen=True, slots=True)
class _Playing:
    """Of each simulation, and of all observations so far.

    Args:
        weights: shape `(batch, observation_size + 1, action_size)`; None before the first action of a generation.
        earned: shape `(batch,)`.
        over: whether the episode ended, shape `(batch,)`.
        moments: count, sums and sums of squares of observations, shape `(1 + 2 observation_size,)`.
    """

    weights: Tensor | None
    earned: Tensor
    over: Tensor
    moments: Tensor


class CrossEntropy:
    """Draws policies from a normal law, and fits the law to those that earned most.

        action = tanh(W z + b)  or  sign(W z + b),   z = (observation - offset) / scale
        mean <- (1 - s) mean + s mean(elite),   deviation <- (1 - s) deviation + s std(elite) + noise_t

    `noise_t` falls from `noise` to 0 within `cooling` updates, so that the law does not shrink too early. `offset` and
    `scale` are those of the observations of the first generation. A batch of N simulations plays N / `episodes`
    policies, the mean of the law among them; what is played outside of learning is that mean.

    Reference:
        Szita, Lorincz, "Learning Tetris using the noisy cross-entropy method", Neural Computation 18, 2006.
    """

    def __init__(self, options: opt.CrossEntropy, setup: Any, observation_size: int, action_size: int) -> None:
        self.options = options
        shape = (observation_size + 1, action_size)
        self.mean, self.deviation = torch.zeros(shape), torch.full(shape, options.deviation)
        self.deviation[-1] *= options.bias
        self.offset, self.scale = torch.zeros(observation_size), torch.ones(observation_size)
        self.updates = 0
        self._noted: _Playing | None = None

    # Playing

    def reset(self, mode: Phase, batch: int) -> _Playing:
        weights = None if mode == "train" else self.mean.expand(batch, -1, -1)
        moments = torch.zeros(1 + 2 * len(self.offset), dtype=torch.float64)
        return _Playing(weights, torch.zeros(batch, dtype=torch.float64), torch.zeros(batch, dtype=torch.bool), moments)

    def act(self, observation: Tensor, state: _Playing, generator: Generator) -> tuple[Tensor, _Playing]:
        weights = self._drawn(len(observation), generator) if state.weights is None else state.weights
        z = (observation - self.offset) / self.scale
        level = torch.baddbmm(weights[:, -1:], z.unsqueeze(1), weights[:, :-1]).squeeze(1)
        action = torch.tanh(level) if self.options.policy == "linear" else torch.sign(level)
        return action, replace(state, weights=weights)

    def _members(self, batch: int) -> Tensor:
        """Which policy plays in each simulation, shape `(batch,)`."""
        episodes = max(1, min(self.options.episodes, batch // 4))
        return torch.arange(batch) % max(1, batch // episodes)

    def _drawn(self, batch: int, generator: Generator) -> Tensor:
        members = self._members(batch)
        count = int(members.max()) + 1
        noise = torch.randn((count, *self.mean.shape), generator=generator, device=generator.device).to(self.mean)
        noise[0] = 0.0
        return (self.mean + self.deviation * noise)[members]

    # Learning

    def observe(self, transition: Transition) -> _Playing:
        state: _Playing = transition.state
        going = ~state.over
        seen = transition.observation[going].double()
        sums = torch.cat((torch.tensor([float(len(seen))]).double(), seen.sum(0), seen.square().sum(0)))
        earned = state.earned + torch.where(going, transition.reward.to(state.earned), 0.0)
        over = state.over | transition.terminated
        self._noted = replace(state, earned=earned, over=over, moments=state.moments + sums)
        return self._noted

    def update(self, generator: Generator) -> Mapping[str, float]:
        noted, self._noted = self._noted, None
        if noted is None or noted.weights is None:
            return {}
        members = self._members(len(noted.earned))
        count = int(members.max()) + 1
        returns = torch.zeros(count, dtype=torch.float64).index_add_(0, members, noted.earned)
        returns /= torch.bincount(members)
        elite = returns.topk(max(2, round(self.options.elite * count)) if count > 1 else 1).indices
        chosen = noted.weights[elite]  # the first `count` simulations hold one of each
        if self.updates == 0:
            self._standardise(noted.moments)
        self._fit(chosen)
        self.updates += 1
        spread = float(self.deviation.mean())
        earned = {"return": returns.mean(), "return_best": returns.max(), "return_mean": returns[0]}
        return {**{name: float(value) for name, value in earned.items()}, "deviation": spread}

    def _fit(self, elite: Tensor) -> None:
        share = self.options.smoothing
        noise = self.options.noise * max(0.0, 1.0 - self.updates / max(1, self.options.cooling))
        self.mean = (1.0 - share) * self.mean + share * elite.mean(0)
        self.deviation = (1.0 - share) * self.deviation + share * elite.std(0, correction=0)
        self.deviation = self.deviation.clamp_min(self.options.least) + noise

    def _standardise(self, moments: Tensor) -> None:
        """Offsets and scales of the first generation; constant observations keep their unit."""
        size = len(self.offset)
        mean = moments[1 : 1 + size] / moments[0]
        scale = (moments[1 + size :] / moments[0] - mean.square()).clamp_min(0.0).sqrt()
        self.offset = mean.to(self.offset)
        self.scale = torch.where(scale > FLATTEST, scale, 1.0).to(self.scale)

    # Keeping

    def state_dict(self) -> dict[str, Any]:
        tensors = ("mean", "deviation", "offset", "scale")
        return {**{name: getattr(self, name).clone() for name in tensors}, "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value.clone() if isinstance(value, Tensor) else value)
