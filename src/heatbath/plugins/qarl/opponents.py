"""Players that know no more than a rule: at rest, at random, one push, two pushes in turn, a stored feedback."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import Phase, Transition
from heatbath.core.errors import ConfigError
from heatbath.plugins.qarl import agent_options as opt
from heatbath.plugins.qarl.gaits import GAITS

COMBINED = 3
"""Action sizes up to which directions combine the axes; beyond, they go along one each, or along all."""


def directions(size: int) -> Tensor:
    """Pushes on the surface of [-1, 1]^size, to be tried, shape `(count, size)`.

    >>> len(directions(1)), len(directions(2)), len(directions(6))
    (2, 8, 14)
    """
    if size <= COMBINED:
        signs = [signs for signs in itertools.product((1.0, 0.0, -1.0), repeat=size) if any(signs)]
        return torch.tensor(signs)
    axes = torch.cat((torch.eye(size), torch.ones(1, size)))
    return torch.cat((axes, -axes))


def one_direction(given: tuple[float, ...], size: int) -> Tensor:
    """An option's direction as a row, shape `(1, size)`. Raises `ConfigError` where it has another size."""
    if len(given) != size:
        raise ConfigError(f"`direction` has {len(given)} numbers, the player's action has {size}; leave it out to try all")
    return torch.tensor([given])


class _Rule:
    """A player that learns nothing."""

    def __init__(self, options: Any, setup: Any, observation_size: int, action_size: int) -> None:
        self.options, self.size = options, action_size

    def reset(self, mode: Phase, batch: int) -> Any:
        return None

    def observe(self, transition: Transition) -> Any:
        return transition.state

    def update(self, generator: Generator) -> Mapping[str, float]:
        return {}


class Still(_Rule):
    """action = 0: nobody pushes."""

    def act(self, observation: Tensor, state: Any, generator: Generator) -> tuple[Tensor, Any]:
        return torch.zeros(len(observation), self.size), state


class Random(_Rule):
    """Uniform in [-1, 1]^m, drawn anew every `hold` steps."""

    options: opt.Random

    def reset(self, mode: Phase, batch: int) -> tuple[int, Tensor]:
        return 0, torch.zeros(batch, self.size)

    def act(self, observation: Tensor, state: Any, generator: Generator) -> tuple[Tensor, Any]:
        step, action = state
        if step % self.options.hold == 0:
            drawn = torch.rand(action.shape, generator=generator, device=generator.device)
            action = 2.0 * drawn.to(action) - 1.0
        return action, (step + 1, action)


class Linear(_Rule):
    """action = tanh(W (observation - offset) / scale + b), as stored: see `gaits`."""

    options: opt.Linear

    def __init__(self, options: opt.Linear, setup: Any, observation_size: int, action_size: int) -> None:
        super().__init__(options, setup, observation_size, action_size)
        gait = GAITS[options.gait]
        sizes = len(gait.offset), len(gait.bias)
        if sizes != (observation_size, action_size):
            raise ConfigError(
                f"`gait` {options.gait!r} turns {sizes[0]} observations into {sizes[1]} actions, and here are "
                f"{observation_size} and {action_size}: choose another player (`heatbath list agents`), such as "
                "qarl.random, or let qarl.cross-entropy practise"
            )
        self.weights, self.bias = torch.tensor(gait.weights), torch.tensor(gait.bias)
        self.offset, self.scale = torch.tensor(gait.offset), torch.tensor(gait.scale)

    def act(self, observation: Tensor, state: Any, generator: Generator) -> tuple[Tensor, Any]:
        return torch.tanh((observation - self.offset) / self.scale @ self.weights + self.bias), state


@dataclass(frozen=True, slots=True)
class _Trying:
    """Of each simulation: which candidate plays, what it earned, whether its episode is over; and the steps so far."""

    candidate: Tensor
    earned: Tensor
    over: Tensor
    step: int = 0


class _Tried:
    """Candidates that are tried in turn while it learns; the one with the largest mean return is played afterwards."""

    def __init__(self, count: int) -> None:
        self.totals, self.counts = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
        self.next = 0
        self._noted: _Trying | None = None

    @property
    def means(self) -> Tensor:
        """Mean return of each candidate, -inf where it was not tried, shape `(count,)`."""
        return torch.where(self.counts > 0, self.totals / self.counts.clamp_min(1.0), -torch.inf)

    @property
    def best(self) -> int:
        return int(self.means.argmax()) if self.counts.any() else 0

    def reset(self, mode: Phase, batch: int) -> _Trying:
        turn = (torch.arange(batch) + self.next) % len(self.counts)
        candidate = turn if mode == "train" else torch.full((batch,), self.best)
        return _Trying(candidate, torch.zeros(batch, dtype=torch.float64), torch.zeros(batch, dtype=torch.bool))

    def observe(self, transition: Transition) -> _Trying:
        state: _Trying = transition.state
        earned = state.earned + torch.where(state.over, 0.0, transition.reward.to(state.earned))
        self._noted = replace(state, earned=earned, over=state.over | transition.terminated)
        return self._noted

    def update(self, generator: Generator) -> Mapping[str, float]:
        if (noted := self._noted) is None:
            return {}
        self.totals.index_add_(0, noted.candidate, noted.earned)
        self.counts.index_add_(0, noted.candidate, torch.ones_like(noted.earned))
        self.next = (self.next + len(noted.candidate)) % len(self.counts)
        self._noted = None
        return {"return": float(noted.earned.mean()), "return_best": float(self.means.max())}

    def state_dict(self) -> dict[str, Any]:
        return {"totals": self.totals.clone(), "counts": self.counts.clone(), "next": self.next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.totals, self.counts, self.next = state["totals"].clone(), state["counts"].clone(), state["next"]


class Constant(_Tried):
    """One action at all times: that of `direction`, or the best of `directions`, tried while it learns."""

    def __init__(self, options: opt.Constant, setup: Any, observation_size: int, action_size: int) -> None:
        given = options.direction
        self.pushes = one_direction(given, action_size) if given else directions(action_size)
        super().__init__(len(self.pushes))

    def act(self, observation: Tensor, state: _Trying, generator: Generator) -> tuple[Tensor, _Trying]:
        return self.pushes[state.candidate], state


class BangBang(_Tried):
    """u for half a period, -u for the other: of one `direction` and period, or the best of all that are tried."""

    def __init__(self, options: opt.BangBang, setup: Any, observation_size: int, action_size: int) -> None:
        given = options.direction
        pushes = one_direction(given, action_size) if given else directions(action_size)
        self.pushes = pushes.repeat(len(options.periods), 1)
        self.halves = torch.tensor(options.periods).repeat_interleave(len(pushes)) / 2.0
        super().__init__(len(self.pushes))

    def act(self, observation: Tensor, state: _Trying, generator: Generator) -> tuple[Tensor, _Trying]:
        switched = (state.step // self.halves[state.candidate]) % 2 == 1
        push = self.pushes[state.candidate]
        return torch.where(switched[:, None], -push, push), replace(state, step=state.step + 1)
