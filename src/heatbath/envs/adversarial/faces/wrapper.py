"""Any environment of gymnasium with an adversary beside its protagonist."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs

from heatbath.core.errors import InvalidInput, NotFinite
from heatbath.envs.adversarial.breakdown import broke_down, finite, without_log
from heatbath.envs.adversarial.faces.disturbances import bound
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PROTAGONIST, NotBegun, apart, both, checked, numeric
from heatbath.envs.adversarial.failures import Failures


class AdversarialWrapper(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """An environment whose action is a Dict of both players' moves, made at once. The reward is the protagonist's.

    The adversary's move is clipped to its space. The protagonist's goes to the environment as it is, unless the
    disturbance acts on it, so that with no force an episode has the bits of the environment's own.

    A step that breaks down (what it says is not finite, or MuJoCo put its state back to the start, which gymnasium does
    not say) truncates the episode, with reward 0 and the last observation that was finite. `info["failed"]` says so at
    every step.

    Args:
        env: the protagonist's environment.
        disturbance: a `ForceField` on an environment of MuJoCo, `ActionMixing`, `ActionReplacement`, or what keeps the
            protocol `Disturbance`.
        failure_rate: share of the last 1000 steps that may break down.

    Attributes:
        failures: those so far, `failures.total`.

    Raises:
        InvalidInput: for an environment that has two players already, a disturbance that is none of this one, or a rate
            outside [0, 1].

    >>> from heatbath.envs.adversarial.faces.disturbances import ActionMixing
    >>> env = AdversarialWrapper(gymnasium.make("Pendulum-v1"), ActionMixing(0.1))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, *_ = env.step({"protagonist": [0.5], "adversary": [-1.0]})
    """

    tells_failures = True

    def __init__(self, env: gymnasium.Env[Any, Any], disturbance: Any, *, failure_rate: float = 0.05) -> None:
        RecordConstructorArgs.__init__(self, disturbance=disturbance, failure_rate=failure_rate)
        if not isinstance(env, gymnasium.Env):
            raise InvalidInput(f"expected an environment of gymnasium, got {type(env).__name__}")
        gymnasium.Wrapper.__init__(self, env)
        if isinstance(env.action_space, gymnasium.spaces.Dict) and ADVERSARY in env.action_space.spaces:
            raise InvalidInput(f"{env} has an adversary already")
        self.disturbance = bound(disturbance, env)
        self._begin = getattr(self.disturbance, "reset", None)
        self.action_space = both(env.action_space, self.disturbance.space)
        self.failures = Failures(str(env), 1, failure_rate)
        self._last: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Raises:
            NotFinite: where it begins with what is not finite.
        """
        if self._begin is not None:
            self._begin(self.env, seed)
        with without_log(self.env):
            observation, info = self.env.reset(seed=seed, options=options)
        if not finite(observation):
            raise NotFinite(f"{self.env} begins with an observation that is not finite: {observation}")
        self._last = deepcopy(observation)  # the learner may write into its own
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Both moves.

        Raises:
            InvalidInput: for a move that lacks a part, has another shape, or is not finite; before the first reset.
            NotFinite: when more steps broke down than `failure_rate` allows.
        """
        if self._last is None:
            raise NotBegun
        own, other = apart(action)
        if isinstance(self.env.action_space, Box):
            numeric(PROTAGONIST, own, self.env.action_space.shape)
        move = checked(ADVERSARY, other, self.disturbance.space)
        disturbed = self.disturbance.apply(self.env, own, move)
        with without_log(self.env):
            observation, reward, terminated, truncated, info = self.env.step(disturbed)
        failed = broke_down(self.env, observation, reward, info)
        self.failures.count(np.array([failed]))
        if failed:
            observation, reward, terminated, truncated = deepcopy(self._last), 0.0, False, True
        else:
            self._last = deepcopy(observation)
        return observation, reward, terminated, truncated, {**info, "failed": failed}
