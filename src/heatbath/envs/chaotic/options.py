"""Options of the chaotic systems."""

from __future__ import annotations

import math
from dataclasses import dataclass


def _check(options: object, positive: tuple[str, ...] = (), **lowest: float) -> None:
    """Numbers are finite, those named at least that large or positive, as `time_step` always is."""
    for name, value in vars(options).items():
        if not math.isfinite(value):
            raise ValueError(f"`{name}` must be a finite number, got {value}")
        if name in lowest and value < lowest[name]:
            raise ValueError(f"`{name}` must be at least {lowest[name]}, got {value}")
        if name in ("time_step", *positive) and not value > 0:
            raise ValueError(f"`{name}` must be positive, got {value}")


@dataclass(frozen=True)
class Lorenz63:
    """Parameters of Lorenz (1963), chaotic by default."""

    sigma: float = 10.0
    """Prandtl number"""
    rho: float = 28.0
    """relative Rayleigh number"""
    beta: float = 8 / 3
    """geometric factor"""
    time_step: float = 0.01
    """time between points"""
    substeps: int = 1
    """steps of the integration between two points"""

    def __post_init__(self) -> None:
        _check(self, substeps=1)


@dataclass(frozen=True)
class Lorenz96:
    """Parameters of Lorenz (1996), chaotic by default."""

    variables: int = 20
    """places on the ring (N)"""
    forcing: float = 8.0
    """F"""
    time_step: float = 0.04
    """time between points"""
    substeps: int = 1
    """steps of the integration between two points"""

    def __post_init__(self) -> None:
        _check(self, variables=4, substeps=1)


@dataclass(frozen=True)
class Rossler:
    """Parameters of Rossler (1976), chaotic by default."""

    a: float = 0.2
    """growth of the spiral"""
    b: float = 0.2
    """inflow into z"""
    c: float = 5.7
    """where the fold begins"""
    time_step: float = 0.08
    """time between points"""
    substeps: int = 4
    """steps of the integration between two points"""

    def __post_init__(self) -> None:
        _check(self, substeps=1)


@dataclass(frozen=True)
class Chua:
    """Parameters of Chua's circuit, the double scroll by default."""

    alpha: float = 9.0
    """ratio of the capacitances"""
    beta: float = 100 / 7
    """from the inductance"""
    m0: float = -8 / 7
    """slope of the diode within |x| < 1"""
    m1: float = -5 / 7
    """slope of the diode outside"""
    time_step: float = 0.02
    """time between points"""
    substeps: int = 4
    """steps of the integration between two points; at the kinks it has order 1 only"""

    def __post_init__(self) -> None:
        _check(self, substeps=1)


@dataclass(frozen=True)
class Henon:
    """Parameters of Henon (1976), chaotic by default."""

    a: float = 1.4
    """strength of the fold"""
    b: float = 0.3
    """contraction of areas"""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class MackeyGlass:
    """Parameters of Mackey and Glass (1977), mildly chaotic by default."""

    beta: float = 0.2
    """production"""
    gamma: float = 0.1
    """decay"""
    exponent: float = 10.0
    """steepness of the feedback"""
    delay: float = 17.0
    """tau, in units of time"""
    time_step: float = 1.0
    """time between points"""
    substeps: int = 10
    """steps of the integration between two points; the delay must be a whole number of them"""
    coordinates: int = 4
    """delayed values that are observed, x(t), x(t - spacing), ..."""
    spacing: int = 6
    """points between two of them"""

    def __post_init__(self) -> None:
        _check(self, ("beta", "gamma", "delay"), substeps=1, coordinates=1, spacing=1, exponent=1)
        steps = self.delay * self.substeps / self.time_step
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-9 * steps:
            raise ValueError(
                f"`delay` must be a whole number of integration steps, `time_step` / `substeps`; got {steps} of them"
            )


@dataclass(frozen=True)
class KuramotoSivashinsky:
    """Parameters of the Kuramoto-Sivashinsky equation on a ring."""

    length: float = 22.0
    """of the ring (L)"""
    variables: int = 64
    """grid points, an even number"""
    time_step: float = 0.25
    """time between points"""
    substeps: int = 1
    """steps of the integration between two points"""

    def __post_init__(self) -> None:
        _check(self, ("length",), variables=8, substeps=1)
        if self.variables % 2:
            raise ValueError(f"`variables` must be even, got {self.variables}")
