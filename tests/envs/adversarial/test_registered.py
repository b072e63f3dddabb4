import numpy as np
import pytest

import heatbath
from heatbath.core.build import Setup
from heatbath.core.choices import Pick
from heatbath.core.streams import Streams

NAMES = {
    "hopper": "foot",
    "half-cheetah": "torso",
    "walker2d": "foot",
    "inverted-pendulum": "pole",
    "ant": "torso",
    "cartpole-balance": "pole",
    "cartpole-swingup": "pole",
    "pendulum-swingup": "pole",
    "wind-corridor": "puck",
    "wind-navigation": "puck",
}


def test_all_are_registered_for_the_problem(host):
    found = {name for name in host.names("envs") if host.record("envs", name).component.problem == "two-player"}
    assert set(NAMES) <= found
    for name in NAMES:
        assert host.record("envs", name).component.extra == "qarl"


@pytest.mark.parametrize("name", NAMES)
def test_a_setup_builds_them_with_as_many_simulations_as_it_says(name):
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    setup = Setup(heatbath.Host(strict=True).load(), Streams(0))
    game = setup.build("env", Pick("envs", name, {"threads": 2, "max_force": 0.5}), simulations=4)
    assert game.num_envs == 4
    assert game.task.name == name
    assert game.forces.bodies[0] == NAMES[name]
    assert game.forces.field.max_force == 0.5
    observation = game.reset(0)
    assert observation.shape == (4, *game.observation_space.shape)
    outcome = game.step(np.zeros((4, *game.protagonist_space.shape)), np.zeros((4, *game.adversary_space.shape)))
    assert outcome.observation.dtype == np.float64
    game.close()
