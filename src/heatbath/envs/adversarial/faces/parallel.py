"""A two-player simulation as a parallel environment of PettingZoo."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
from pettingzoo import ParallelEnv  # type: ignore[import-untyped]

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.fixed import environment_of
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PLAYERS, PROTAGONIST, part_of


def to_parallel_env(game: Any) -> ParallelGame:
    """The agents `protagonist` and `adversary`, who see the same and whose rewards sum to zero.

    Args:
        game: an environment with moves of both players, or a `BatchGame` of one simulation.

    Raises:
        InvalidInput: for what is neither, or an environment of one player.

    >>> from heatbath.envs.adversarial.faces.disturbances import ActionMixing
    >>> from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
    >>> env = to_parallel_env(AdversarialWrapper(gymnasium.make("Pendulum-v1"), ActionMixing(0.1)))
    >>> observations, infos = env.reset(seed=0)
    >>> sorted(observations)
    ['adversary', 'protagonist']
    """
    return ParallelGame(environment_of(game))


class ParallelGame(ParallelEnv[str, Any, Any]):  # type: ignore[misc]
    """See `to_parallel_env`."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self.env = env
        self.possible_agents = list(PLAYERS)
        self.agents: list[str] = []
        self.action_spaces = {player: part_of(env.action_space, player) for player in PLAYERS}
        self.observation_spaces = dict.fromkeys(PLAYERS, env.observation_space)
        self.metadata = {**env.metadata, "name": "two_player_v0", "is_parallelizable": True}
        self.render_mode = env.render_mode
        self._observation: Any = None

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation = observation
        self.agents = list(PLAYERS)
        return self._to_each(observation), self._to_each(info)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Both moves.

        Raises:
            InvalidInput: for actions without both players', or when the episode is over.
        """
        if not self.agents:
            raise InvalidInput("the episode is over, or none has begun: `reset` comes before this `step`")
        observation, reward, terminated, truncated, info = self.env.step(actions)
        self._observation = observation
        if terminated or truncated:
            self.agents = []
        return (
            self._to_each(observation),
            {PROTAGONIST: float(reward), ADVERSARY: -float(reward)},
            dict.fromkeys(PLAYERS, bool(terminated)),
            dict.fromkeys(PLAYERS, bool(truncated)),
            self._to_each(info),
        )

    def _to_each(self, what: Any) -> dict[str, Any]:
        """A copy for each, since either may write into its own."""
        return {player: deepcopy(what) for player in PLAYERS}

    def render(self) -> Any:
        return self.env.render()

    def state(self) -> Any:
        """What both see, which is all that is seen."""
        return deepcopy(self._observation)

    def close(self) -> None:
        self.env.close()
