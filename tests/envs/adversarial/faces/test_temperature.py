"""The temperature in the observation."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.temperature import TemperatureObservation
from tests.envs.adversarial.faces.examples import assert_same, pendulum


class TestTemperatureObservation:
    def test_it_is_drawn_for_each_episode_and_constant_within_it(self) -> None:
        env = TemperatureObservation(pendulum(), lambda generator: generator.gamma(50, 1e-3))
        drawn = []
        for episode in range(4):
            observation, info = env.reset(seed=2 if episode == 0 else None)
            assert observation[-1] == np.float32(info["temperature"])
            for _ in range(5):
                following, *_ = env.step(env.action_space.sample())
                assert following[-1] == observation[-1]
            drawn.append(info["temperature"])
        assert len(set(drawn)) == 4
        assert env.reset(seed=2)[1]["temperature"] == drawn[0]

    def test_it_leaves_the_rest_as_it_was(self) -> None:
        plain, env = pendulum(), TemperatureObservation(pendulum(), lambda generator: generator.random())
        assert_same([plain.reset(seed=0)[0]], [env.reset(seed=0)[0][:-1]])
        move = {"protagonist": [1.0], "adversary": [-1.0]}
        assert_same(list(plain.step(move)[:1]), [env.step(move)[0][:-1]])
        assert env.observation_space.dtype == plain.observation_space.dtype

    def test_a_reset_can_say_what_it_is(self) -> None:
        env = TemperatureObservation(pendulum(), 0.05)
        assert env.reset(seed=0, options={"temperature": 0.0})[0][-1] == 0.0
        assert env.reset()[0][-1] == np.float32(0.05)

    @pytest.mark.parametrize(
        ("temperature", "said"),
        [
            (-0.1, "must be at least 0 and finite, got -0.1"),
            (float("nan"), "must be at least 0 and finite, got nan"),
            (float("inf"), "must be at least 0 and finite, got inf"),
            ("warm", "a temperature is a number, got 'warm'"),
            (lambda generator: -1.0, "must be at least 0 and finite, got -1"),
        ],
    )
    def test_one_that_is_none_is_refused(self, temperature: Any, said: str) -> None:
        with pytest.raises(InvalidInput, match=said):
            TemperatureObservation(pendulum(), temperature).reset()

    def test_observations_that_are_no_vectors_are_refused(self) -> None:
        env = gymnasium.make("FrozenLake-v1")
        with pytest.raises(InvalidInput, match=r"vectors of real numbers only.*FlattenObservation"):
            TemperatureObservation(env, 0.1)
