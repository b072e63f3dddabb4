"""What an adversary may do to an environment that knows of none."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from gymnasium import Env
from gymnasium.spaces import Box, Space

from heatbath.core.errors import InvalidInput


@runtime_checkable
class Disturbance(Protocol):
    """How the adversary's move meets the environment.

    One that carries something through an episode may also have `reset(env, seed)`, called before every reset of the
    environment with the seed of that reset, which may be None.

    Attributes:
        space: of the adversary's moves.
    """

    space: Space[Any]

    def apply(self, env: Env[Any, Any], action: Any, move: Any) -> Any:
        """Disturb the environment, before its step, and give the action that it is to take."""


class Unbound(Protocol):
    """A disturbance whose space depends on the environment."""

    def on(self, env: Env[Any, Any]) -> Disturbance:
        """The disturbance of this environment."""


def bound(disturbance: Any, env: Env[Any, Any]) -> Disturbance:
    """The disturbance of this environment.

    Raises:
        InvalidInput: for what is no disturbance, or none of this environment.
        ConfigError: for forces on a body that the environment's model does not have.
    """
    if isinstance(disturbance, type):
        raise InvalidInput(f"expected a disturbance, got the class {disturbance.__name__}; make one of it")
    if hasattr(disturbance, "bind"):
        disturbance = _Pushed(disturbance, env)
    elif hasattr(disturbance, "on"):
        disturbance = disturbance.on(env)
    if isinstance(disturbance, Disturbance) and isinstance(disturbance.space, Space):
        return disturbance
    raise InvalidInput(
        f"expected a disturbance, got {type(disturbance).__name__}: a ForceField, ActionMixing, ActionReplacement, "
        "or an object with a gymnasium `space` and `apply(env, action, move) -> action`"
    )


def _probability(delta: float) -> None:
    if not 0 <= delta <= 1:
        raise InvalidInput(f"`delta` must lie in [0, 1], got {delta}")


@dataclass(frozen=True)
class ActionMixing:
    """The environment takes (1 - delta) a + delta b, the noisy-action robust MDP.

    Of any environment that acts in a bounded Box. The adversary moves in [-1, 1]^l, which is scaled to that Box; the
    protagonist's action is clipped to it, or it could outbid the adversary.

    Args:
        delta: the adversary's share, in [0, 1].

    Reference: Tessler, Efroni, Mannor, ICML 2019, definition 2.

    >>> import gymnasium
    >>> mixing = ActionMixing(0.25).on(gymnasium.make("Pendulum-v1"))  # torques in [-2, 2]
    >>> mixing.apply(None, np.array([1.0], np.float32), np.array([-1.0])).item()
    0.25
    """

    delta: float

    def __post_init__(self) -> None:
        _probability(self.delta)

    def on(self, env: Env[Any, Any]) -> Disturbance:
        """Raises InvalidInput for an environment that does not act in a bounded Box of real numbers."""
        space = env.action_space
        if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating) or not space.is_bounded():
            raise InvalidInput(
                f"ActionMixing needs actions in a bounded Box of real numbers, {env} acts in {space}; "
                "ActionReplacement takes any actions"
            )
        return _Mixed(self.delta, space)


class _Pushed:
    """The forces of a `ForceField`, written into a MuJoCo environment's data before each of its steps."""

    def __init__(self, field: Any, env: Env[Any, Any]) -> None:
        inner: Any = env.unwrapped
        if not hasattr(inner, "model") or not hasattr(getattr(inner, "data", None), "xfrc_applied"):
            raise InvalidInput(
                f"{type(field).__name__} needs an environment of MuJoCo, with `model` and `data`; {env} is none; "
                "ActionMixing and ActionReplacement disturb actions"
            )
        self._forces = field.bind(inner.model)
        self.space: Space[Any] = self._forces.space

    def reset(self, env: Env[Any, Any], seed: int | None) -> None:
        # An environment's reset need not clear what it does not know of.
        _data(env).xfrc_applied[:] = 0.0

    def apply(self, env: Env[Any, Any], action: Any, move: Any) -> Any:
        data = _data(env)
        self._forces.write(move, data.qpos, data.xfrc_applied)
        return action


def _data(env: Env[Any, Any]) -> Any:
    """MuJoCo's data, of which an environment may make new ones at a reset."""
    inner: Any = env.unwrapped
    return inner.data


class _Mixed:
    def __init__(self, delta: float, actions: Box) -> None:
        self._delta, self._actions = delta, actions
        low, high = actions.low.astype(np.float64), actions.high.astype(np.float64)
        self._centre, self._radius = (high + low) / 2, (high - low) / 2
        self.space: Space[Any] = Box(-1.0, 1.0, actions.shape, np.float32)

    def apply(self, env: Env[Any, Any], action: Any, move: Any) -> Any:
        own = np.clip(np.asarray(action, np.float64), self._actions.low, self._actions.high)
        mixed = (1 - self._delta) * own + self._delta * (self._centre + self._radius * move)
        return mixed.astype(self._actions.dtype)


@dataclass(frozen=True)
class ActionReplacement:
    """With probability delta the environment takes the adversary's action, the probabilistic-action robust MDP.

    Of any environment, those of discrete actions too: the adversary's space is the protagonist's. Its draws are those
    of a stream of its own, which begins anew at a reset with a seed.

    Args:
        delta: the probability, in [0, 1].

    Reference: Tessler, Efroni, Mannor, ICML 2019, definition 1.
    """

    delta: float

    def __post_init__(self) -> None:
        _probability(self.delta)

    def on(self, env: Env[Any, Any]) -> Disturbance:
        """Of any environment."""
        return _Replaced(self.delta, env.action_space)


STREAM = 0x7265706C
"""Keeps the draws apart from those of an environment with the same seed."""


class _Replaced:
    def __init__(self, delta: float, actions: Space[Any]) -> None:
        # A space has a generator for `sample`; the players' are not to be one.
        self._delta, self.space = delta, deepcopy(actions)
        self._generator = np.random.default_rng()

    def reset(self, env: Env[Any, Any], seed: int | None) -> None:
        if seed is not None:
            self._generator = np.random.default_rng([STREAM, seed])

    def apply(self, env: Env[Any, Any], action: Any, move: Any) -> Any:
        if self._generator.random() >= self._delta:
            return action
        return np.asarray(move, self.space.dtype) if isinstance(self.space, Box) else move
