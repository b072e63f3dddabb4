"""Options of generalized teacher forcing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from heatbath.core.choices import Pick, Slots, loss, losses, metric, metrics, pick
from heatbath.core.plan import Plan
from heatbath.core.presets import Preset
from heatbath.plugins.gtf.presets import ECG, EEG, LORENZ63


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
class PLRNN:
    """A piecewise-linear recurrent network without a hidden layer."""

    mean_centred: bool = False
    """subtract the mean over units before relu"""


@dataclass(frozen=True)
class DendriticPLRNN:
    """A piecewise-linear recurrent network whose units are sums of basis functions."""

    bases: int = 20
    """basis functions of each unit (B)"""
    clipped: bool = False
    """bound the nonlinear part by subtracting relu(z) from each of them"""

    def __post_init__(self) -> None:
        if self.bases < 1:
            raise ValueError(f"`bases` must be at least 1, got {self.bases}")


@dataclass(frozen=True)
class AlmostLinearRNN:
    """A linear recurrent network with a few units that bend."""

    bent: int = 2
    """units with a relu, the last of all (P)"""

    def __post_init__(self) -> None:
        if self.bent < 0:
            raise ValueError(f"`bent` must be at least 0, got {self.bent}")


@dataclass(frozen=True)
class GRU:
    """A gated recurrent unit, run without inputs."""

    scale: float = 5.0
    """reach of its states on either side of 0, in units of what it is forced towards"""

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"`scale` must be positive, got {self.scale}")


@dataclass(frozen=True)
class NeuralFlow:
    """A neural ODE, taken over one interval between points."""

    hidden: int = 64
    """units of the hidden layer of its vector field"""
    interval: float = 1.0
    """time between points, in the unit of the vector field"""
    solver: Pick = pick("solvers", "rk4", problem="ode", step=1.0, check=False)
    """how the interval is taken"""

    def __post_init__(self) -> None:
        if self.hidden < 1 or not self.interval > 0:
            raise ValueError(
                f"expected `hidden` of at least 1 and a positive `interval`, got {self.hidden} and {self.interval}"
            )


Estimator = Literal["arithmetic-mean", "product-upper-bound", "explog-approx", "batch-maximum", "jacobian-upper-bound"]


@dataclass(frozen=True)
class Adaptive:
    """A forcing strength that follows the model's Jacobians."""

    estimator: Estimator = "arithmetic-mean"
    """how the growth of products of Jacobians is estimated"""
    start: float = 1.0
    """alpha before the first estimate"""
    decay: float = 0.999
    """part of alpha that stays when an estimate is lower; a higher one is taken over at once"""
    every: int = 5
    """optimiser steps between two estimates, counted within an epoch"""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 1 or not 0 <= self.decay <= 1:
            raise ValueError(f"`start` and `decay` must lie in [0, 1], got {self.start} and {self.decay}")
        if self.every < 1:
            raise ValueError(f"`every` must be at least 1, got {self.every}")


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

    plan: ClassVar[Plan] = Plan(steps=60_000, evaluate_every=20_000, checkpoint_every=5_000)
    presets: ClassVar[Mapping[str, Preset]] = LORENZ63

    alpha: Pick = pick("schedules", "constant", aliases={"auto": "gtf.adaptive"}, level=0.15)
    """forcing strength in [0, 1]: 0 trains on free runs, 1 on single steps"""
    interval: int = 1
    """steps between two forcings; with alpha 1 this is sparse, with less interleaved teacher forcing"""
    system: Pick = pick("envs", "lorenz63", problem="flow")
    """what is to be learned"""
    model: Pick = pick("models", "shallow-plrnn", problem="recurrence")
    """what learns it"""
    latent: int = 0
    """units of the model's state (M); 0 takes as many as there are variables"""
    observation: Pick = pick("models", "identity", problem="observation")
    """how a state is observed, and what it is forced towards"""
    solver: Pick = pick("solvers", "compiled", problem="recurrence")
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
    window: int = 200
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
        lowest = {
            "window": 1,
            "batch": 1,
            "batches_per_epoch": 1,
            "interval": 1,
            "latent": 0,
            "points": self.window + 1,
        }
        for name, low in lowest.items():
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be at least {low}, got {getattr(self, name)}")
        if self.noise < 0:
            raise ValueError(f"`noise` must be at least 0, got {self.noise}")


@dataclass(frozen=True)
class Series(Reconstruction):
    """A model of whatever was measured, from a file."""

    plan: ClassVar[Plan] = Plan(steps=60_000, evaluate_every=20_000, checkpoint_every=5_000)
    presets: ClassVar[Mapping[str, Preset]] = {**ECG, **EEG}

    series: str = ""
    """`.npy` or `.csv` file of the training series, a row a point; `laser` is one that reservoirpy carries; without a
    file the system is simulated"""
    test: str = ""
    """file of the test series; without one, the end of the training series"""
    split: float = 0.5
    """part of the series that is trained on, where there is no test file"""
    inputs: str = ""
    """file of external inputs, a row a point of the training series: each acts on the step that leads to its point"""
    test_inputs: str = ""
    """file of the external inputs of the test file"""
    data: str = ""
    """folder where files are looked for, beside this one and that of the environment variable HEATBATH_DATA"""
    embedding: int = 1
    """delayed copies that make a state of each point; 1 takes points as they are"""
    delay: int = 1
    """points between two of these copies"""
    standardise: bool = True
    """scale each variable to mean 0 and standard deviation 1, those of the training series"""
    time_step: float = 1.0
    """time between the points of a file, the unit of the exponents"""
    noise: float = 0.0
    """standard deviation of noise added to the training series, in standard deviations of the signal"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low in (("embedding", 1), ("delay", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be at least {low}, got {getattr(self, name)}")
        if not 0 < self.split < 1 or not self.time_step > 0:
            raise ValueError(
                f"expected `split` within (0, 1) and a positive `time_step`, got {self.split} and {self.time_step}"
            )
