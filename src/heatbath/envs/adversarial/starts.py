"""Where episodes begin: draws around the model's first state, in the order in which gymnasium makes them."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from heatbath.envs.adversarial.game import Array

Start = Callable[[Generator, Array, Array], tuple[Array, Array]]
"""`(generator, qpos, qvel)` of the first state -> those of an episode's."""


def uniform(scale: float) -> Start:
    """Positions and velocities within +-scale."""

    def start(rng: Generator, qpos: Array, qvel: Array) -> tuple[Array, Array]:
        drawn = qpos + rng.uniform(-scale, scale, qpos.shape)
        return drawn, qvel + rng.uniform(-scale, scale, qvel.shape)

    return start


def uniform_and_normal(scale: float) -> Start:
    """Positions within +-scale, velocities normal with that deviation."""

    def start(rng: Generator, qpos: Array, qvel: Array) -> tuple[Array, Array]:
        drawn = qpos + rng.uniform(-scale, scale, qpos.shape)
        return drawn, qvel + scale * rng.standard_normal(qvel.shape)

    return start


def around(center: tuple[float, ...], spread: tuple[float, ...], speed: float) -> Start:
    """Positions uniform in center +- spread, one number each, and velocities normal with deviation `speed`."""

    def start(rng: Generator, qpos: Array, qvel: Array) -> tuple[Array, Array]:
        drawn = center + rng.uniform(-1.0, 1.0, qpos.shape) * spread
        return drawn, speed * rng.standard_normal(qvel.shape)

    return start
