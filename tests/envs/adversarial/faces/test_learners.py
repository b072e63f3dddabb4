"""Somebody else's algorithm learns either side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from heatbath.envs.adversarial.faces.fixed import FixedAdversary, FixedProtagonist
from heatbath.envs.adversarial.faces.ids import game
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from tests.envs.adversarial.toys import LENGTH, Pushed, ThreeSteps

sb3 = pytest.importorskip("stable_baselines3")
STEPS = 500


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def learner(env: Any) -> Any:
    return sb3.SAC(
        "MlpPolicy", env, seed=0, learning_starts=50, batch_size=32, train_freq=2, policy_kwargs={"net_arch": [16, 16]},
        device="cpu",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("face", "opponent"), [(FixedAdversary, 2), (FixedProtagonist, 3)])
def test_sac_of_stable_baselines3_trains(face: Any, opponent: int) -> None:
    env = face(game("hopper", horizon=50), lambda observation: np.zeros(opponent))
    model = learner(env)
    before = [parameter.clone() for parameter in model.actor.parameters()]
    model.learn(STEPS)
    assert model.num_timesteps == STEPS
    changed = [not torch.equal(old, new) for old, new in zip(before, model.actor.parameters(), strict=True)]
    assert all(changed)
    replay = model.replay_buffer
    assert np.isfinite(replay.rewards[:STEPS]).all()
    assert 0 < replay.dones[:STEPS].sum() < STEPS


@pytest.mark.parametrize("ending", ["terminated", "truncated"])
def test_its_replay_holds_no_transition_across_episodes_and_bootstraps_through_time_limits_only(ending: str) -> None:
    steps = GymnasiumGame(lambda: ThreeSteps(ending), 1, Pushed())
    model = learner(FixedAdversary(steps, lambda observation: np.zeros(2)))
    model.learn(30)
    kept = model.replay_buffer.sample(500)
    before, after = kept.observations.numpy(), kept.next_observations.numpy()
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    np.testing.assert_array_equal(before[:, 1] + 1, after[:, 1])
    last = after[:, 1] == LENGTH
    assert last.any()
    np.testing.assert_array_equal(
        kept.dones.numpy()[:, 0] == 1, last if ending == "terminated" else np.zeros_like(last)
    )


@pytest.mark.slow
def test_what_it_learned_plays_on_the_other_side() -> None:
    protagonist = learner(FixedAdversary(game("hopper", horizon=50), lambda observation: np.zeros(2)))
    attacked = FixedProtagonist(game("hopper", horizon=50), protagonist)
    returns = []
    for _ in range(2):
        attacked.action_space.seed(0)
        attacked.reset(seed=0)
        returns.append(sum(attacked.step(attacked.action_space.sample())[1] for _ in range(10)))
    assert returns[0] == returns[1] < 0


def test_its_own_check_finds_no_fault() -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(FixedAdversary(game("hopper"), lambda observation: np.zeros(2)))
    checker.check_env(FixedProtagonist(game("hopper"), lambda observation: np.zeros(3)))
