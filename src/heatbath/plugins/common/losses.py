"""Losses that belong to no method."""

from __future__ import annotations

from typing import Any

from heatbath.core.contracts import StepContext, Term


class MeanSquaredError:
    """Mean of (prediction - target)^2 over all axes but the first."""

    needs = frozenset({"prediction", "target"})
    reduced = False

    def __init__(self, options: None, setup: Any) -> None: ...

    def __call__(self, context: StepContext) -> Term:
        return Term((context["prediction"] - context["target"]).square().flatten(1).mean(1))
