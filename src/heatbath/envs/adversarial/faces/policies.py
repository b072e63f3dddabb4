"""Whatever plays one side of a fixed face: a function, a model of stable-baselines3, an `Agent` of heatbath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Space
from gymnasium.vector.utils import batch_space

from heatbath.core.contracts import Agent
from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.moves import checked
from heatbath.envs.adversarial.game import Flags


class Player(Protocol):
    """One side of a game in play, of one simulation or of many at once."""

    def begin(self, seed: int | None) -> None:
        """New episodes everywhere; with a seed, its random draws begin anew."""

    def move(self, observation: Any, starts: Flags) -> Any:
        """Its move, in its space; `starts` says which episodes are at their first step, shape `(N,)`."""


def player_of(policy: Any, role: str, observations: Space[Any], moves: Space[Any], count: int | None = None) -> Player:
    """A player of that role.

    Args:
        policy: a function of an observation; what has `predict(observation, state, episode_start, deterministic)` as
            models of stable-baselines3 do, played deterministically; or an `Agent`, played in the mode `evaluate`.
        role: `protagonist` or `adversary`.
        observations: of one simulation.
        moves: of the role in one simulation.
        count: N simulations, whose observations and moves have a leading axis; None for one, without that axis.

    Raises:
        InvalidInput: for what is none of these, or a model that was made for other spaces.
    """
    played = moves if count is None else batch_space(moves, count)
    if hasattr(policy, "predict"):
        _fits(policy, role, observation_space=observations, action_space=moves)
        return _Predicting(policy, role, played)
    if isinstance(policy, Agent):
        return _Acting(policy, role, played, count)
    if callable(policy):
        return _Called(policy, role, played)
    raise InvalidInput(
        f"the {role} must be a function of an observation, a model with `predict`, or an Agent, got "
        f"{type(policy).__name__}"
    )


def _fits(policy: Any, role: str, **spaces: Space[Any]) -> None:
    for name, space in spaces.items():
        its = getattr(policy, name, None)
        if isinstance(its, Space) and not _alike(its, space):
            raise InvalidInput(f"the {role}'s model was made for the {name} {its}, this game's is {space}")


def _alike(one: Space[Any], other: Space[Any]) -> bool:
    """Whether spaces are equal but for the floating type of their numbers, which a model converts."""
    if isinstance(one, Box) and isinstance(other, Box):
        same = one.shape == other.shape
        return same and np.allclose(one.low, other.low) and np.allclose(one.high, other.high)
    if isinstance(one, Dict) and isinstance(other, Dict):
        return set(one) == set(other) and all(_alike(one[name], other[name]) for name in one)
    return one == other


class _Called:
    def __init__(self, policy: Callable[[Any], Any], role: str, moves: Space[Any]) -> None:
        self._policy, self._role, self._moves = policy, role, moves

    def begin(self, seed: int | None) -> None:
        """A function has no state of which we know."""

    def move(self, observation: Any, starts: Flags) -> Any:
        return checked(self._role, self._policy(observation), self._moves)


class _Predicting:
    """A model of stable-baselines3, recurrent ones too."""

    def __init__(self, model: Any, role: str, moves: Space[Any]) -> None:
        self._model, self._role, self._moves = model, role, moves
        self._state: Any = None

    def begin(self, seed: int | None) -> None:
        self._state = None

    def move(self, observation: Any, starts: Flags) -> Any:
        move, self._state = self._model.predict(observation, self._state, starts, deterministic=True)
        return checked(self._role, move, self._moves)


class _Acting:
    """An agent, to whom one simulation is a batch of one."""

    def __init__(self, agent: Agent, role: str, moves: Space[Any], count: int | None) -> None:
        self._agent, self._role, self._moves, self._count = agent, role, moves, count
        self._generator = torch.Generator()
        self._generator.seed()
        self._state: Any = None

    def begin(self, seed: int | None) -> None:
        if seed is not None:
            self._generator.manual_seed(seed)
        self._state = self._agent.reset("evaluate", self._count or 1)

    def move(self, observation: Any, starts: Flags) -> Any:
        if self._count is not None and self._state is not None and starts.any():
            if not starts.all():
                raise InvalidInput(
                    f"the {self._role} keeps a state through an episode, and episodes of a batch do not begin "
                    "together; such an agent plays one simulation at a time"
                )
            self._state = self._agent.reset("evaluate", self._count)
        seen = torch.as_tensor(observation, dtype=torch.get_default_dtype())
        with torch.no_grad():
            actions, self._state = self._agent.act(
                seen.unsqueeze(0) if self._count is None else seen, self._state, self._generator
            )
        numbers = np.asarray(actions)
        return checked(self._role, numbers[0] if self._count is None else numbers, self._moves)
