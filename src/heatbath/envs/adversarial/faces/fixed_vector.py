"""A batch of two-player simulations with one player fixed: a vector environment for whatever trains the other."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PROTAGONIST, NotBegun, part_of
from heatbath.envs.adversarial.faces.policies import player_of
from heatbath.envs.adversarial.faces.vector import VectorGame
from heatbath.envs.adversarial.game import Array


def _vector_of(game: Any) -> VectorEnv[Any, Any, Any]:
    """A vector environment as it is; a game behind its face."""
    if isinstance(game, VectorEnv):
        if game.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise InvalidInput(
                f"expected a vector environment that resets in the same step, {game} has the mode "
                f"{game.metadata.get('autoreset_mode')}; make it with autoreset_mode=AutoresetMode.SAME_STEP"
            )
        return game
    if isinstance(game, gymnasium.Env) or not hasattr(game, "protagonist_space"):
        raise InvalidInput(f"expected a vector environment of gymnasium or a BatchGame, got {type(game).__name__}")
    return VectorGame(game)


class _VectorFixed(VectorWrapper[Any, Any, Any, Any, Any]):
    learner: str
    opponent: str

    def __init__(self, env: Any, policy: Any) -> None:
        super().__init__(_vector_of(env))
        its, opponent = (part_of(self.env.single_action_space, player) for player in (self.learner, self.opponent))
        self.single_action_space, self.action_space = its, batch_space(its, self.num_envs)
        seen = self.env.single_observation_space
        self._player = player_of(policy, self.opponent, seen, opponent, self.num_envs)
        self._observation: Array | None = None
        self._starts = np.ones(self.num_envs, dtype=np.bool_)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        mask = (options or {}).get("reset_mask")
        observation, info = self.env.reset(seed=seed, options=options)
        if mask is None:
            self._player.begin(seed)
        self._starts = np.ones_like(self._starts) if mask is None else self._starts | mask
        self._observation = observation.copy()  # the learner may write into its own
        return observation, info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        if self._observation is None:
            raise NotBegun
        moves = self._player.move(self._observation, self._starts)
        observation, reward, terminated, truncated, infos = self.env.step({self.learner: actions, self.opponent: moves})
        self._observation, self._starts = observation.copy(), terminated | truncated
        return observation, reward, terminated, truncated, infos


class VectorFixedAdversary(_VectorFixed):
    """`FixedAdversary` of many simulations: the policy moves in all of them at once.

    Args:
        env: a `BatchGame`, or a vector environment with moves of both players that resets in the same step.
        policy: the adversary: a function of observations `(N, d)`, a model of stable-baselines3, or an `Agent` that
            keeps no state through an episode.

    Raises:
        InvalidInput: for another environment, a policy that is none, or one of other spaces; in play, for moves of
            another shape or that are not finite.

    >>> from heatbath.envs.adversarial.faces.disturbances import ActionMixing
    >>> from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
    >>> game = GymnasiumGame("Pendulum-v1", 4, ActionMixing(0.1))
    >>> VectorFixedAdversary(game, lambda observations: np.ones((4, 1))).action_space.shape
    (4, 1)
    """

    learner, opponent = PROTAGONIST, ADVERSARY


class VectorFixedProtagonist(_VectorFixed):
    """`FixedProtagonist` of many simulations. Arguments and errors are those of `VectorFixedAdversary`."""

    learner, opponent = ADVERSARY, PROTAGONIST

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observation, reward, terminated, truncated, infos = super().step(actions)
        return observation, -reward, terminated, truncated, infos
