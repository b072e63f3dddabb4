"""The faces keep the interfaces that they are of, and refuse what does not fit, saying what would."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from heatbath.core.contracts import Transition
from heatbath.core.errors import HeatbathError, InvalidInput, NotFinite
from heatbath.envs.adversarial.disturbances import ActionMixing, ActionReplacement
from heatbath.envs.adversarial.fixed import FixedAdversary, FixedProtagonist
from heatbath.envs.adversarial.fixed_vector import VectorFixedAdversary, VectorFixedProtagonist
from heatbath.envs.adversarial.forces import ForceField
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from heatbath.envs.adversarial.ids import game
from heatbath.envs.adversarial.parallel import to_parallel_env
from heatbath.envs.adversarial.single import SingleGame
from heatbath.envs.adversarial.temperature import TemperatureObservation
from heatbath.envs.adversarial.vector import VectorGame
from heatbath.envs.adversarial.wrapper import AdversarialWrapper
from tests.envs.adversarial.toys import DrawnDrift, Drift, Pushed, ThreeSteps

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


@pytest.mark.parametrize("name", FACES)
class TestEveryFace:
    def test_gymnasium_finds_no_fault(self, name: str) -> None:
        with warnings.catch_warnings():
            for advice in ADVICE:
                warnings.filterwarnings("ignore", f".*{advice}")
            check_env(FACES[name](), skip_render_check=name != "drawn")

    def test_seeds_reproduce_bit_for_bit(self, name: str) -> None:
        assert_same(rollout(FACES[name]()), rollout(FACES[name]()))

    def test_episodes_without_a_seed_follow_from_the_last_one(self, name: str) -> None:
        def two(env: Any) -> list[Any]:
            return [env.reset(seed=1)[0], env.reset()[0], env.reset()[0]]

        first, second = two(FACES[name]()), two(FACES[name]())
        assert_same(first, second)
        assert not np.array_equal(first[1], first[2])


class TestAdversarialWrapper:
    @pytest.mark.parametrize("name", ["Hopper-v5", "HalfCheetah-v5", "InvertedPendulum-v5"])
    @pytest.mark.filterwarnings("ignore:.*settotalmass")
    def test_no_force_has_the_bits_of_the_environment_itself(self, name: str) -> None:
        body = {"Hopper-v5": "foot", "HalfCheetah-v5": "torso", "InvertedPendulum-v5": "pole"}[name]
        plain = gymnasium.make(name)
        env = AdversarialWrapper(gymnasium.make(name), ForceField((body,), "xz", 5.0))
        plain.action_space.seed(0)
        assert_same([plain.reset(seed=7)[0]], [env.reset(seed=7)[0]])
        for _ in range(100):
            action = plain.action_space.sample()
            its, mine = plain.step(action), env.step({"protagonist": action, "adversary": np.zeros(2)})
            assert_same(list(mine[:4]), list(its[:4]))
            if its[2]:
                assert_same([plain.reset()[0]], [env.reset()[0]])

    def test_forces_are_written_each_step_clipped_and_cleared_at_a_reset(self) -> None:
        env = hopper()
        env.reset(seed=0)
        data, foot = env.unwrapped.data, env.unwrapped.model.body("foot").id
        env.step({"protagonist": np.zeros(3, np.float32), "adversary": np.array([0.5, -7.0])})
        expected = np.zeros_like(data.xfrc_applied)
        expected[foot, [0, 2]] = 1.5, -3.0
        np.testing.assert_array_equal(data.xfrc_applied, expected)
        env.step({"protagonist": np.zeros(3, np.float32), "adversary": np.zeros(2)})
        assert not data.xfrc_applied.any()
        env.step({"protagonist": np.zeros(3, np.float32), "adversary": np.ones(2)})
        env.reset()
        assert not data.xfrc_applied.any()

    def test_mixing_is_that_of_the_noisy_action_robust_process(self) -> None:
        plain, env = gymnasium.make("Pendulum-v1"), pendulum(ActionMixing(0.25))
        assert_same([plain.reset(seed=0)[0]], [env.reset(seed=0)[0]])
        its = plain.step(np.array([0.75 * 1.0 + 0.25 * -2.0], dtype=np.float32))
        mine = env.step({"protagonist": np.array([1.0]), "adversary": np.array([-1.0])})
        assert_same(list(mine[:4]), list(its[:4]))

    def test_a_protagonist_cannot_outbid_the_adversary(self) -> None:
        mixed = ActionMixing(0.5).on(gymnasium.make("Pendulum-v1"))
        assert mixed.apply(None, np.array([100.0]), np.array([-1.0])) == 0.0

    @pytest.mark.parametrize("delta", [0.0, 1.0])
    def test_replacement_takes_one_of_the_two(self, delta: float) -> None:
        plain = gymnasium.make("CartPole-v1")
        env = AdversarialWrapper(gymnasium.make("CartPole-v1"), ActionReplacement(delta))
        assert_same([plain.reset(seed=0)[0]], [env.reset(seed=0)[0]])
        for own in (0, 1, 1, 0):
            taken = 1 - own if delta else own
            assert_same(list(env.step({"protagonist": own, "adversary": 1 - own})[:2]), list(plain.step(taken)[:2]))

    def test_replacement_happens_with_its_probability(self) -> None:
        # Binomial(2000, 0.3): five standard deviations are 0.051, a false alarm in 1.7 million.
        bound = ActionReplacement(0.3).on(gymnasium.make("CartPole-v1"))
        bound.reset(None, 0)  # type: ignore[attr-defined]
        assert np.mean([bound.apply(None, 0, 1) for _ in range(2000)]) == pytest.approx(0.3, abs=0.051)

    def test_a_disturbance_of_ones_own_is_told_of_resets(self) -> None:
        own = Pushed()
        env = AdversarialWrapper(ThreeSteps(), own)
        env.reset(seed=5)
        env.reset()
        assert own.seeds == [5, None]
        assert env.step({"protagonist": np.array([1.0]), "adversary": np.array([0.25, 9.0])})[1] == -0.25

    def test_its_spec_makes_it_again(self) -> None:
        env = pendulum()
        assert env.spec is not None
        again = gymnasium.make(env.spec)
        assert again.action_space == env.action_space
        assert_same(rollout(env), rollout(again))

    def test_it_stands_in_a_vector_environment_of_gymnasium(self) -> None:
        envs = SyncVectorEnv([pendulum] * 2)
        assert envs.step is not None
        envs.reset(seed=0)
        observation, *_ = envs.step(envs.action_space.sample())
        assert observation.shape == (2, 3)

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (lambda: AdversarialWrapper("Hopper-v5", FOOT), "expected an environment of gymnasium, got str"),
            (lambda: pendulum(FOOT), "ForceField needs an environment of MuJoCo"),
            (lambda: pendulum(0.1), "expected a disturbance, got float: a ForceField, ActionMixing"),
            (lambda: pendulum(ActionMixing), "expected a disturbance, got the class ActionMixing; make one"),
            (lambda: AdversarialWrapper(pendulum(), ActionMixing(0.1)), "has an adversary already"),
            (lambda: hopper(ForceField(("tail",))), "no body 'tail' that can be pushed; the model has torso, thigh"),
            (
                lambda: AdversarialWrapper(gymnasium.make("CartPole-v1"), ActionMixing(0.1)),
                "needs actions in a bounded Box of real numbers.*Discrete.*ActionReplacement takes any actions",
            ),
            (lambda: ActionMixing(1.5), r"`delta` must lie in \[0, 1\], got 1.5"),
            (lambda: ActionReplacement(-0.1), r"`delta` must lie in \[0, 1\], got -0.1"),
            (lambda: ActionReplacement(float("nan")), r"`delta` must lie in \[0, 1\], got nan"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, wrong: Any, said: str) -> None:
        with pytest.raises(HeatbathError, match=said):
            wrong()

    @pytest.mark.parametrize(
        ("move", "said"),
        [
            (np.zeros(1), "a move is a mapping with the keys 'protagonist' and 'adversary', got ndarray"),
            ({"protagonist": np.zeros(1)}, r"got the keys \['protagonist'\]"),
            ({"protagonist": np.zeros(1), "adversary": np.zeros(3)}, r"must have shape \(1,\), got \(3,\)"),
            ({"protagonist": np.zeros(1), "adversary": [np.nan]}, "the adversary's move is not finite"),
            ({"protagonist": np.zeros(1), "adversary": "left"}, "must be an array of numbers, got 'left'"),
        ],
    )
    def test_moves_that_do_not_fit_are_refused(self, move: Any, said: str) -> None:
        env = pendulum()
        env.reset(seed=0)
        with pytest.raises(InvalidInput, match=said):
            env.step(move)

    def test_a_discrete_move_that_is_none_is_refused(self) -> None:
        env = FACES["discrete"]()
        env.reset(seed=0)
        with pytest.raises(InvalidInput, match=r"the adversary's move 2 is not in its space Discrete\(2\)"):
            env.step({"protagonist": 0, "adversary": 2})


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

    def test_a_policy_whose_moves_do_not_fit_is_refused_in_play(self) -> None:
        for move, said in ((np.zeros(2), r"must have shape \(1,\)"), (np.array([np.inf]), "not finite")):
            env = FixedAdversary(pendulum(), lambda seen, move=move: move)
            env.reset(seed=0)
            with pytest.raises(InvalidInput, match=f"the adversary's move {said}|is {said}"):
                env.step(np.zeros(1))

    def test_a_step_before_a_reset_is_refused(self) -> None:
        with pytest.raises(gymnasium.error.ResetNeeded):
            FixedAdversary(Drift(), still(2)).step(np.zeros(1))


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
        with pytest.raises(InvalidInput, match=r"`reset_mask` must be flags of shape \(2,\)"):
            VectorGame(Drift(2)).reset(options={"reset_mask": mask})

    def test_closing_it_closes_the_game(self) -> None:
        face = VectorGame(Drift(2))
        face.close()
        assert face.game.closed


class TestPictures:
    def test_a_game_that_draws_itself_is_seen_through_its_faces(self) -> None:
        env, envs = SingleGame(DrawnDrift(), "rgb_array"), VectorGame(DrawnDrift(3), "rgb_array")
        env.reset(seed=0)
        envs.reset(seed=0)
        assert env.render().shape == (8, 16, 3)
        assert [picture.dtype for picture in envs.render()] == [np.uint8] * 3

    def test_without_a_mode_there_is_nothing_to_see(self) -> None:
        assert SingleGame(DrawnDrift()).render() is None
        assert VectorGame(DrawnDrift(2)).render() is None

    def test_a_mode_that_there_is_not_is_refused(self) -> None:
        for face in (SingleGame, VectorGame):
            with pytest.raises(InvalidInput, match="it has none, since its game has no `frame"):
                face(Drift(), "rgb_array")
            with pytest.raises(InvalidInput, match=r"`render_mode` 'human' is not one .* only 'rgb_array'"):
                face(DrawnDrift(), "human")


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
        for agent in itertools.islice(turns.agent_iter(), 6):
            turns.step(turns.action_space(agent).sample())

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="Dict of 'protagonist' and 'adversary'"):
            to_parallel_env(gymnasium.make("Pendulum-v1"))


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
        monkeypatch.chdir(tmp_path)  # MuJoCo writes a log where it stands
        batch = GymnasiumGame("Hopper-v5", 2, FOOT)
        start = batch.reset(seed=0)
        batch._envs[1].unwrapped.data.qvel[0] = np.nan
        outcome = batch.step(np.zeros((2, 3)), np.zeros((2, 2)))
        assert outcome.failed.tolist() == [False, True]
        assert_same([outcome.final_observation[1]], [start[1]])
        assert not batch.step(np.zeros((2, 3)), np.zeros((2, 2))).failed.any()

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
        with pytest.raises(gymnasium.error.ResetNeeded):
            envs.step(np.zeros((2, 1)))
        envs.reset(seed=0)
        with pytest.raises(InvalidInput, match=r"the adversary's move must have shape \(2, 2\), got \(2,\)"):
            envs.step(np.zeros((2, 1)))
