"""Measures of forecasts, over all fields that were seen."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import StepContext
from heatbath.plugins.probconserv import options as opt
from heatbath.solvers.gaussian.likelihood import pointwise_log_likelihood


class _Mean:
    """The mean over fields; sums stay on the device until `compute`."""

    needs: frozenset[str]

    def __init__(self, options: Any, setup: Any) -> None:
        self.options = options
        self.reset()

    def reset(self) -> None:
        self._values: list[Tensor] = []

    def update(self, context: StepContext) -> None:
        self._values.append(self.measure(context).detach().double())

    def compute(self) -> float:
        return float(torch.cat(self._values).mean()) if self._values else math.nan

    def measure(self, context: StepContext) -> Tensor:
        """A number a field, shape `(batch,)`."""
        raise NotImplementedError


class ConservationError(_Mean):
    """max over fields of |quadrature of the mean - known mass|, in the unit of mass."""

    needs = frozenset({"belief", "constraint"})

    def measure(self, context: StepContext) -> Tensor:
        residual: Tensor = context["constraint"].residual(context["belief"].mean)
        return residual.abs().reshape(len(residual), -1).amax(1)

    def compute(self) -> float:
        return float(torch.cat(self._values).max()) if self._values else math.nan


class LogLikelihood(_Mean):
    """Mean over points of log N(target; mean, variance), in nats: the paper's LL, which sees no correlations."""

    needs = frozenset({"belief", "target"})
    options: opt.LogLikelihood

    def measure(self, context: StepContext) -> Tensor:
        law, target = context["belief"], context["target"].flatten(1)
        score = pointwise_log_likelihood(target, law.mean, law.marginal_variance, self.options.floor)
        return score.mean(1)


class MeanSquaredError(_Mean):
    """Mean over points of (mean - target)^2."""

    needs = frozenset({"belief", "target"})

    def measure(self, context: StepContext) -> Tensor:
        error: Tensor = context["belief"].mean - context["target"].flatten(1)
        return error.square().mean(1)


class Mahalanobis(_Mean):
    """Mean over points of (mean - target)^2 / variance, with the variances before conditioning.

    What conditioning cannot raise, where the target has the known mass: the mean moves to it by a projection in this
    norm. (The squared error can go up.)

    Reference:
        Hansen et al., ICML 2023, theorem 3.1.
    """

    needs = frozenset({"belief", "target", "fact:prior_variance"})

    def measure(self, context: StepContext) -> Tensor:
        error: Tensor = context["belief"].mean - context["target"].flatten(1)
        prior: Tensor = context["fact:prior_variance"]
        return (error.square() / prior).mean(1)


class Coverage(_Mean):
    """Part of the points whose target lies in the central interval of the level; right is the level itself."""

    needs = frozenset({"belief", "target"})
    options: opt.Coverage

    def measure(self, context: StepContext) -> Tensor:
        law = context["belief"]
        reach = math.sqrt(2.0) * float(torch.erfinv(torch.tensor(self.options.level, dtype=torch.float64)))
        inside: Tensor = (law.mean - context["target"].flatten(1)).abs() <= reach * law.marginal_variance.sqrt()
        return inside.double().mean(1)
