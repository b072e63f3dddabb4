"""Small environments whose observations say where they come from."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from heatbath.envs.adversarial.game import Array, Flags, Outcome

LENGTH = 3


class ThreeSteps(gymnasium.Env[Any, Any]):
    """An episode is three steps long and ends in the way that is asked for; observations are (mark, step).

    The mark is drawn at the start of an episode and kept in it, so that a transition across episodes shows. The reward
    is the action.
    """

    def __init__(self, ending: str = "truncated", broken_at: int | None = None) -> None:
        self.observation_space = Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = Box(-1.0, 1.0, (1,), np.float32)
        self.ending, self.broken_at = ending, broken_at
        self.mark, self.step_number, self.taken = 0.0, 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.mark, self.step_number = float(self.np_random.random()), 0
        return self._seen(), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        assert self.step_number < LENGTH, "a step after the end of an episode"
        self.step_number += 1
        self.taken += 1
        seen = self._seen()
        if self.taken == self.broken_at:
            seen[:] = np.nan
        over = self.step_number == LENGTH
        return seen, float(action[0]), over and "terminated" in self.ending, over and "truncated" in self.ending, {}

    def _seen(self) -> Array:
        return np.array([self.mark, self.step_number], dtype=np.float64)


class Pushed:
    """A disturbance whose moves are taken off the action, one-sided."""

    def __init__(self) -> None:
        self.space = Box(0.0, 1.0, (2,), np.float64)
        self.seeds: list[int | None] = []

    def reset(self, env: Any, seed: int | None) -> None:
        self.seeds.append(seed)

    def apply(self, env: Any, action: Any, move: Any) -> Any:
        return np.asarray(action) - move.sum()


class Drift:
    """A `BatchGame` without gymnasium: N points on a line that both players push, 20 steps an episode."""

    def __init__(self, num_envs: int = 1, horizon: int = 20, edge: float = 1.5) -> None:
        self.num_envs, self.horizon, self.edge = num_envs, horizon, edge
        self.observation_space = Box(-10.0, 10.0, (2,), np.float64)
        self.protagonist_space = Box(-1.0, 1.0, (1,), np.float32)
        self.adversary_space = Box(-1.0, 1.0, (2,), np.float64)
        self.streams = [np.random.default_rng() for _ in range(num_envs)]
        self.place, self.elapsed = np.zeros(num_envs), np.zeros(num_envs, dtype=int)
        self.closed = False
        self.episodes = 0

    def reset(self, seed: int | None = None, mask: Flags | None = None) -> Array:
        which = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
        if seed is not None:
            for index in which:
                self.streams[index] = np.random.default_rng(seed + int(index))
        self._begin(which)
        return self._seen()

    def step(self, protagonist: Array, adversary: Array) -> Outcome:
        own, other = np.clip(protagonist, -1, 1)[:, 0], np.clip(adversary, -1, 1)
        self.place = self.place + 0.2 * own - 0.1 * other.sum(1)
        self.elapsed += 1
        final, reward = self._seen(), -np.abs(self.place)
        terminated, truncated = np.abs(self.place) > self.edge, self.elapsed >= self.horizon
        self._begin(np.flatnonzero(terminated | truncated))
        return Outcome(self._seen(), reward, terminated, truncated, final, np.zeros(self.num_envs, dtype=bool))

    def _begin(self, which: Any) -> None:
        for index in which:
            self.place[index], self.elapsed[index] = self.streams[index].normal(), 0
            self.episodes += 1

    def _seen(self) -> Array:
        return np.stack([self.place, self.elapsed / self.horizon], axis=1)

    def close(self) -> None:
        self.closed = True


class DrawnDrift(Drift):
    """The same, which draws itself."""

    frames_per_second = 10.0

    def frame(self, index: int) -> Any:
        picture = np.zeros((8, 16, 3), dtype=np.uint8)
        picture[4, int(np.clip(8 + 4 * self.place[index], 0, 15))] = 255
        return picture


def drift(options: Any, setup: Any = None, *, simulations: int = 1) -> Drift:
    """As a plugin would register it."""
    return Drift(simulations)
