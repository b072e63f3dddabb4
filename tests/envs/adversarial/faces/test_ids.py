"""Ids that gymnasium finds, one for every registered two-player simulation."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import heatbath.gym
from heatbath.core.errors import ConfigError, MissingExtra
from heatbath.core.host import Host
from heatbath.envs.adversarial.faces.ids import PROBLEM, game, id_of, register
from heatbath.envs.adversarial.faces.single import SingleGame
from heatbath.envs.adversarial.faces.vector import VectorGame

NAMES = Host().load().names("envs", PROBLEM)
IDS = [id_of(name) for name in NAMES]


def test_every_registered_simulation_has_one() -> None:
    assert "heatbath/Hopper-v0" in IDS
    assert register() == IDS
    assert set(IDS) <= set(gymnasium.registry)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*settotalmass", "ignore:.*infinity. This is probably too")
@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space")
def test_what_is_made_of_it_is_sound(name: str) -> None:
    env = gymnasium.make(id_of(name))
    assert isinstance(env.unwrapped, SingleGame)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_a_batch_is_made_of_it_too_and_equals_single_ones() -> None:
    envs = gymnasium.make_vec("heatbath/Hopper-v0", num_envs=3, horizon=20)
    assert isinstance(envs, VectorGame)
    same = gymnasium.make_vec("heatbath/Hopper-v0", num_envs=3, vectorization_mode="sync", horizon=20)
    np.testing.assert_array_equal(envs.reset(seed=2)[0], same.reset(seed=2)[0])
    actions = envs.action_space.sample()
    for mine, its in zip(envs.step(actions)[:4], same.step(actions)[:4], strict=True):
        np.testing.assert_array_equal(mine, its)


def test_keywords_are_the_options_of_the_component() -> None:
    env = gymnasium.make("heatbath/Hopper-v0", bodies=("torso", "foot"), axes="x", max_force=2.0, horizon=7)
    assert env.action_space["adversary"].shape == (2,)
    env.reset(seed=0)
    nothing = {"protagonist": np.zeros(3, np.float32), "adversary": np.zeros(2)}
    assert [env.step(nothing)[3] for _ in range(7)] == [False] * 6 + [True]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizn": 3}, "^hopper: unknown option `horizn`; did you mean `horizon`"),
        ({"wibble": 3}, "^hopper: unknown option `wibble`; it has max_force, bodies, axes, horizon, threads"),
        ({"horizon": "long"}, "^hopper: `horizon`: expected INT, got 'long'"),
        ({"max_force": None}, "^hopper: `max_force`: expected FLOAT, got 'None'"),
        ({"max_force": -1.0}, "^hopper: `max_force` must be positive"),
        ({"bodies": ("--leg",)}, "^hopper: `bodies`: an entry of a list cannot begin with '-', got '--leg'"),
        ({"bodies": ("tail",)}, "no body 'tail'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        gymnasium.make("heatbath/Hopper-v0", **options)


def test_a_component_of_another_problem_is_refused() -> None:
    with pytest.raises(ConfigError, match="'lorenz63' is an environment of the problem 'flow', not 'two-player'"):
        game("lorenz63")


def test_gymnasium_finds_it_without_an_import_of_ours(python: Any) -> None:
    done = python(
        "import gymnasium\n"
        "print(gymnasium.make('heatbath.gym:heatbath/Hopper-v0').reset(seed=0)[0].shape)\n"
        "print(gymnasium.make_vec('heatbath/Hopper-v0', 2).reset(seed=0)[0].shape)\n"
    )
    assert done.stdout == "(11,)\n(2, 11)\n"


def test_knowing_the_ids_imports_no_simulator(python: Any) -> None:
    done = python(
        "import sys, heatbath.gym\nprint([m for m in ('mujoco', 'pettingzoo', 'pygame') if m in sys.modules])"
    )
    assert done.stdout == "[]\n"


def test_a_third_partys_simulation_gets_an_id_too(host: Host) -> None:
    from heatbath import Component, hookimpl

    class Plugin:
        @hookimpl
        def register_envs(self, register: Any) -> None:
            register(Component("acme/puck", "", "tests.envs.adversarial.toys:drift", problem=PROBLEM))

    host.add(Plugin(), "acme")
    try:
        assert "acme/Puck-v0" in register(host)
        assert game("acme/puck", 2, host=host).num_envs == 2
    finally:
        gymnasium.registry.pop("acme/Puck-v0", None)


def test_all_faces_are_had_by_name() -> None:
    assert dir(heatbath.gym) == sorted(heatbath.gym.__all__)
    for name in heatbath.gym.__all__:
        if name != "to_parallel_env":
            assert getattr(heatbath.gym, name).__name__ == name
    with pytest.raises(AttributeError, match=r"'heatbath\.gym' has no attribute 'oracle'"):
        heatbath.gym.oracle  # noqa: B018


def test_an_absent_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pettingzoo", None)
    monkeypatch.delitem(__import__("sys").modules, "heatbath.envs.adversarial.faces.parallel", raising=False)
    with warnings.catch_warnings(), pytest.raises(MissingExtra, match=r"pip install 'heatbath\[pettingzoo\]'"):
        heatbath.gym.to_parallel_env  # noqa: B018
