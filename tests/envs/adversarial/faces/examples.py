"""Environments that the tests of the faces share, and how they are played and compared."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from heatbath.envs.adversarial.faces.disturbances import ActionMixing, ActionReplacement
from heatbath.envs.adversarial.faces.fixed import FixedAdversary, FixedProtagonist
from heatbath.envs.adversarial.faces.ids import game
from heatbath.envs.adversarial.faces.single import SingleGame
from heatbath.envs.adversarial.faces.temperature import TemperatureObservation
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
from heatbath.envs.adversarial.forces import ForceField
from tests.envs.adversarial.toys import DrawnDrift, Drift

FOOT = ForceField(("foot",), "xz", 3.0)
ADVICE = (
    "is different from the unwrapped version",  # a wrapper is a wrapper
    "infinity. This is probably too",  # gymnasium's own robots are not bounded
    "Not able to test alternative render modes",  # it has one
    "we recommend using a symmetric and normalized space",  # Pendulum's torque goes to 2
)


def pendulum(disturbance: Any = None) -> AdversarialWrapper:
    return AdversarialWrapper(gymnasium.make("Pendulum-v1"), ActionMixing(0.25) if disturbance is None else disturbance)


def hopper(field: Any = FOOT) -> AdversarialWrapper:
    return AdversarialWrapper(gymnasium.make("Hopper-v5"), field)


def still(size: int) -> Any:
    return lambda observation: np.zeros(size)


def rollout(env: Any, steps: int = 60, seed: int = 3) -> list[Any]:
    """Everything that an environment says, with moves from its own space."""
    env.action_space.seed(seed)
    said = [env.reset(seed=seed)[0]]
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        said += [observation, reward, terminated, truncated]
        if np.all(terminated | truncated) and not isinstance(env, gymnasium.vector.VectorEnv):
            said.append(env.reset()[0])
    return said


def assert_same(mine: list[Any], its: list[Any]) -> None:
    assert len(mine) == len(its)
    for one, other in zip(mine, its, strict=True):
        np.testing.assert_array_equal(one, other)


FACES = {
    "wrapped": pendulum,
    "pushed": hopper,
    "discrete": lambda: AdversarialWrapper(gymnasium.make("CartPole-v1"), ActionReplacement(0.2)),
    "single": lambda: SingleGame(game("hopper", horizon=50)),
    "single, not of MuJoCo": lambda: SingleGame(Drift()),
    "drawn": lambda: SingleGame(DrawnDrift(), "rgb_array"),
    "fixed adversary": lambda: FixedAdversary(game("hopper"), still(2)),
    "fixed protagonist": lambda: FixedProtagonist(game("hopper"), still(3)),
    "fixed, wrapped": lambda: FixedAdversary(hopper(), still(2)),
    "temperature": lambda: TemperatureObservation(hopper(), lambda generator: generator.gamma(50, 1e-3)),
    "fixed, temperature": lambda: FixedProtagonist(TemperatureObservation(pendulum(), 0.05), still(1)),
}
