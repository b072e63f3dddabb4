"""Options of ProbConserv."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from heatbath.core.choices import Pick, Slots, loss, losses, metric, metrics, pick
from heatbath.core.plan import Plan

Rule = Literal["trapezoid", "left", "right", "simpson"]


@dataclass(frozen=True)
class Mass:
    """The integral of each field is known."""

    rule: Rule = "trapezoid"
    """quadrature that stands for the integral"""
    noise: float = 0.0
    """standard deviation of the known mass, such as the quadrature's error; 0 holds it exactly"""
    solver: Pick = pick("solvers", "gaussian", problem="conditioning")
    """how a law is conditioned"""

    def __post_init__(self) -> None:
        if not 0.0 <= self.noise < float("inf"):
            raise ValueError(f"`noise` must be at least 0, got {self.noise}")


@dataclass(frozen=True)
class SmoothMass(Mass):
    """The same, after second differences were observed to be 0 up to the law's own roughness."""

    correlation: float = 0.9
    """alpha, correlation of neighbours that the observation's noise allows for, in (-1, 1)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1.0 < self.correlation < 1.0:
            raise ValueError(
                f"`correlation` must lie between -1 and 1, got {self.correlation}; at 1 the noise can vanish"
            )


@dataclass(frozen=True)
class HardC:
    """The integral of each field is known; what is missing is spread evenly."""

    rule: Rule = "trapezoid"
    """quadrature that stands for the integral"""


@dataclass(frozen=True)
class Score:
    """How a loss sees the law."""

    conditioned: bool = True
    """score the law after conditioning, so that training goes through the constraint; else the law as predicted"""
    floor: float = 1e-8
    """least variance"""

    def __post_init__(self) -> None:
        if not self.floor > 0:
            raise ValueError(f"`floor` must be positive, got {self.floor}")


@dataclass(frozen=True)
class LogLikelihood:
    """Mean log density of the points, one by one."""

    floor: float = 1e-8
    """least variance"""

    def __post_init__(self) -> None:
        if not self.floor > 0:
            raise ValueError(f"`floor` must be positive, got {self.floor}")


@dataclass(frozen=True)
class Coverage:
    """Part of the points inside of the central interval."""

    level: float = 0.95
    """probability that the interval is to hold"""

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"`level` must lie between 0 and 1, got {self.level}")


@dataclass(frozen=True)
class DeepEnsemble:
    """Networks that predict a mean and a variance, alike but for their start and their data."""

    members: int = 3
    """how many"""
    hidden: int = 64
    """units of each hidden layer"""
    layers: int = 3
    """hidden layers"""
    least_deviation: float = 1e-3
    """added to each standard deviation"""

    def __post_init__(self) -> None:
        for name in ("members", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        if not self.least_deviation > 0:
            raise ValueError(f"`least_deviation` must be positive, got {self.least_deviation}")


@dataclass(frozen=True)
class Forecast:
    """Learn the fields of a conservation law, and make the forecasts conserve."""

    plan: ClassVar[Plan] = Plan(steps=4000, checkpoint_every=1000)

    law: Pick = pick("envs", "porous-medium", problem="conservation-law")
    """what is learned, over its parameter, time and place"""
    model: Pick = pick("models", "deep-ensemble", problem="field")
    """what learns it: a mean and a variance at each point"""
    constraint: Pick = pick("constraints", "mass")
    """what is known of each forecast"""
    losses: Slots = losses(fit=loss("probconserv.nll", conditioned=False))
    """what is minimised"""
    metrics: Slots = metrics(
        conservation_error=metric("conservation-error"),
        log_likelihood=metric("log-likelihood"),
        mse=metric("field-mse"),
        mahalanobis_error=metric("mahalanobis-error"),
        coverage=metric("coverage"),
    )
    """what forecasts are judged by, at the law's table time"""
    learning_rate: Pick = pick("schedules", "one-cycle", peak=3e-3)
    """of Adam, set at each step"""
    posterior: Literal["members", "moments"] = "members"
    """condition each member and merge, as the paper does with its draws; or condition the merged law"""
    slices: int = 32
    """fields at one time each, in one optimiser step of one member"""
    points: int = 32
    """places on each of them"""
    grid: int = 201
    """places at which forecasts are judged"""
    chunk: int = 100
    """optimiser steps between two readings of the metrics"""

    def __post_init__(self) -> None:
        for name, low in (("slices", 1), ("points", 3), ("grid", 3), ("chunk", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be at least {low}, got {getattr(self, name)}")


@dataclass(frozen=True)
class PorousMedium(Forecast):
    """ProbConserv on the porous medium equation."""


@dataclass(frozen=True)
class Stefan(Forecast):
    """ProbConserv on the Stefan problem."""

    law: Pick = pick("envs", "stefan", problem="conservation-law")
    """what is learned, over its parameter, time and place"""
