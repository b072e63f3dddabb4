"""The measures as components: what they need of an evaluation, and their options.

They take any model: a module or a callable on states `(batch, dim)`. Where states are not observations, `prediction`
and `target` are observed and `solution:states` are states; see `measures.latent`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import StepContext
from heatbath.plugins.gtf import measures
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.measures import jacobian_of

__all__ = [
    "KaplanYorkeDimension",
    "LargestLyapunovExponent",
    "LyapunovSpectrum",
    "MixtureDivergence",
    "PredictionError",
    "SpectrumDistance",
    "StateSpaceDivergence",
    "jacobian_of",
]


FEW = 4
"""With this many times more dimensions than exponents, directions are carried along without Jacobians."""


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
        return _mean(self._values)

    def measure(self, context: StepContext) -> list[float]:
        """A value for each sequence of the context."""
        raise NotImplementedError


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


# Of two series


class StateSpaceDivergence(_Mean):
    """D_stsp by bins of `prediction`, a free run, beside `target`; both `(batch, time, dim)`."""

    needs = frozenset({"prediction", "target"})
    options: opt.StateSpaceDivergence

    def measure(self, context: StepContext) -> list[float]:
        how = self.options
        pairs = zip(context["target"], context["prediction"], strict=True)
        return [
            measures.state_space_divergence(t, p, how.bins, how.margin, how.pseudocount, how.extent) for t, p in pairs
        ]


class MixtureDivergence(_Mean):
    """D_stsp by Gaussian mixtures of `prediction`, a free run, beside `target`; both `(batch, time, dim)`.

    The samples are the same at every evaluation, so that a change is the model's.
    """

    needs = frozenset({"prediction", "target"})
    options: opt.MixtureDivergence

    def measure(self, context: StepContext) -> list[float]:
        how, found = self.options, []
        for true, generated in zip(context["target"], context["prediction"], strict=True):
            generator = torch.Generator().manual_seed(how.sample_seed)
            found.append(
                measures.mixture_divergence(
                    true, generated, generator, how.variance, how.points, how.samples, how.underflow
                )
            )
        return found


class SpectrumDistance(_Mean):
    """D_H of `prediction`, a free run, beside `target`; both `(batch, time, dim)`."""

    needs = frozenset({"prediction", "target"})
    options: opt.SpectrumDistance

    def measure(self, context: StepContext) -> list[float]:
        pairs = zip(context["target"], context["prediction"], strict=True)
        return [measures.spectrum_distance(t, p, self.options.smoothing) for t, p in pairs]


# Of a model


class PredictionError(_Mean):
    """PE(n) of `model` from every point of `target`, `(batch, time, dim)`."""

    needs = frozenset({"model", "target"})
    options: opt.PredictionError

    @property
    def shortest(self) -> int:
        """Points that `target` must have: one to begin at, and those of a forecast."""
        return self.options.steps + 1

    def measure(self, context: StepContext) -> list[float]:
        return [measures.prediction_error(context["model"], t, self.options.steps) for t in context["target"]]


class _Exponents(_Mean):
    """Exponents of `model` per unit of time, along the free run `solution:states`, `(batch, time, dim)`."""

    needs = frozenset({"model", "solution:states", "fact:time_step"})
    options: opt.LyapunovOptions

    def spectra(self, context: StepContext, count: int | None) -> list[Tensor]:
        """Exponents along each sequence, shape `(count,)`."""
        how, model = self.options, context["model"]
        jacobian, found = jacobian_of(model), []
        for states in context["solution:states"]:
            orbit = segments(model, states, how.segments, how.transient + how.steps)
            few = count is not None and FEW * count <= orbit.shape[-1]
            tangent = measures.tangent_of(model) if few else None
            spectrum = measures.orbit_spectrum(jacobian, orbit, how.transient, how.every, count, tangent)
            found.append(spectrum / context["fact:time_step"])
        return found


class LargestLyapunovExponent(_Exponents):
    """The largest Lyapunov exponent of `model` per unit of time."""

    def measure(self, context: StepContext) -> list[float]:
        return [float(spectrum[0]) for spectrum in self.spectra(context, 1)]


class LyapunovSpectrum(_Exponents):
    """The largest exponents of `model` per unit of time, by their number: `1`, `2`, ..."""

    options: opt.LyapunovSpectrum

    def reset(self) -> None:
        self._spectra: list[list[float]] = []

    def update(self, context: StepContext) -> None:
        self._spectra += [spectrum.tolist() for spectrum in self.spectra(context, self.options.count)]

    def compute(self) -> Mapping[str, float]:  # type: ignore[override]
        columns = zip(*self._spectra, strict=True)
        return {str(number): _mean(list(column)) for number, column in enumerate(columns, 1)}


class KaplanYorkeDimension(_Exponents):
    """Dimension of the attractor of `model`, from all its exponents."""

    def measure(self, context: StepContext) -> list[float]:
        return [measures.kaplan_yorke_dimension(spectrum) for spectrum in self.spectra(context, None)]


def segments(model: Callable[[Tensor], Tensor], states: Tensor, count: int, length: int) -> Tensor:
    """Equally spaced pieces of a free run; where it is shorter than a piece, they are stepped on from equal spaces.

    Args:
        model: what made the run.
        states: shape `(time, dim)`.
        count: how many.
        length: of each.

    Returns:
        Shape `(length, count, dim)`.
    """
    if states.dim() != 2:
        raise measures.SeriesError(
            f"`solution:states` must have axes (batch, time, dim), got entries of shape {tuple(states.shape)}"
        )
    spare = len(states) - length
    picked = torch.linspace(0, max(spare, len(states) - 1 if spare < 0 else 0), count, device=states.device).long()
    if spare >= 0:
        return states[picked + torch.arange(length, device=states.device).unsqueeze(1)]
    z, orbit = states[picked], []
    for _ in range(length):
        orbit.append(z)
        z = model(z)
    return torch.stack(orbit)
