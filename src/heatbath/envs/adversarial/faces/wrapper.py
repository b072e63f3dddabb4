"""Any environment of gymnasium with an adversary beside its protagonist."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.disturbances import bound
from heatbath.envs.adversarial.faces.moves import ADVERSARY, PROTAGONIST, apart, both, checked, numeric


class AdversarialWrapper(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """An environment whose action is a Dict of both players' moves, made at once. The reward is the protagonist's.

    The adversary's move is clipped to its space. The protagonist's goes to the environment as it is, unless the
    disturbance acts on it, so that with no force an episode has the bits of the environment's own.

    Args:
        env: the protagonist's environment.
        disturbance: a `ForceField` on an environment of MuJoCo, `ActionMixing`, `ActionReplacement`, or what keeps the
            protocol `Disturbance`.

    Raises:
        InvalidInput: for an environment that has two players already, or a disturbance that is none of this one.

    >>> from heatbath.envs.adversarial.faces.disturbances import ActionMixing
    >>> env = AdversarialWrapper(gymnasium.make("Pendulum-v1"), ActionMixing(0.1))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, *_ = env.step({"protagonist": [0.5], "adversary": [-1.0]})
    """

    def __init__(self, env: gymnasium.Env[Any, Any], disturbance: Any) -> None:
        RecordConstructorArgs.__init__(self, disturbance=disturbance)
        if not isinstance(env, gymnasium.Env):
            raise InvalidInput(f"expected an environment of gymnasium, got {type(env).__name__}")
        gymnasium.Wrapper.__init__(self, env)
        if isinstance(env.action_space, gymnasium.spaces.Dict) and ADVERSARY in env.action_space.spaces:
            raise InvalidInput(f"{env} has an adversary already")
        self.disturbance = bound(disturbance, env)
        self._begin = getattr(self.disturbance, "reset", None)
        self.action_space = both(env.action_space, self.disturbance.space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if self._begin is not None:
            self._begin(self.env, seed)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Both moves.

        Raises:
            InvalidInput: for a move that lacks a part, has another shape, or is not finite.
        """
        own, other = apart(action)
        if isinstance(self.env.action_space, Box):
            numeric(PROTAGONIST, own, self.env.action_space.shape)
        move = checked(ADVERSARY, other, self.disturbance.space)
        return self.env.step(self.disturbance.apply(self.env, own, move))
