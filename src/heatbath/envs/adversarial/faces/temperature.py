"""The adversary's temperature as a part of what both players see."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs

from heatbath.core.errors import InvalidInput

STREAM = 0x74656D70
"""Keeps the draws apart from those of an environment with the same seed."""


class TemperatureObservation(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Observations with the adversary's temperature of the episode as their last component.

    It is drawn at each reset and constant until the next. `reset(options={"temperature": 0.0})` sets that of one
    episode. `info["temperature"]` of a reset tells it too.

    Args:
        env: whose observations are vectors, with moves of one player or of both.
        temperature: a number; or a function of a numpy generator that draws one, as
            `lambda generator: generator.gamma(50, 1 / 1000)`. The generator is the wrapper's own, begun anew by a
            reset with a seed.

    Raises:
        InvalidInput: for observations that are no vectors, and temperatures that are negative or not finite.

    Reference: Reddi, Tolle, Peters, Chalvatzaki, D'Eramo, ICLR 2024: the state is augmented so.

    >>> env = TemperatureObservation(gymnasium.make("Pendulum-v1"), 0.05)
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, info["temperature"]
    ((4,), 0.05)
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], temperature: float | Callable[[np.random.Generator], float]
    ) -> None:
        RecordConstructorArgs.__init__(self, temperature=temperature, _disable_deepcopy=True)
        gymnasium.Wrapper.__init__(self, env)
        seen = env.observation_space
        if not isinstance(seen, Box) or len(seen.shape) != 1 or not np.issubdtype(seen.dtype, np.floating):
            raise InvalidInput(
                f"a temperature can be appended to vectors of real numbers only, {env} gives {seen}; "
                "gymnasium.wrappers.FlattenObservation makes vectors"
            )
        self._source = temperature if callable(temperature) else _sound(temperature)
        low, high = (np.append(*ends).astype(seen.dtype) for ends in ((seen.low, 0.0), (seen.high, np.inf)))
        self.observation_space = Box(low, high, dtype=seen.dtype.type)
        self._generator = np.random.default_rng()
        self.temperature = math.nan

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        rest = dict(options or {})
        given = rest.pop("temperature", None)
        if seed is not None:
            self._generator = np.random.default_rng([STREAM, seed])
        self.temperature = self._drawn() if given is None else _sound(given)
        observation, info = self.env.reset(seed=seed, options=rest or None)
        return self._with_temperature(observation), {**info, "temperature": self.temperature}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, *rest = self.env.step(action)
        return self._with_temperature(observation), *rest

    def _drawn(self) -> float:
        return _sound(self._source(self._generator) if callable(self._source) else self._source)

    def _with_temperature(self, observation: Any) -> Any:
        return np.append(observation, self.temperature).astype(self.observation_space.dtype)


def _sound(temperature: Any) -> float:
    try:
        number = float(temperature)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"a temperature is a number, got {temperature!r}") from error
    if not 0 <= number < math.inf:
        raise InvalidInput(f"a temperature must be at least 0 and finite, got {number}")
    return number
