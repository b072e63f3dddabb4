"""Proper scores of a predicted law, seen before or after it was conditioned."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from heatbath.core.contracts import Gaussian, StepContext, Term
from heatbath.plugins.probconserv import options as opt
from heatbath.solvers.gaussian.likelihood import crps, pointwise_log_likelihood


class _Score:
    """The mean score of the points of each field, `(batch,)`."""

    reduced = False

    def __init__(self, options: opt.Score, setup: Any) -> None:
        self.options = options
        self.needs = frozenset({"belief", "target"} | ({"constraint"} if options.conditioned else set()))

    def __call__(self, context: StepContext) -> Term:
        law: Gaussian = context["belief"]
        diagnostics = {}
        if self.options.conditioned:
            bound = context["constraint"]
            diagnostics["missing_mass"] = bound.residual(law.mean).detach().abs().mean()
            law = bound.condition(law)
        target = context["target"].flatten(1).to(law.mean.dtype)
        return Term(self.score(target, law.mean, law.marginal_variance).mean(1), diagnostics)

    def score(self, target: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        raise NotImplementedError


class NegativeLogLikelihood(_Score):
    """-log N(target; mean, variance) at each point, in nats.

    Reference:
        Hansen et al., ICML 2023, for the score; training through the conditioning as in Utkarsh et al., ICLR 2026.
    """

    def score(self, target: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return -pointwise_log_likelihood(target, mean, variance, self.options.floor)


class RankedProbability(_Score):
    """The continuous ranked probability score at each point, in the target's unit; it forgives outliers more.

    Reference:
        Gneiting, Raftery, Westveld, Goldman, Monthly Weather Review 133, 2005, equation 5.
    """

    def score(self, target: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return crps(target, mean, variance, self.options.floor)
