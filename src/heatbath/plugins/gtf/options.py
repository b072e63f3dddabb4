"""Options of generalized teacher forcing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from heatbath.core.choices import Pick, Slots, loss, losses, metric, metrics, pick
from heatbath.core.plan import Plan


@dataclass(frozen=True)
class ShallowPLRNN:
    """A piecewise-linear recurrent network with one hidden layer."""

    hidden: int = 100
    """units of the hidden layer"""
    clipped: bool = True
    """bound the nonlinear part by subtracting relu(W2 z)"""

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"`hidden` must be at least 1, got {self.hidden}")


@dataclass(frozen=True)
class StateSpaceDivergence:
    """Divergence of two histograms over states."""

    bins: int = 30
    """per dimension"""
    margin: float = 0.1
    """standard deviations by which the bins reach beyond the true range, of extent `default`"""
    pseudocount: float = 1e-5
    """added to the count of every bin"""
    extent: Literal["default", "legacy", "minmax", "minmax-inner"] = "default"
    """where the bins lie: over the true range and the margin; 2 standard deviations around the mean; over the true
    range; the same without the first bin of each dimension"""

    def __post_init__(self) -> None:
        if self.bins < 2 or self.margin < 0 or not self.pseudocount > 0:
            raise ValueError(
                "expected `bins` of at least 2, `margin` of at least 0 and a positive `pseudocount`, "
                f"got {self.bins}, {self.margin} and {self.pseudocount}"
            )


@dataclass(frozen=True)
class MixtureDivergence:
    """Divergence of two Gaussian mixtures over states, for many dimensions."""

    variance: float = 1.0
    """of each Gaussian; not a standard deviation"""
    points: int = 10_000
    """of each series that are centres of Gaussians, from the beginning"""
    samples: int = 1_000
    """drawn from the true mixture"""
    underflow: Literal["keep", "discard"] = "keep"
    """whether samples count whose density vanishes in single precision; `discard` as the reference code does"""
    sample_seed: int = 0
    """of the samples, the same at every evaluation"""

    def __post_init__(self) -> None:
        for name in ("variance", "points", "samples"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")


@dataclass(frozen=True)
class SpectrumDistance:
    """Distance of two power spectra."""

    smoothing: float = 20.0
    """standard deviation of the Gaussian that smooths a spectrum, in frequency bins"""

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise ValueError(f"`smoothing` must be positive, got {self.smoothing}")


@dataclass(frozen=True)
class PredictionError:
    """Forecasts from every point of the test series."""

    steps: int = 20
    """how far ahead"""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"`steps` must be at least 1, got {self.steps}")


@dataclass(frozen=True)
class LyapunovOptions:
    """QR of Jacobian products along the free run."""

    segments: int = 64
    """pieces of the free run that are followed side by side"""
    steps: int = 2000
    """steps averaged over in each"""
    transient: int = 200
    """steps before them, in which the directions align"""
    every: int = 10
    """steps between two decompositions"""

    def __post_init__(self) -> None:
        for name, low in (("segments", 1), ("steps", 1), ("transient", 0), ("every", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be at least {low}, got {getattr(self, name)}")


@dataclass(frozen=True)
class LargestLyapunovExponent(LyapunovOptions):
    """The largest exponent, by QR of Jacobian products along the free run."""


@dataclass(frozen=True)
class KaplanYorkeDimension(LyapunovOptions):
    """Dimension from all exponents, by QR of Jacobian products along the free run."""


@dataclass(frozen=True)
class LyapunovSpectrum(LyapunovOptions):
    """Exponents, by QR of Jacobian products along the free run."""

    count: int | None = None
    """how many of the largest; all if None"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count is not None and self.count < 1:
            raise ValueError(f"`count` must be at least 1, got {self.count}")


@dataclass(frozen=True)
class Reconstruction:
    """A model of a system's dynamics, from one series of it."""

    plan: ClassVar[Plan] = Plan(steps=20_000, evaluate_every=5_000, checkpoint_every=1_000)

    alpha: Pick = pick("schedules", "constant", level=0.15)
    """forcing strength in [0, 1]: 0 trains on free runs, 1 on single steps"""
    system: Pick = pick("envs", "lorenz63", problem="flow")
    """what is to be learned"""
    model: Pick = pick("models", "shallow-plrnn", problem="recurrence")
    """what learns it"""
    solver: Pick = pick("solvers", "scan", problem="recurrence")
    """how the model is stepped"""
    learning_rate: Pick = pick("schedules", "exponential", start=1e-3, end=1e-6)
    """of RAdam, set once an epoch"""
    losses: Slots = losses(fit=loss("mse"), l2=loss("gtf.l2", 1e-5))
    """what is minimised, on the predictions before forcing"""
    metrics: Slots = metrics(
        d_stsp=metric("d-stsp"),
        d_hellinger=metric("d-hellinger"),
        prediction_error_20=metric("prediction-error", steps=20),
        lyapunov_max=metric("lyapunov-max"),
    )
    """what a free run is judged by"""
    window: int = 50
    """steps forced in one sequence (T)"""
    batch: int = 16
    """sequences in one optimiser step"""
    batches_per_epoch: int = 50
    """optimiser steps between two readings of the metrics"""
    points: int = 100_000
    """length of the training series, and of the test series that a free run is held against"""
    noise: float = 0.05
    """standard deviation of the observation noise on the training series, in standard deviations of the signal"""

    def __post_init__(self) -> None:
        for name, low in (("window", 1), ("batch", 1), ("batches_per_epoch", 1), ("points", self.window + 1)):
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be at least {low}, got {getattr(self, name)}")
        if self.noise < 0:
            raise ValueError(f"`noise` must be at least 0, got {self.noise}")
