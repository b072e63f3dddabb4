"""An adversary in any environment: forces, mixed and replaced actions, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from heatbath.core.errors import HeatbathError, InvalidInput, NotFinite
from heatbath.envs.adversarial.faces.disturbances import ActionMixing, ActionReplacement
from heatbath.envs.adversarial.faces.fixed import FixedAdversary
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
from heatbath.envs.adversarial.forces import ForceField
from tests.envs.adversarial.faces.examples import FACES, FOOT, assert_same, hopper, pendulum, rollout
from tests.envs.adversarial.toys import Pushed, ThreeSteps


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

    def test_forces_reach_an_environment_that_makes_its_data_anew_at_a_reset(self) -> None:
        hopper_v5 = pytest.importorskip("gymnasium.envs.mujoco.hopper_v5")
        mujoco = pytest.importorskip("mujoco")

        class Fresh(hopper_v5.HopperEnv):  # type: ignore[misc, name-defined]
            def reset(self, **chosen: Any) -> Any:
                self.data = mujoco.MjData(self.model)
                return super().reset(**chosen)

        env, usual = AdversarialWrapper(Fresh(), FOOT), hopper()
        for each in (env, usual):
            each.reset(seed=0)
        move = {"protagonist": np.zeros(3, np.float32), "adversary": np.ones(2)}
        assert_same([env.step(move)[0]], [usual.step(move)[0]])
        assert env.unwrapped.data.xfrc_applied.any()  # type: ignore[attr-defined]

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
            ({"protagonist": [np.inf], "adversary": np.zeros(1)}, "the protagonist's move is not finite"),
            ({"protagonist": np.zeros((1, 1)), "adversary": np.zeros(1)}, r"must have shape \(1,\), got \(1, 1\)"),
            ({"protagonist": np.zeros(1), "adversary": "left"}, "must be an array of numbers, got 'left'"),
        ],
    )
    def test_moves_that_do_not_fit_are_refused(self, move: Any, said: str) -> None:
        env = pendulum()
        env.reset(seed=0)
        with pytest.raises(InvalidInput, match=said):
            env.step(move)

    @pytest.mark.parametrize("make", [pendulum, lambda: AdversarialWrapper(ThreeSteps(), ActionMixing(0.1))])
    def test_a_step_needs_a_reset_before_it(self, make: Any) -> None:
        for kind in (InvalidInput, gymnasium.error.ResetNeeded):
            with pytest.raises(kind, match="`reset` comes before the first `step`"):
                make().step({"protagonist": np.zeros(1), "adversary": np.zeros(1)})

    def test_a_discrete_move_that_is_none_is_refused(self) -> None:
        env = FACES["discrete"]()
        env.reset(seed=0)
        with pytest.raises(InvalidInput, match=r"the adversary's move 2 is not in its space Discrete\(2\)"):
            env.step({"protagonist": 0, "adversary": 2})


class TestBreakdowns:
    """Of one environment: said, counted, and not to be learnt from."""

    def test_what_mujoco_resets_in_silence_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        env = AdversarialWrapper(
            gymnasium.make("Hopper-v5", terminate_when_unhealthy=False), ForceField(("foot",), "xz", 1e9)
        )
        start = env.reset(seed=0)[0].copy()
        blown = {"protagonist": np.zeros(3, np.float32), "adversary": np.ones(2)}
        observation, reward, terminated, truncated, info = env.step(blown)
        assert (reward, terminated, truncated, info["failed"]) == (0.0, False, True, True)
        assert_same([observation], [start])
        env.reset()
        calm = env.step({"protagonist": np.zeros(3, np.float32), "adversary": np.zeros(2)})
        assert (calm[3], calm[4]["failed"]) == (False, False)
        assert env.failures.total == 1
        assert not list(tmp_path.iterdir()), "MuJoCo left its log"

    def test_what_is_not_finite_is_not_handed_on(self) -> None:
        env = AdversarialWrapper(ThreeSteps(broken_at=2), Pushed())
        env.reset(seed=0)
        move = {"protagonist": np.ones(1), "adversary": np.zeros(2)}
        first = env.step(move)[0]
        kept = first.copy()
        first[:] = 99.0  # the learner's own
        observation, reward, terminated, truncated, info = env.step(move)
        assert_same([observation], [kept])
        assert (reward, terminated, truncated, info["failed"]) == (0.0, False, True, True)

    def test_nor_to_a_learner_against_a_fixed_player(self) -> None:
        env = FixedAdversary(AdversarialWrapper(ThreeSteps(broken_at=1), Pushed()), lambda observation: np.zeros(2))
        start = env.reset(seed=0)[0]
        observation, reward, _, truncated, info = env.step(np.ones(1))
        assert_same([observation], [start])
        assert (reward, truncated, info["failed"]) == (0.0, True, True)

    def test_a_part_of_a_dict_that_is_not_finite_is_found(self) -> None:
        class Nested(gymnasium.ObservationWrapper[Any, Any, Any]):
            def __init__(self, env: Any) -> None:
                super().__init__(env)
                parts = {"seen": env.observation_space, "rest": gymnasium.spaces.Discrete(3)}
                self.observation_space = gymnasium.spaces.Dict(parts)

            def observation(self, observation: Any) -> Any:
                return {"seen": observation, "rest": 1}

        env = AdversarialWrapper(Nested(ThreeSteps(broken_at=1)), Pushed())
        env.reset(seed=0)
        *_, info = env.step({"protagonist": np.ones(1), "adversary": np.zeros(2)})
        assert info["failed"]

    def test_past_a_rate_the_run_is_stopped(self) -> None:
        env = AdversarialWrapper(ThreeSteps(broken_at=1), Pushed(), failure_rate=0.001)
        move = {"protagonist": np.ones(1), "adversary": np.zeros(2)}
        env.reset(seed=0)
        env.step(move)
        env.reset()
        env.unwrapped.broken_at = 2  # type: ignore[attr-defined]
        with pytest.raises(
            NotFinite, match="2 of the last 1000 steps ended in states that are not finite, more than 1"
        ):
            env.step(move)

    def test_an_environment_that_begins_so_is_an_error_at_once(self) -> None:
        class Lost(ThreeSteps):
            def _seen(self) -> Any:
                return np.full(2, np.nan)

        with pytest.raises(NotFinite, match="begins with an observation that is not finite"):
            AdversarialWrapper(Lost(), Pushed()).reset(seed=0)

    def test_what_others_mean_by_failed_is_not_a_breakdown(self) -> None:
        class Parcel(ThreeSteps):
            def step(self, action: Any) -> Any:
                return *super().step(action)[:4], {"failed": True}

        env = AdversarialWrapper(Parcel(), Pushed())
        env.reset(seed=0)
        assert not env.step({"protagonist": np.ones(1), "adversary": np.zeros(2)})[4]["failed"]

    def test_a_rate_out_of_range_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match=r"`failure_rate` must lie in \[0, 1\], got 2"):
            AdversarialWrapper(ThreeSteps(), Pushed(), failure_rate=2)
