"""The measures as components: what they need of an evaluation, and their options."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from heatbath.core.contracts import StepContext
from heatbath.plugins.gtf import measures
from heatbath.plugins.gtf import options as opt


class _Mean:
    """The mean over the sequences of all contexts that were seen."""

    needs: frozenset[str]

    def __init__(self, options: Any, setup: Any) -> None:
        self.options = options
        self.reset()

    def reset(self) -> None:
        self._values: list[float] = []

    def update(self, context: StepContext) -> None:
        self._values += self.measure(context)

    def compute(self) -> float:
        return math.fsum(self._values) / len(self._values) if self._values else math.nan

    def measure(self, context: StepContext) -> list[float]:
        raise NotImplementedError


class StateSpaceDivergence(_Mean):
    """D_stsp of `prediction`, a free run, beside `target`; both `(batch, time, dim)`."""

    needs = frozenset({"prediction", "target"})
    options: opt.StateSpaceDivergence

    def measure(self, context: StepContext) -> list[float]:
        how = self.options
        pairs = zip(context["target"], context["prediction"], strict=True)
        return [measures.state_space_divergence(t, p, how.bins, how.margin, how.pseudocount) for t, p in pairs]


class SpectrumDistance(_Mean):
    """D_H of `prediction`, a free run, beside `target`; both `(batch, time, dim)`."""

    needs = frozenset({"prediction", "target"})
    options: opt.SpectrumDistance

    def measure(self, context: StepContext) -> list[float]:
        pairs = zip(context["target"], context["prediction"], strict=True)
        return [measures.spectrum_distance(t, p, self.options.smoothing) for t, p in pairs]


class PredictionError(_Mean):
    """PE(n) of `model` from every point of `target`, `(batch, time, dim)`."""

    needs = frozenset({"model", "target"})
    options: opt.PredictionError

    def measure(self, context: StepContext) -> list[float]:
        return [measures.prediction_error(context["model"], t, self.options.steps) for t in context["target"]]


class LargestLyapunovExponent(_Mean):
    """Largest exponent of `model` per unit of time, along the free run `solution:states`, `(batch, time, dim)`."""

    needs = frozenset({"model", "solution:states", "fact:time_step"})
    options: opt.LargestLyapunovExponent

    def measure(self, context: StepContext) -> list[float]:
        how, model = self.options, context["model"]
        found = []
        for states in context["solution:states"]:
            picked = torch.linspace(0, len(states) - 1, how.segments, device=states.device).long()
            spectrum = measures.lyapunov_spectrum(model, jacobian_of(model), states[picked], how.steps, how.transient)
            found.append(float(spectrum[0]) / context["fact:time_step"])
        return found


def jacobian_of(model: Any) -> Callable[[Tensor], Tensor]:
    """A model's own `jacobian`, else one by automatic differentiation; states `(batch, dim)`."""
    if hasattr(model, "jacobian"):
        return model.jacobian  # type: ignore[no-any-return]
    return vmap(jacrev(lambda z: model(z.unsqueeze(0)).squeeze(0)))
