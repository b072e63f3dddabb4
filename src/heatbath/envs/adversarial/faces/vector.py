"""A batch of two-player simulations as a vector environment of gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from heatbath.envs.adversarial.faces.frames import Pictures
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PROTAGONIST, apart, both, numeric
from heatbath.envs.adversarial.game import Array, BatchGame, Flags, Outcome, flags


class VectorGame(VectorEnv[Array, Mapping[str, Array], Any]):
    """N simulations behind gymnasium's interface; an action is a Dict of both players' moves, `(N, m)` and `(N, l)`.

    A simulation that ended is reset in the same step (`AutoresetMode.SAME_STEP`): `observations` then begins the new
    episode, and what the step led to is in `infos["final_obs"]`, an array of N objects, None where nothing ended.
    `infos["final_info"]["failed"]` says which simulations ended because they broke down. `reset` takes the option
    `reset_mask`, flags of shape `(N,)`, as gymnasium's own vector environments do.

    Args:
        game: the simulations, which the face owns: closing it closes them.
        render_mode: `rgb_array`, of games on MuJoCo and those that draw themselves, or None.

    Raises:
        InvalidInput: for a `render_mode` that the game does not have.
    """

    def __init__(self, game: BatchGame, render_mode: str | None = None) -> None:
        self.game, self.num_envs = game, game.num_envs
        self.render_mode, self._pictures = render_mode, Pictures(game, render_mode)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, **self._pictures.metadata}
        self.single_observation_space = game.observation_space
        self.single_action_space = both(game.protagonist_space, game.adversary_space)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin episodes; with a seed, simulation i has seed + i.

        Raises:
            InvalidInput: for a `reset_mask` that is not flags of shape `(N,)`.
        """
        super().reset(seed=seed)
        mask = None if options is None else options.get("reset_mask")
        return self.game.reset(seed, None if mask is None else flags(mask, self.num_envs, "reset_mask")), {}

    def step(self, actions: Mapping[str, Array]) -> tuple[Array, Array, Flags, Flags, dict[str, Any]]:
        """Both players' moves.

        Raises:
            InvalidInput: for a move that lacks a part, has another shape, or is not finite.
        """
        own, other = apart(actions)
        moves = (self._batch(PROTAGONIST, own), self._batch(ADVERSARY, other))
        outcome = self.game.step(*moves)
        infos = _ended(outcome) if outcome.ended.any() else {}
        return outcome.observation, outcome.reward, outcome.terminated, outcome.truncated, infos

    def _batch(self, player: str, move: Any) -> Array:
        box: Box = self.single_action_space[player]  # type: ignore[index]
        return numeric(player, move, (self.num_envs, *box.shape)).astype(box.dtype, copy=False)

    def render(self) -> tuple[Any, ...] | None:
        """A picture of each simulation, where the mode is `rgb_array`."""
        if self.render_mode is None:
            return None
        return tuple(self._pictures.frame(index) for index in range(self.num_envs))

    def close_extras(self) -> None:
        self._pictures.close()
        self.game.close()


def _ended(outcome: Outcome) -> dict[str, Any]:
    """Infos of a step in which episodes ended, with the names and the form that gymnasium gives them."""
    ended = outcome.ended
    final = np.full(len(ended), None, dtype=object)
    for index in np.flatnonzero(ended):
        final[index] = outcome.final_observation[index].copy()
    about = {"failed": outcome.failed.copy(), "_failed": ended.copy()}
    return {"final_obs": final, "_final_obs": ended.copy(), "final_info": about, "_final_info": ended}
