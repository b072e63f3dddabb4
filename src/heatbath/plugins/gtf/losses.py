"""Regularisers of recurrent models."""

from __future__ import annotations

from typing import Any

import torch

from heatbath.core.contracts import StepContext, Term
from heatbath.core.errors import ConfigError


class L2:
    """Sum of squared weights; a model may say what that is by `squared_weights()`, as the PLRNNs do."""

    needs = frozenset({"model"})
    reduced = True

    def __init__(self, options: None, setup: Any) -> None: ...

    def __call__(self, context: StepContext) -> Term:
        model = context["model"]
        if hasattr(model, "squared_weights"):
            return Term(model.squared_weights())
        return Term(torch.stack([parameter.square().sum() for parameter in model.parameters()]).sum())


class ObservationCondition:
    """(1 - sigma_max / sigma_min)^2 of the readout B, whose pseudo-inverse the forcing signals come from.

    Raises:
        ConfigError: for an observation without a readout, such as the identity.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023.
    """

    needs = frozenset({"model"})
    reduced = True

    def __init__(self, options: None, setup: Any) -> None: ...

    def __call__(self, context: StepContext) -> Term:
        observation: Any = getattr(context["model"], "observation", None)
        if not hasattr(observation, "condition_penalty"):
            raise ConfigError(
                "the loss `gtf.observation` needs an observation with a readout, such as --observation affine"
            )
        return Term(observation.condition_penalty())
