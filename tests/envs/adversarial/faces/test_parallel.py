"""PettingZoo's interface."""

from __future__ import annotations

import itertools

import gymnasium
import numpy as np
import pytest

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.parallel import to_parallel_env
from tests.envs.adversarial.faces.examples import FACES
from tests.envs.adversarial.toys import Drift


class TestParallel:
    @pytest.mark.parametrize("name", ["wrapped", "pushed", "single", "single, not of MuJoCo", "discrete"])
    def test_pettingzoo_finds_no_fault(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        api = pytest.importorskip("pettingzoo.test")
        api.parallel_api_test(to_parallel_env(FACES[name]()), num_cycles=200)
        assert "Passed Parallel API test" in capsys.readouterr().out
        api.parallel_seed_test(lambda: to_parallel_env(FACES[name]()), num_cycles=50)

    def test_a_game_needs_no_other_face_before(self) -> None:
        env = to_parallel_env(Drift())
        observations, infos = env.reset(seed=0)
        assert observations["protagonist"] is not observations["adversary"]
        assert infos == {"protagonist": {}, "adversary": {}}
        while env.agents:
            _, rewards, *_ = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
            assert sum(rewards.values()) == 0
        with pytest.raises(InvalidInput, match="the episode is over"):
            env.step({})
        np.testing.assert_array_equal(env.state().shape, (2,))

    def test_a_turn_based_environment_comes_of_it(self) -> None:
        conversions = pytest.importorskip("pettingzoo.utils.conversions")
        turns = conversions.parallel_to_aec(to_parallel_env(Drift()))
        turns.reset(seed=0)
        asked = []
        for agent in itertools.islice(turns.agent_iter(), 4):
            asked.append(agent)
            turns.step(turns.action_space(agent).sample())
        assert asked == ["protagonist", "adversary"] * 2

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="Dict of 'protagonist' and 'adversary'"):
            to_parallel_env(gymnasium.make("Pendulum-v1"))
