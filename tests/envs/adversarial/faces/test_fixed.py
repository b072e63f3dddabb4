"""One player fixed, of one simulation and of many."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from heatbath.core.contracts import Transition
from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.disturbances import ActionReplacement
from heatbath.envs.adversarial.faces.fixed import FixedAdversary, FixedProtagonist
from heatbath.envs.adversarial.faces.fixed_vector import VectorFixedAdversary, VectorFixedProtagonist
from heatbath.envs.adversarial.faces.ids import game
from heatbath.envs.adversarial.faces.vector import VectorGame
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
from tests.envs.adversarial.faces.examples import assert_same, pendulum, rollout, still
from tests.envs.adversarial.toys import Drift


class _Agent:
    """An agent that draws, and counts its moves in its state."""

    def reset(self, mode: str, batch: int) -> int:
        assert (mode, batch) == ("evaluate", 1)
        return 0

    def act(self, observation: Any, state: int, generator: torch.Generator) -> tuple[torch.Tensor, int]:
        assert observation.shape == (1, 3)
        return torch.rand(1, 1, generator=generator) / (1 + state), state + 1

    def observe(self, transition: Transition) -> None:
        """Learns nothing."""

    def update(self, generator: torch.Generator) -> dict[str, float]:
        return {}


class TestFixedPlayers:
    def test_the_adversarys_reward_is_the_protagonists_loss(self) -> None:
        mine, its = FixedAdversary(pendulum(), still(1)), FixedProtagonist(pendulum(), still(1))
        assert_same([mine.reset(seed=0)[0]], [its.reset(seed=0)[0]])
        one, other = mine.step(np.zeros(1)), its.step(np.zeros(1))
        assert one[1] == -other[1] != 0
        assert_same([one[0]], [other[0]])

    def test_the_spaces_are_those_of_the_player_who_is_left(self) -> None:
        assert FixedAdversary(game("hopper"), still(2)).action_space.shape == (3,)
        assert FixedProtagonist(game("hopper"), still(3)).action_space.shape == (2,)

    def test_the_policy_sees_what_the_learner_saw_and_not_what_it_wrote_there(self) -> None:
        seen: list[Any] = []

        def policy(observation: Any) -> Any:
            seen.append(observation.copy())
            return np.zeros(1)

        env = FixedAdversary(pendulum(), policy)
        shown, _ = env.reset(seed=0)
        expected = shown.copy()
        shown[:] = 99.0
        following, *_ = env.step(np.zeros(1))
        env.step(np.zeros(1))
        assert_same(seen, [expected, following])

    def test_an_agent_plays_with_a_generator_that_the_seed_begins(self) -> None:
        mine, its = (FixedAdversary(pendulum(), _Agent()) for _ in range(2))
        assert_same(rollout(mine), rollout(its))
        assert mine.unwrapped.spec is not None

    def test_a_model_that_predicts_plays_deterministically_with_its_state(self) -> None:
        class Model:
            observation_space, action_space = pendulum().observation_space, Box(-1, 1, (1,), np.float64)
            calls: ClassVar[list[Any]] = []

            def predict(self, observation: Any, state: Any, episode_start: Any, deterministic: bool) -> Any:
                self.calls.append((state, bool(episode_start[0]), deterministic))
                return np.ones(1), (state or 0) + 1

        env = FixedAdversary(pendulum(), Model())
        for _ in range(2):
            env.reset(seed=0)
            env.step(np.zeros(1))
            env.step(np.zeros(1))
        assert Model.calls == [(None, True, True), (1, False, True)] * 2

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (lambda: FixedAdversary(gymnasium.make("Pendulum-v1"), still(1)), "Dict of 'protagonist' and 'adversary'"),
            (lambda: FixedAdversary(Drift(2), still(2)), "a game of one simulation, got one of 2; VectorGame"),
            (lambda: FixedAdversary(VectorGame(Drift(2)), still(2)), "expected an environment.*got VectorGame"),
            (lambda: FixedAdversary("heatbath/Hopper-v0", still(2)), "expected an environment.*got str"),
            (lambda: FixedAdversary(pendulum(), 1.0), "must be a function of an observation.*got float"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, wrong: Any, said: str) -> None:
        with pytest.raises(InvalidInput, match=said):
            wrong()

    def test_a_model_of_other_spaces_is_refused(self) -> None:
        class Model:
            observation_space, action_space = Box(-1, 1, (12,)), Box(-1, 1, (1,))
            predict = still(1)

        with pytest.raises(
            InvalidInput, match=r"the adversary's model was made for the observation_space Box.*\(12,\)"
        ):
            FixedAdversary(pendulum(), Model())
        Model.observation_space, Model.action_space = pendulum().observation_space, Discrete(2)  # type: ignore[assignment]
        with pytest.raises(InvalidInput, match="the adversary's model was made for the action_space Discrete"):
            FixedAdversary(pendulum(), Model())

    @pytest.mark.parametrize(
        ("observations", "actions", "said"),
        [
            (None, Box(-100, 100, (1,)), r"action_space Box\(-100.0, 100.0"),
            (Box(-9, 9, (3,)), Box(-1, 1, (1,)), r"observation_space Box\(-9.0, 9.0"),
        ],
    )
    def test_a_model_of_spaces_with_other_bounds_is_refused(self, observations: Any, actions: Box, said: str) -> None:
        class Model:
            observation_space, action_space = observations or pendulum().observation_space, actions
            predict = still(1)

        with pytest.raises(InvalidInput, match=f"the adversary's model was made for the {said}"):
            FixedAdversary(pendulum(), Model())

    def test_a_model_of_fewer_moves_is_refused(self) -> None:
        class Model:
            action_space = Discrete(3)
            predict = still(1)

        with pytest.raises(
            InvalidInput, match=r"made for the action_space Discrete\(3\), this game's is Discrete\(2\)"
        ):
            FixedAdversary(AdversarialWrapper(gymnasium.make("CartPole-v1"), ActionReplacement(0.1)), Model())

    def test_a_policy_whose_moves_do_not_fit_is_refused_in_play(self) -> None:
        for move, said in ((np.zeros(2), r"must have shape \(1,\)"), (np.array([np.inf]), "not finite")):
            env = FixedAdversary(pendulum(), lambda seen, move=move: move)
            env.reset(seed=0)
            with pytest.raises(InvalidInput, match=f"the adversary's move {said}|is {said}"):
                env.step(np.zeros(1))

    def test_a_step_before_a_reset_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="`reset` comes before the first `step`"):
            FixedAdversary(Drift(), still(2)).step(np.zeros(1))


class _Memoryless(_Agent):
    def reset(self, mode: str, batch: int) -> Any:
        assert mode == "evaluate"

    def act(self, observation: Any, state: Any, generator: torch.Generator) -> Any:
        return torch.tanh(observation[:, :1]), None


class TestVectorFixedPlayers:
    @pytest.mark.parametrize(
        ("many", "one", "policy"),
        [
            (VectorFixedAdversary, FixedAdversary, lambda seen: np.tanh(seen[..., :1]) * [1.0, -0.5]),
            (VectorFixedProtagonist, FixedProtagonist, lambda seen: np.tanh(seen[..., :1])),
        ],
    )
    def test_the_first_of_many_is_the_single_one(self, many: Any, one: Any, policy: Any) -> None:
        mine, its = many(Drift(3, horizon=6), policy), one(Drift(1, horizon=6), policy)
        mine.action_space.seed(0)
        np.testing.assert_array_equal(mine.reset(seed=2)[0][0], its.reset(seed=2)[0])
        for _ in range(20):
            actions = mine.action_space.sample()
            said, alone = mine.step(actions), its.step(actions[0])
            assert [part[0] for part in said[1:4]] == list(alone[1:4])
            if alone[2] or alone[3]:
                np.testing.assert_array_equal(said[4]["final_obs"][0], alone[0])
                np.testing.assert_array_equal(said[0][0], its.reset()[0])
            else:
                np.testing.assert_array_equal(said[0][0], alone[0])

    def test_a_model_is_told_which_episodes_begin(self) -> None:
        told: list[list[bool]] = []

        class Model:
            def predict(self, observation: Any, state: Any, episode_start: Any, deterministic: bool) -> Any:
                told.append(episode_start.tolist())
                return np.zeros((2, 2)), None

        envs = VectorFixedAdversary(Drift(2, horizon=3), Model())
        envs.reset(seed=0)
        for _ in range(2):
            envs.step(np.zeros((2, 1)))
        envs.reset(options={"reset_mask": np.array([False, True])})
        for _ in range(3):
            envs.step(np.zeros((2, 1)))
        assert told == [[True, True], [False, False], [False, True], [True, False], [False, False]]

    def test_an_agent_without_a_state_plays_and_one_with_a_state_does_not(self) -> None:
        envs = VectorFixedProtagonist(Drift(2, horizon=3), _Memoryless())
        envs.reset(seed=0)
        for _ in range(5):
            envs.step(np.zeros((2, 2)))

        class Counting(_Memoryless):
            def reset(self, mode: str, batch: int) -> Any:
                return 0

            def act(self, observation: Any, state: Any, generator: torch.Generator) -> Any:
                return observation[:, :1], state + 1

        envs = VectorFixedProtagonist(Drift(2, horizon=3), Counting())
        envs.reset(seed=0)
        envs.reset(options={"reset_mask": np.array([True, False])})
        envs.step(np.zeros((2, 2)))
        envs.reset(options={"reset_mask": np.array([True, False])})
        with pytest.raises(InvalidInput, match="such an agent plays one simulation at a time"):
            envs.step(np.zeros((2, 2)))

    def test_vector_environments_of_gymnasium_do_too(self) -> None:
        def make(mode: AutoresetMode) -> Any:
            return SyncVectorEnv([pendulum] * 2, autoreset_mode=mode)

        envs = VectorFixedAdversary(make(AutoresetMode.SAME_STEP), lambda seen: np.zeros((2, 1)))
        envs.reset(seed=0)
        assert envs.step(envs.action_space.sample())[0].shape == (2, 3)
        with pytest.raises(InvalidInput, match="expected a vector environment that resets in the same step"):
            VectorFixedAdversary(make(AutoresetMode.NEXT_STEP), lambda seen: np.zeros((2, 1)))

    @pytest.mark.parametrize("wrong", [pendulum, lambda: "heatbath/Hopper-v0"])
    def test_what_does_not_fit_is_refused(self, wrong: Any) -> None:
        with pytest.raises(InvalidInput, match="expected a vector environment of gymnasium or a BatchGame"):
            VectorFixedAdversary(wrong(), still(1))

    def test_moves_that_do_not_fit_are_refused(self) -> None:
        envs = VectorFixedAdversary(Drift(2), still(2))
        with pytest.raises(InvalidInput, match="`reset` comes before the first `step`"):
            envs.step(np.zeros((2, 1)))
        envs.reset(seed=0)
        with pytest.raises(InvalidInput, match=r"the adversary's move must have shape \(2, 2\), got \(2,\)"):
            envs.step(np.zeros((2, 1)))
