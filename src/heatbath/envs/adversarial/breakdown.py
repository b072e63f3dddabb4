"""Whether a step of an environment of gymnasium broke down, which it need not say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import gymnasium
import numpy as np

UNSTABLE = slice(3, 6)
"""Where MuJoCo counts positions, velocities and accelerations that were not finite (mjtWarning), having put the
simulation back to its start without a word to its caller. A reset clears the counts."""

TELLS = "tells_failures"
"""Attribute of those environments whose `info["failed"]` means a breakdown; others may mean anything by it."""


def broke_down(env: gymnasium.Env[Any, Any], observation: Any, reward: Any, info: Mapping[str, Any]) -> bool:
    """Whether the step that said this ended in what is not finite.

    >>> broke_down(gymnasium.make("Pendulum-v1"), np.array([0.0, np.nan]), 1.0, {})
    True
    """
    return not (finite(observation) and finite(reward)) or _told(env, info) or _reset_by_mujoco(env)


def finite(value: Any) -> bool:
    """Whether all numbers of an observation of any space are finite.

    >>> finite({"place": np.zeros(2), "rest": (3, "text")}), finite((0.0, float("inf")))
    (True, False)
    """
    if isinstance(value, Mapping):
        return all(finite(part) for part in value.values())
    if isinstance(value, tuple | list):
        return all(finite(part) for part in value)
    numbers = np.asarray(value)
    return not np.issubdtype(numbers.dtype, np.inexact) or bool(np.isfinite(numbers).all())


def _told(env: gymnasium.Env[Any, Any], info: Mapping[str, Any]) -> bool:
    return bool(info.get("failed", False)) and env.has_wrapper_attr(TELLS)


def _reset_by_mujoco(env: gymnasium.Env[Any, Any]) -> bool:
    """Whether MuJoCo found its state not finite in this episode, which the observation after its reset hides."""
    counts = _warnings(env)
    return counts is not None and bool(counts[UNSTABLE].any())


def _warnings(env: gymnasium.Env[Any, Any]) -> Any:
    """How often MuJoCo warned of what, by mjtWarning; None for an environment without MuJoCo."""
    return getattr(getattr(getattr(env.unwrapped, "data", None), "warning", None), "number", None)


def without_log(env: gymnasium.Env[Any, Any]) -> AbstractContextManager[None]:
    """No MUJOCO_LOG.TXT is left in the working directory by what the environment does in it."""
    if _warnings(env) is None:
        return nullcontext()
    # Only here: an environment without MuJoCo does not need it to be installed.
    from heatbath.envs.adversarial.simulations import no_log_file

    return no_log_file()
