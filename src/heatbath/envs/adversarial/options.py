"""Options of the two-player simulations. Imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from heatbath.envs.adversarial.axes import parse_axes


@dataclass(frozen=True)
class Simulated:
    """What all of them share."""

    max_force: float = 1.0
    """the adversary's largest push on each body along each axis, N; the task's own may differ"""
    bodies: tuple[str, ...] = ()
    """bodies that it pushes, `*` for all; those of the papers when empty"""
    axes: str = ""
    """axes of the world along which it pushes, such as xz, or xzty with a torque; those of the papers when empty"""
    horizon: int = 1000
    """control steps of an episode"""
    threads: int = 1
    """threads that step the simulations"""
    serial: bool = False
    """step them in a Python loop instead: the reference path"""
    failure_rate: float = 0.05
    """share of the last 1000 steps that may break down before the run is stopped"""

    def __post_init__(self) -> None:
        if not 0 < self.max_force < math.inf:
            raise ValueError(f"`max_force` must be positive and finite, got {self.max_force}")
        if self.axes:
            parse_axes(self.axes)
        if len(set(self.bodies)) < len(self.bodies):
            raise ValueError(f"`bodies` must name none twice, got {self.bodies}")
        for name in ("horizon", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.failure_rate <= 1:
            raise ValueError(f"`failure_rate` must lie in [0, 1], got {self.failure_rate}")


@dataclass(frozen=True)
class Hopper(Simulated):
    """gymnasium's Hopper-v5, pushed at the foot."""


@dataclass(frozen=True)
class HalfCheetah(Simulated):
    """gymnasium's HalfCheetah-v5, pushed at torso and feet."""


@dataclass(frozen=True)
class Walker2d(Simulated):
    """gymnasium's Walker2d-v5, pushed at both feet."""


@dataclass(frozen=True)
class InvertedPendulum(Simulated):
    """gymnasium's InvertedPendulum-v5, pushed at the pole."""

    max_force: float = 3.0


@dataclass(frozen=True)
class Ant(Simulated):
    """gymnasium's Ant-v5, pushed at the torso and two legs."""

    max_force: float = 3.0


@dataclass(frozen=True)
class CartpoleBalance(Simulated):
    """A pole to keep upright on a cart, pushed at the pole."""

    max_force: float = 2.0


@dataclass(frozen=True)
class CartpoleSwingup(Simulated):
    """A pole to swing up on a cart, pushed at the pole."""

    max_force: float = 2.0


@dataclass(frozen=True)
class PendulumSwingup(Simulated):
    """A pendulum to swing up with too weak a motor, pushed at the pole."""


@dataclass(frozen=True)
class WindCorridor(Simulated):
    """A puck to bring past a cliff in a side wind of one direction."""

    max_force: float = 2.5
    horizon: int = 60
    cliff: float = 0.15
    """how far beside the straight line the edge lies, m"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.cliff < math.inf:
            raise ValueError(f"`cliff` must be positive and finite, got {self.cliff}")


@dataclass(frozen=True)
class WindNavigation(WindCorridor):
    """The same over the method's distances: ten metres, of which the wind has the fifth to the eighth."""

    max_force: float = 1.5
    horizon: int = 200
    cliff: float = 1.0
