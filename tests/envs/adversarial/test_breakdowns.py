"""Simulations that break down are reset and counted, and stop the run past a rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import heatbath.gym  # noqa: F401  gymnasium knows our ids
from heatbath.core.errors import NotFinite
from heatbath.envs.adversarial.faces.single import SingleGame
from heatbath.envs.adversarial.faces.vector import VectorGame
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from tests.envs.adversarial.faces.examples import FOOT, assert_same
from tests.envs.adversarial.toys import Pushed, ThreeSteps


class TestBreakdowns:
    def test_a_simulation_that_is_not_finite_is_reset_and_counted(self) -> None:
        broken = iter([None, 2])
        batch = GymnasiumGame(lambda: ThreeSteps(broken_at=next(broken)), 2, Pushed())
        batch.reset(seed=0)
        first = batch.step(np.ones((2, 1)), np.zeros((2, 2)))
        second = batch.step(np.ones((2, 1)), np.zeros((2, 2)))
        assert second.failed.tolist() == second.truncated.tolist() == [False, True]
        assert not second.terminated.any()
        assert second.reward.tolist() == [1.0, 0.0]
        assert_same([second.final_observation[1]], [first.observation[1]])
        assert second.observation[1, 1] == 0
        assert batch.failures.total == 1

    def test_it_is_said_by_the_faces(self) -> None:
        batch = GymnasiumGame(lambda: ThreeSteps(broken_at=1), 2, Pushed())
        face = VectorGame(batch)
        face.reset(seed=0)
        *_, infos = face.step({"protagonist": np.ones((2, 1)), "adversary": np.zeros((2, 2))})
        assert infos["final_info"]["failed"].tolist() == [True, True]
        env = SingleGame(GymnasiumGame(lambda: ThreeSteps(broken_at=1), 1, Pushed()))
        env.reset(seed=0)
        *_, truncated, info = env.step({"protagonist": np.ones(1), "adversary": np.zeros(2)})
        assert (truncated, info) == (True, {"failed": True})

    def test_what_mujoco_resets_in_silence_is_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        batch = GymnasiumGame("Hopper-v5", 2, FOOT)
        start = batch.reset(seed=0)
        batch._envs[1].unwrapped.data.qvel[0] = np.nan
        outcome = batch.step(np.zeros((2, 3)), np.zeros((2, 2)))
        assert outcome.failed.tolist() == [False, True]
        assert_same([outcome.final_observation[1]], [start[1]])
        assert not batch.step(np.zeros((2, 3)), np.zeros((2, 2))).failed.any()
        assert not list(tmp_path.iterdir()), "MuJoCo left its log"

    def test_what_an_environment_of_ours_says_is_kept(self) -> None:
        batch = GymnasiumGame("heatbath/Hopper-v0", 2)
        start = batch.reset(seed=0)
        batch._envs[1].unwrapped.game.simulations.qvel[0, 2] = np.nan
        outcome = batch.step(np.zeros((2, 3)), np.zeros((2, 2)))
        assert outcome.failed.tolist() == outcome.truncated.tolist() == [False, True]
        assert_same([outcome.final_observation[1]], [start[1]])
        assert batch.failures.total == 1

    def test_past_a_rate_the_run_is_stopped(self) -> None:
        batch = GymnasiumGame(lambda: ThreeSteps(), 2, Pushed(), failure_rate=0.002)
        batch.reset(seed=0)
        for env in batch._envs:
            env.unwrapped.broken_at = 1
        batch.step(np.zeros((2, 1)), np.zeros((2, 2)))
        batch._envs[0].unwrapped.broken_at = 2
        with pytest.raises(
            NotFinite, match="3 of the last 1000 steps ended in states that are not finite, more than 2"
        ):
            batch.step(np.zeros((2, 1)), np.zeros((2, 2)))

    def test_an_environment_that_begins_so_is_an_error_at_once(self) -> None:
        class Lost(ThreeSteps):
            def _seen(self) -> Any:
                return np.full(2, np.nan)

        with pytest.raises(NotFinite, match="begins with an observation that is not finite"):
            GymnasiumGame(Lost, 1, Pushed()).reset(seed=0)
