"""Models whose state is not what is observed.

A model steps states, `model(z) -> z`. One of larger state than observation, or of another, says how they belong
together by two methods; both act on the last axis, and a model that has neither observes its state.

- `encode(x) -> z`: a state from an observation, `(..., N)` to `(..., M)`.
- `observe(z) -> x`: what is seen of a state, `(..., M)` to `(..., N)`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def encode(model: Any, observations: Tensor) -> Tensor:
    """States of the model from observations, `(..., N)` to `(..., M)`; the same tensor where it has no `encode`."""
    states: Tensor = model.encode(observations) if hasattr(model, "encode") else observations
    return states


def decode(model: Any, states: Tensor) -> Tensor:
    """Observations of states, `(..., M)` to `(..., N)`; the same tensor where the model has no `observe`."""
    seen: Tensor = model.observe(states) if hasattr(model, "observe") else states
    return seen
