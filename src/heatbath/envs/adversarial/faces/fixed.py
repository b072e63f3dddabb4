"""A two-player environment with one player fixed: an ordinary environment for the other, whatever trains it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PROTAGONIST, NotBegun, part_of
from heatbath.envs.adversarial.faces.policies import player_of
from heatbath.envs.adversarial.faces.single import SingleGame
from heatbath.envs.adversarial.game import BatchGame


def environment_of(game: Any) -> gymnasium.Env[Any, Any]:
    """An environment as it is; a game of one simulation behind its face.

    Raises:
        InvalidInput: for what is neither, or a game of several simulations.
    """
    if isinstance(game, gymnasium.Env):
        return game
    if isinstance(game, gymnasium.vector.VectorEnv) or not hasattr(game, "protagonist_space"):
        raise InvalidInput(f"expected an environment of gymnasium or a BatchGame, got {type(game).__name__}")
    single: BatchGame = game
    return SingleGame(single)


class _Fixed(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """One player moves by its policy, from the same observation as the other, whose move it does not see."""

    learner: str
    opponent: str

    def __init__(self, env: Any, policy: Any) -> None:
        RecordConstructorArgs.__init__(self, policy=policy, _disable_deepcopy=True)
        env = environment_of(env)
        gymnasium.Wrapper.__init__(self, env)
        self.action_space = part_of(env.action_space, self.learner)
        opponent = part_of(env.action_space, self.opponent)
        self._player = player_of(policy, self.opponent, env.observation_space, opponent)
        self._observation: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._player.begin(seed)
        self._starts = np.array([True])
        self._observation = deepcopy(observation)  # the learner may write into its own
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if self._observation is None:
            raise NotBegun
        move = self._player.move(self._observation, self._starts)
        self._starts = np.array([False])
        observation, reward, terminated, truncated, info = self.env.step({self.learner: action, self.opponent: move})
        self._observation = deepcopy(observation)
        return observation, reward, terminated, truncated, info


class FixedAdversary(_Fixed):
    """The protagonist's view of a game against a given adversary: its actions, its reward.

    Args:
        env: an environment with moves of both players, or a `BatchGame` of one simulation.
        policy: the adversary: a function of an observation, a model of stable-baselines3, an `Agent`.

    Raises:
        InvalidInput: for an environment of one player, a policy that is none, or one of other spaces; in play, for a
            move of another shape or that is not finite.

    >>> from heatbath.envs.adversarial.faces.disturbances import ActionMixing
    >>> from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
    >>> game = AdversarialWrapper(gymnasium.make("Pendulum-v1"), ActionMixing(0.1))
    >>> FixedAdversary(game, lambda observation: [1.0]).action_space
    Box(-2.0, 2.0, (1,), float32)
    """

    learner, opponent = PROTAGONIST, ADVERSARY


class FixedProtagonist(_Fixed):
    """The adversary's view of a game against a given protagonist: its actions, and the protagonist's loss as reward.

    Args:
        env: an environment with moves of both players, or a `BatchGame` of one simulation.
        policy: the protagonist: a function of an observation, a model of stable-baselines3, an `Agent`.

    Raises:
        InvalidInput: as for `FixedAdversary`.
    """

    learner, opponent = ADVERSARY, PROTAGONIST

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, -reward, terminated, truncated, info
