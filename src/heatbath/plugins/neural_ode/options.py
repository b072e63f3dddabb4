"""Options of neural ODEs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from heatbath.core.choices import Pick, Slots, loss, losses, pick
from heatbath.core.plan import Plan
from heatbath.core.presets import Preset
from heatbath.plugins.neural_ode.presets import DIGITS

Aggregate = Literal["mean", "sum", "max"]


@dataclass(frozen=True)
class ErrorPenalty:
    """A price on the error estimates of a solver's accepted steps."""

    aggregate: Aggregate = "mean"
    """over the steps"""
    by_length: bool = True
    """multiply each error by the length of its step"""
    power: int = 1
    """power of the error"""
    unscaled: bool = False
    """multiply by the tolerance: the error itself, in units of 1 + |y|. A control, which does nothing at tight ones"""

    def __post_init__(self) -> None:
        if self.power < 1:
            raise ValueError(f"`power` must be at least 1, got {self.power}")


@dataclass(frozen=True)
class StiffnessPenalty:
    """A price on the stiffness estimates of a solver's accepted steps."""

    aggregate: Aggregate = "max"
    """over the steps"""
    by_length: bool = False
    """multiply each by the length of its step"""
    per_stability: bool = True
    """divide by the solver's stability size: in units of the stiffness that makes a step of length 1 unstable"""


@dataclass(frozen=True)
class VectorField:
    """One hidden layer of tanh."""

    hidden: int = 100
    """units of the hidden layer"""
    time: bool = True
    """both layers see the time"""
    output: Literal["tanh", "linear"] = "tanh"
    """of the second layer; tanh bounds the speed"""
    cubed: bool = False
    """the first layer sees the cubes of the state"""

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"`hidden` must be at least 1, got {self.hidden}")


@dataclass(frozen=True)
class Spiral:
    """u' = u^3 A, seen at equal intervals."""

    plan: ClassVar[Plan] = Plan(steps=1000, evaluate_every=250, checkpoint_every=250)

    solver: Pick = pick("solvers", "tsit5", problem="ode", rtol=1e-6, atol=1e-6, controller="pi")
    """what integrates the model; NFE follow its tolerance"""
    model: Pick = pick("models", "neural-ode.mlp", problem="ode", hidden=50, time=False, output="linear", cubed=True)
    """the vector field"""
    losses: Slots = losses(fit=loss("mse"), penalty=loss("neural-ode.error", 0.1))
    """what is minimised; both penalties need a solver that records what they price"""
    learning_rate: Pick = pick("schedules", "exponential", start=1e-2, end=1e-3)
    """of Adam, set once a chunk"""
    points: int = 500
    """points of the course, over `duration`"""
    duration: float = 10.0
    """time that the course takes"""
    window: int = 30
    """points predicted from one that is given"""
    batch: int = 32
    """windows in one optimiser step"""
    noise: float = 0.02
    """standard deviation of the noise on the points that are learned from"""
    batches_per_epoch: int = 10
    """optimiser steps between two readings of the metrics"""
    precision: Literal["float64", "float32"] = "float64"
    """float32 needs tolerances from 1e-6 on"""

    def __post_init__(self) -> None:
        for name, low in (("window", 1), ("batch", 1), ("batches_per_epoch", 1), ("points", self.window + 2)):
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be at least {low}, got {getattr(self, name)}")
        if not self.duration > 0 or self.noise < 0:
            raise ValueError(
                f"`duration` must be positive and `noise` at least 0, got {self.duration} and {self.noise}"
            )


@dataclass(frozen=True)
class Digits:
    """Images of 8 x 8, as the initial state of a flow whose end is classified by one linear layer."""

    plan: ClassVar[Plan] = Plan(steps=200, evaluate_every=50, checkpoint_every=50)
    presets: ClassVar[Mapping[str, Preset]] = DIGITS

    solver: Pick = pick("solvers", "tsit5", problem="ode", rtol=1.4e-8, atol=1.4e-8, controller="pi")
    """what integrates the model; the weight of a penalty belongs to its controller: 100 to 10 is for `pi`"""
    model: Pick = pick("models", "neural-ode.mlp", problem="ode", hidden=32)
    """the vector field"""
    losses: Slots = losses(
        fit=loss("cross-entropy"),
        penalty=loss("neural-ode.error", Pick("schedules", "exponential", {"start": 100.0, "end": 10.0})),
    )
    """what is minimised; both penalties need a solver that records what they price"""
    learning_rate: float = 0.1
    """of stochastic gradient descent with momentum"""
    decay: float = 1e-5
    """the rate after n steps is learning_rate / (1 + decay n)"""
    momentum: float = 0.9
    """of the gradient"""
    batch: int = 256
    """images in one optimiser step"""
    precision: Literal["float64", "float32"] = "float64"
    """at tolerances near 1e-8, float32 makes steps follow round-off"""

    def __post_init__(self) -> None:
        if not self.learning_rate > 0 or self.decay < 0 or not 0 <= self.momentum < 1:
            raise ValueError(
                "expected a positive `learning_rate`, a `decay` of at least 0 and a `momentum` in [0, 1), "
                f"got {self.learning_rate}, {self.decay} and {self.momentum}"
            )
        if not 1 <= self.batch <= 1437:
            raise ValueError(f"`batch` must lie between 1 and the 1437 images that are learned from, got {self.batch}")
