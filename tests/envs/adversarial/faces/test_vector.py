"""The face of many simulations."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.disturbances import ActionMixing
from heatbath.envs.adversarial.faces.vector import VectorGame
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from tests.envs.adversarial.faces.examples import assert_same
from tests.envs.adversarial.toys import Drift


class TestVectorGame:
    def test_its_spaces_and_its_mode_of_reset(self) -> None:
        face = VectorGame(Drift(4))
        assert face.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        assert face.single_action_space["protagonist"] == face.game.protagonist_space
        assert face.action_space["adversary"].shape == (4, 2)
        assert face.observation_space.shape == (4, 2)
        observation, infos = face.reset(seed=0)
        assert observation in face.observation_space
        assert infos == {}

    def test_it_says_what_gymnasiums_own_says(self) -> None:
        mine = VectorGame(GymnasiumGame("Pendulum-v1", 3, ActionMixing(0.25), time_limit=7))
        limited = [lambda: AdversarialWrapper(gymnasium.make("Pendulum-v1", max_episode_steps=7), ActionMixing(0.25))]
        its = SyncVectorEnv(limited * 3, autoreset_mode=AutoresetMode.SAME_STEP)
        its.action_space.seed(0)
        assert_same([mine.reset(seed=5)[0]], [its.reset(seed=5)[0]])
        for _ in range(20):
            actions = its.action_space.sample()
            one, other = mine.step(actions), its.step(actions)
            assert_same(list(one[:4]), list(other[:4]))
            assert ("final_obs" in one[4]) == ("final_obs" in other[4])
            if "final_obs" in one[4]:
                assert_same(
                    [one[4]["_final_obs"], *one[4]["final_obs"]], [other[4]["_final_obs"], *other[4]["final_obs"]]
                )

    def test_a_masked_reset_leaves_the_others_alone(self) -> None:
        face = VectorGame(Drift(3))
        face.reset(seed=0)
        before, *_ = face.step(face.action_space.sample())
        mask = np.array([False, True, False])
        after, _ = face.reset(options={"reset_mask": mask})
        assert_same([after[~mask]], [before[~mask]])
        assert after[1, 1] == 0

    def test_wrappers_of_gymnasium_go_around_it(self) -> None:
        face = gymnasium.wrappers.vector.RecordEpisodeStatistics(VectorGame(Drift(2, horizon=4)))
        face.reset(seed=0)
        total = np.zeros(2)
        for step in range(4):
            *_, rewards, _, truncated, infos = face.step(face.action_space.sample())[:5]
            total += rewards if step < 4 else 0
        assert truncated.all()
        np.testing.assert_allclose(infos["episode"]["r"], total)

    @pytest.mark.parametrize(
        ("moves", "said"),
        [
            (np.zeros((2, 1)), "a move is a mapping"),
            (
                {"protagonist": np.zeros((2, 1)), "adversary": np.zeros((3, 2))},
                r"must have shape \(2, 2\), got \(3, 2\)",
            ),
            (
                {"protagonist": np.full((2, 1), np.nan), "adversary": np.zeros((2, 2))},
                "the protagonist's move is not finite",
            ),
        ],
    )
    def test_moves_that_do_not_fit_are_refused(self, moves: Any, said: str) -> None:
        face = VectorGame(Drift(2))
        face.reset(seed=0)
        with pytest.raises(InvalidInput, match=said):
            face.step(moves)

    @pytest.mark.parametrize("mask", [np.ones(3, bool), np.ones(2), [1, 0]])
    def test_a_mask_that_is_none_is_refused(self, mask: Any) -> None:
        with pytest.raises(InvalidInput, match=r"`reset_mask` must be boolean of shape \(2,\)"):
            VectorGame(Drift(2)).reset(options={"reset_mask": mask})

    def test_closing_it_closes_the_game(self) -> None:
        face = VectorGame(Drift(2))
        face.close()
        assert face.game.closed
