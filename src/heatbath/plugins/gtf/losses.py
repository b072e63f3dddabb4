"""Regularisers of recurrent models."""

from __future__ import annotations

from typing import Any

import torch

from heatbath.core.contracts import StepContext, Term


class L2:
    """Sum of squared weights; a model may say what that is by `squared_weights()`, as the shallow PLRNN does."""

    needs = frozenset({"model"})
    reduced = True

    def __init__(self, options: None, setup: Any) -> None: ...

    def __call__(self, context: StepContext) -> Term:
        model = context["model"]
        if hasattr(model, "squared_weights"):
            return Term(model.squared_weights())
        return Term(torch.stack([parameter.square().sum() for parameter in model.parameters()]).sum())
