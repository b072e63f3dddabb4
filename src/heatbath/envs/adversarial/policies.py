"""Whatever plays one side of a fixed face: a function, a model of stable-baselines3, an `Agent` of heatbath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Space

from heatbath.core.contracts import Agent
from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.moves import checked


class Player(Protocol):
    """One side of a game in play."""

    def begin(self, seed: int | None) -> None:
        """A new episode; with a seed, its random draws begin anew."""

    def move(self, observation: Any) -> Any:
        """Its move, in its space."""


def player_of(policy: Any, role: str, observations: Space[Any], moves: Space[Any]) -> Player:
    """A player of that role.

    Args:
        policy: a function of an observation; what has `predict(observation, state, episode_start, deterministic)` as
            models of stable-baselines3 do, played deterministically; or an `Agent`, played in the mode `evaluate`.
        role: `protagonist` or `adversary`.
        observations: of the game.
        moves: of the role.

    Raises:
        InvalidInput: for what is none of these, or a model that was made for other spaces.
    """
    if hasattr(policy, "predict"):
        _fits(policy, role, observation_space=observations, action_space=moves)
        return _Predicting(policy, role, moves)
    if isinstance(policy, Agent):
        return _Acting(policy, role, moves)
    if callable(policy):
        return _Called(policy, role, moves)
    raise InvalidInput(
        f"the {role} must be a function of an observation, a model with `predict`, or an Agent, got "
        f"{type(policy).__name__}"
    )


def _fits(policy: Any, role: str, **spaces: Space[Any]) -> None:
    for name, space in spaces.items():
        its = getattr(policy, name, None)
        if isinstance(its, Space) and (type(its) is not type(space) or its.shape != space.shape):
            raise InvalidInput(f"the {role}'s model was made for the {name} {its}, this game's is {space}")


class _Called:
    def __init__(self, policy: Callable[[Any], Any], role: str, moves: Space[Any]) -> None:
        self._policy, self._role, self._moves = policy, role, moves

    def begin(self, seed: int | None) -> None:
        """A function has no state of which we know."""

    def move(self, observation: Any) -> Any:
        return checked(self._role, self._policy(observation), self._moves)


class _Predicting:
    """A model of stable-baselines3, recurrent ones too."""

    def __init__(self, model: Any, role: str, moves: Space[Any]) -> None:
        self._model, self._role, self._moves = model, role, moves
        self._state: Any = None
        self._first = True

    def begin(self, seed: int | None) -> None:
        self._state, self._first = None, True

    def move(self, observation: Any) -> Any:
        start = np.array([self._first])
        move, self._state = self._model.predict(observation, self._state, start, deterministic=True)
        self._first = False
        return checked(self._role, move, self._moves)


class _Acting:
    """An agent, to whom one environment is a batch of one."""

    def __init__(self, agent: Agent, role: str, moves: Space[Any]) -> None:
        self._agent, self._role, self._moves = agent, role, moves
        self._generator = torch.Generator()
        self._generator.seed()
        self._state: Any = None

    def begin(self, seed: int | None) -> None:
        if seed is not None:
            self._generator.manual_seed(seed)
        self._state = self._agent.reset("evaluate", 1)

    def move(self, observation: Any) -> Any:
        seen = torch.as_tensor(observation, dtype=torch.get_default_dtype()).unsqueeze(0)
        with torch.no_grad():
            action, self._state = self._agent.act(seen, self._state, self._generator)
        return checked(self._role, np.asarray(action)[0], self._moves)
