"""One two-player simulation as an environment of gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Space

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.frames import Pictures
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PROTAGONIST, apart, both, checked
from heatbath.envs.adversarial.game import Array, BatchGame


class SingleGame(gymnasium.Env[Array, Mapping[str, Any]]):
    """A game of one simulation behind gymnasium's interface; an action is a Dict of both players' moves.

    The game begins the next episode in the step that ends one; `reset` without a seed hands that one out, so that
    episodes are those of the game whichever way it is played. `info["failed"]` says that the simulation broke down.

    Args:
        game: of one simulation, which the face owns: closing it closes the game.
        render_mode: `rgb_array`, of games on MuJoCo and those that draw themselves, or None.

    Raises:
        InvalidInput: for a game of several simulations, or a `render_mode` that it does not have.
    """

    tells_failures = True

    def __init__(self, game: BatchGame, render_mode: str | None = None) -> None:
        if game.num_envs != 1:
            raise InvalidInput(
                f"expected a game of one simulation, got one of {game.num_envs}; VectorGame is the face of many"
            )
        self.game, self.render_mode, self._pictures = game, render_mode, Pictures(game, render_mode)
        self.metadata = self._pictures.metadata
        self.observation_space: Space[Any] = game.observation_space
        self.action_space = both(game.protagonist_space, game.adversary_space)
        self._begun: Array | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        begun, self._begun = self._begun, None
        return (self.game.reset(seed)[0] if begun is None or seed is not None else begun), {}

    def step(self, action: Mapping[str, Any]) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Both moves, each clipped to its space.

        Raises:
            InvalidInput: for a move that lacks a part, has another shape, or is not finite.
        """
        own, other = apart(action)
        protagonist = checked(PROTAGONIST, own, self.game.protagonist_space)
        adversary = checked(ADVERSARY, other, self.game.adversary_space)
        outcome = self.game.step(protagonist[np.newaxis], adversary[np.newaxis])
        self._begun = outcome.observation[0] if outcome.ended[0] else None
        return (
            outcome.final_observation[0],
            float(outcome.reward[0]),
            bool(outcome.terminated[0]),
            bool(outcome.truncated[0]),
            {"failed": bool(outcome.failed[0])},
        )

    def render(self) -> Any:
        """A picture, where the mode is `rgb_array`."""
        return self._pictures.frame(0)

    def close(self) -> None:
        self._pictures.close()
        self.game.close()
