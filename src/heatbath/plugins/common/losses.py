"""Losses that belong to no method."""

from __future__ import annotations

from typing import Any

import torch

from heatbath.core.contracts import StepContext, Term


class MeanSquaredError:
    """Mean of (prediction - target)^2 over all axes but the first."""

    needs = frozenset({"prediction", "target"})
    reduced = False

    def __init__(self, options: None, setup: Any) -> None: ...

    def __call__(self, context: StepContext) -> Term:
        return Term((context["prediction"] - context["target"]).square().flatten(1).mean(1))


class CrossEntropy:
    """-sum_c target_c log softmax(prediction)_c over the last axis, in nats, mean over all others but the first."""

    needs = frozenset({"prediction", "target"})
    reduced = False

    def __init__(self, options: None, setup: Any) -> None: ...

    def __call__(self, context: StepContext) -> Term:
        nats = -(context["target"] * torch.log_softmax(context["prediction"], -1)).sum(-1)
        return Term(nats.flatten(1).mean(1) if nats.dim() > 1 else nats)
