"""Copies of any environment of gymnasium as one batch of two-player simulations, stepped one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.spaces.utils import flatten, flatten_space

from heatbath.core.errors import InvalidInput, NotFinite
from heatbath.envs.adversarial.breakdown import broke_down, without_log
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PLAYERS, PROTAGONIST, numeric, part_of
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
from heatbath.envs.adversarial.failures import Failures
from heatbath.envs.adversarial.game import Array, Flags, Outcome, flags


class GymnasiumGame:
    """N copies of an environment of gymnasium, a `BatchGame`.

    Observations of any space that gymnasium can flatten become vectors of float64. Both players move in Boxes, whose
    shapes are flattened too; the adversary's is [-1, 1]^l, which is scaled to the Box that it has in the environment,
    unless that is [-1, 1]^l or [0, 1]^l itself. An environment's own time limit is kept.

    Args:
        make: an id that gymnasium knows, or a function that gives a new environment at each call.
        num_envs: N, at least 1.
        disturbance: what the adversary does, as for `AdversarialWrapper`; None for environments that have two players.
        time_limit: steps after which an episode is truncated, at least 1; the environment's own where None.
        failure_rate: share of the last 1000 steps that may end in what is not finite.
        render_mode: handed to `gymnasium.make`; with `rgb_array`, the game draws itself.

    Raises:
        InvalidInput: for N or a time limit below 1, a rate outside [0, 1], an id that gymnasium does not know, copies
            that differ, a space that is not a Box or cannot be made one, an adversary without bounds.

    >>> from heatbath.envs.adversarial.faces.disturbances import ActionMixing
    >>> game = GymnasiumGame("Pendulum-v1", 2, ActionMixing(0.1))
    >>> game.reset(seed=0).shape
    (2, 3)
    >>> outcome = game.step(np.zeros((2, 1)), np.ones((2, 1)))
    >>> outcome.ended
    array([False, False])
    """

    def __init__(
        self,
        make: str | Callable[[], gymnasium.Env[Any, Any]],
        num_envs: int,
        disturbance: Any = None,
        *,
        time_limit: int | None = None,
        failure_rate: float = 0.05,
        render_mode: str | None = None,
    ) -> None:
        for name, value in (("num_envs", num_envs), ("time_limit", time_limit)):
            if value is not None and value < 1:
                raise InvalidInput(f"`{name}` must be at least 1, got {value}")
        self.num_envs = num_envs
        maker = partial(_made, make, disturbance, time_limit, render_mode)
        self._envs = [maker() for _ in range(num_envs)]
        first = self._envs[0]
        _all_alike(self._envs)
        self._observed = first.observation_space
        self.observation_space = _vectors("observation", self._observed, np.float64)
        self._acted = (_box(PROTAGONIST, first), _box(ADVERSARY, first))
        self.protagonist_space = _vectors("action", self._acted[0], self._acted[0].dtype)
        self.adversary_space, self._centre, self._radius = _scaled(self._acted[1], first)
        self._last = np.zeros((num_envs, *self.observation_space.shape))
        if render_mode == "rgb_array":
            self.frame, self.frames_per_second = self._picture, float(first.metadata.get("render_fps", 30))
        self._name, self._begun = str(first), np.zeros(num_envs, dtype=np.bool_)
        self.failures = Failures(self._name, num_envs, failure_rate)

    def reset(self, seed: int | None = None, mask: Flags | None = None) -> Array:
        """Begin episodes, of all simulations or of those in `mask`; observations of all, `(N, d)`.

        Raises:
            InvalidInput: for a mask that is not flags of shape `(N,)`.
            NotFinite: where an episode begins with what is not finite.
        """
        for index in range(self.num_envs) if mask is None else np.flatnonzero(flags(mask, self.num_envs)).tolist():
            self._begin(index, None if seed is None else seed + index)
        return self._last.copy()

    def step(self, protagonist: Array, adversary: Array) -> Outcome:
        """Both players' moves, shapes `(N, m)` and `(N, l)`, clipped to their spaces.

        Raises:
            InvalidInput: for moves of another shape or that are not finite, and before a first reset.
            NotFinite: when more simulations broke down than `failure_rate` allows.
        """
        if not self._begun.all():
            raise InvalidInput(f"{self._name}: not all simulations were reset, call reset() before step()")
        moves = (self._to_env(protagonist, 0), self._to_env(adversary, 1))
        final, reward = np.empty_like(self._last), np.zeros(self.num_envs)
        terminated, truncated, failed = (np.zeros(self.num_envs, dtype=np.bool_) for _ in range(3))
        for index, env in enumerate(self._envs):
            move = {PROTAGONIST: moves[0][index], ADVERSARY: moves[1][index]}
            with without_log(env):
                seen, reward[index], terminated[index], truncated[index], info = env.step(move)
            final[index] = self._vector(seen)
            failed[index] = broke_down(env, seen, reward[index], info)
            if failed[index]:
                final[index], reward[index], terminated[index], truncated[index] = self._last[index], 0.0, False, True
            if terminated[index] or truncated[index]:
                self._begin(index, None)
            else:
                self._last[index] = final[index]
        self.failures.count(failed)
        return Outcome(self._last.copy(), reward, terminated, truncated, final, failed)

    def _begin(self, index: int, seed: int | None) -> None:
        with without_log(self._envs[index]):
            seen = self._vector(self._envs[index].reset(seed=seed)[0])
        if not np.isfinite(seen).all():
            raise NotFinite(f"simulation {index} of {self._envs[index]} begins with an observation that is not finite")
        self._last[index], self._begun[index] = seen, True

    def _vector(self, observation: Any) -> Array:
        if isinstance(self._observed, Box):
            return np.asarray(observation, dtype=np.float64).reshape(-1)
        return np.asarray(flatten(self._observed, observation), dtype=np.float64)

    def _to_env(self, moves: Array, player: int) -> Array:
        """Clipped, and in the shape and the type that the environment knows."""
        box, flat = self._acted[player], (self.protagonist_space, self.adversary_space)[player]
        numbers = np.clip(numeric(PLAYERS[player], moves, (self.num_envs, *flat.shape)), flat.low, flat.high)
        if player:
            numbers = self._centre + self._radius * numbers
        return np.clip(numbers.reshape(-1, *box.shape), box.low, box.high).astype(box.dtype)

    def _picture(self, index: int) -> Any:
        return self._envs[index].render()

    def close(self) -> None:
        for env in self._envs:
            env.close()


def _made(
    make: str | Callable[[], Any], disturbance: Any, time_limit: int | None, render_mode: str | None
) -> gymnasium.Env[Any, Any]:
    """One copy, with moves of both players."""
    if isinstance(make, str):
        try:
            env = gymnasium.make(make, time_limit, disable_env_checker=True, render_mode=render_mode)
        except gymnasium.error.UnregisteredEnv as error:
            raise InvalidInput(
                f"gymnasium knows no environment {make!r} ({error}); an environment of another package is known once "
                "that package is imported"
            ) from error
    else:
        env = make()
        if not isinstance(env, gymnasium.Env):
            raise InvalidInput(
                f"expected a function that gives an environment of gymnasium, it gave {type(env).__name__}"
            )
        env = env if time_limit is None else gymnasium.wrappers.TimeLimit(env, time_limit)
    # The game counts what fails, of all copies together.
    return env if disturbance is None else AdversarialWrapper(env, disturbance, failure_rate=1.0)


def _all_alike(envs: list[gymnasium.Env[Any, Any]]) -> None:
    for index, env in enumerate(envs):
        for name in ("observation_space", "action_space"):
            mine, its = getattr(envs[0], name), getattr(env, name)
            if mine != its:
                raise InvalidInput(f"copies must be alike: the `{name}` of copy {index} is {its}, of copy 0 {mine}")


def _box(player: str, env: gymnasium.Env[Any, Any]) -> Box:
    space = part_of(env.action_space, player)
    if not isinstance(space, Box):
        raise InvalidInput(
            f"in a batch both players move in Boxes, the {player} of {env} moves in {space}; "
            "AdversarialWrapper(env, ActionReplacement(delta)) plays games of discrete moves one at a time"
        )
    return space


def _scaled(box: Box, env: gymnasium.Env[Any, Any]) -> tuple[Box, Array, Array]:
    """The space of the adversary's moves in a batch, and the centre and the radius that take them to its Box."""
    if not np.issubdtype(box.dtype, np.floating) or not box.is_bounded():
        raise InvalidInput(
            f"the adversary of a batch moves in a bounded Box of real numbers, that of {env} in {box}; "
            "gymnasium.wrappers.RescaleAction and ClipAction give actions bounds"
        )
    flat = _vectors("action", box, box.dtype)
    if (flat.high == 1).all() and np.isin(flat.low, (-1, 0)).all():
        return flat, np.zeros(flat.shape), np.ones(flat.shape)
    low, high = flat.low.astype(np.float64), flat.high.astype(np.float64)
    return Box(-1.0, 1.0, flat.shape, np.float32), (high + low) / 2, (high - low) / 2


def _vectors(what: str, space: Space[Any], dtype: Any) -> Box:
    """The Box of a space's flattened elements."""
    flat = flatten_space(space)
    if not isinstance(flat, Box):
        raise InvalidInput(f"the {what} space {space} cannot be flattened to vectors of one length")
    return Box(flat.low.astype(dtype), flat.high.astype(dtype), dtype=dtype)
