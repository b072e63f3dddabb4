"""Environments that are not ours drop in, whatever their spaces; and the batched core equals the generic path."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from heatbath.core.errors import ConfigError, InvalidInput
from heatbath.core.host import Host
from heatbath.envs.adversarial.faces.disturbances import ActionMixing, ActionReplacement
from heatbath.envs.adversarial.faces.fixed import FixedAdversary
from heatbath.envs.adversarial.faces.ids import game
from heatbath.envs.adversarial.faces.vector import VectorGame
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from heatbath.testing import build
from tests.envs.adversarial.toys import Pushed, ThreeSteps


def parking() -> Any:
    """A car that is to be parked, of highway-env: goals in its observations, a Dict."""
    pytest.importorskip("highway_env")
    return gymnasium.make("parking-v0", config={"duration": 3})


def racetrack() -> Any:
    """A car on a track, of highway-env: a grid of features."""
    pytest.importorskip("highway_env")
    return gymnasium.make("racetrack-v1", config={"duration": 3})


def identity() -> Any:
    """The environment that stable-baselines3 tests with."""
    envs = pytest.importorskip("stable_baselines3.common.envs")
    env = envs.IdentityEnvBox(ep_length=10)
    env.observation_space.seed(0)  # its states are samples of that space, which its reset leaves alone
    return env


def acrobot_pixels() -> Any:
    """Observations of integers, two-dimensional."""

    class Pixels(ThreeSteps):
        def __init__(self) -> None:
            super().__init__()
            self.observation_space = gymnasium.spaces.Box(0, 255, (4, 5), np.uint8)

        def _seen(self) -> Any:
            return np.full((4, 5), self.step_number, np.uint8)

    return Pixels()


FOREIGN = {
    "gymnasium, Pendulum": (lambda: gymnasium.make("Pendulum-v1", max_episode_steps=15), ActionMixing(0.2), 3),
    "gymnasium, MountainCar": (
        lambda: gymnasium.make("MountainCarContinuous-v0", max_episode_steps=15), ActionReplacement(0.3), 2,
    ),
    "highway-env, parking": (parking, ActionMixing(0.2), 18),
    "highway-env, racetrack": (racetrack, ActionMixing(0.2), 2 * 12 * 12),
    "stable-baselines3, identity": (identity, ActionMixing(0.2), 1),
    "pixels": (acrobot_pixels, Pushed(), 20),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:highway_env", "ignore:.*is out of date:DeprecationWarning")
class TestForeign:
    def test_it_is_a_game_whose_seeds_reproduce(self, name: str) -> None:
        make, disturbance, size = FOREIGN[name]
        runs = []
        for _ in range(2):
            face = VectorGame(GymnasiumGame(make, 2, disturbance))
            assert face.single_observation_space.shape == (size,)
            face.action_space.seed(0)
            said, ended = [face.reset(seed=4)[0]], 0
            for _ in range(40):
                observation, reward, terminated, truncated, _ = face.step(face.action_space.sample())
                assert observation in face.observation_space
                said += [observation, reward, terminated, truncated]
                ended += int((terminated | truncated).sum())
            assert ended >= 2
            runs.append(said)
            face.close()
        for one, other in zip(*runs, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_it_can_be_played_against_a_fixed_adversary(self, name: str) -> None:
        make, disturbance, _ = FOREIGN[name]
        env = AdversarialWrapper(make(), disturbance)
        still = np.zeros(env.action_space["adversary"].shape)
        fixed = FixedAdversary(env, lambda observation: still)
        observation, _ = fixed.reset(seed=0)
        assert observation in fixed.observation_space
        assert np.isfinite(fixed.step(fixed.action_space.sample())[1])


class TestEquality:
    """Of the batched core with gymnasium's own robot in the generic path, in every bit, across resets."""

    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize(
        ("name", "env_id"),
        [
            ("hopper", "Hopper-v5"),
            ("half-cheetah", "HalfCheetah-v5"),
            ("walker2d", "Walker2d-v5"),
            ("inverted-pendulum", "InvertedPendulum-v5"),
            ("ant", "Ant-v5"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:.*settotalmass")
    def test_of_both_paths(self, name: str, env_id: str, count: int) -> None:
        batched = VectorGame(game(name, count, horizon=60))
        field = batched.game.forces.field  # type: ignore[attr-defined]
        generic = VectorGame(GymnasiumGame(env_id, count, field, time_limit=60))
        assert generic.single_action_space == batched.single_action_space
        assert generic.single_observation_space == batched.single_observation_space
        batched.action_space.seed(1)
        np.testing.assert_array_equal(generic.reset(seed=9)[0], batched.reset(seed=9)[0])
        ended = 0
        for _ in range(190):
            actions = batched.action_space.sample()
            one, other = generic.step(actions), batched.step(actions)
            for mine, its in zip(one[:4], other[:4], strict=True):
                np.testing.assert_array_equal(mine, its)
            assert one[4].keys() == other[4].keys()
            for mine, its in zip(one[4].get("final_obs", ()), other[4].get("final_obs", ()), strict=True):
                np.testing.assert_array_equal(mine, its)
            ended += int((one[2] | one[3]).sum())
        assert ended >= 3 * count
        mask = np.arange(count) == 0
        for face in (generic, batched):
            face.reset(seed=30, options={"reset_mask": mask})
        actions = batched.action_space.sample()
        np.testing.assert_array_equal(generic.step(actions)[0], batched.step(actions)[0])


class TestComponent:
    def test_any_environment_is_chosen_by_its_id(self, host: Host) -> None:
        host.load("envs")
        made = build(
            host, "envs", "gymnasium", facts={"simulations": 3}, env_id="MountainCarContinuous-v0", time_limit=9
        )
        assert made.reset(seed=0).shape == (3, 2)
        forced = build(
            host, "envs", "gymnasium", facts={"simulations": 2}, env_id="InvertedPendulum-v5", disturbance="force",
            bodies=("pole",), axes="x",
        )  # fmt: skip
        assert forced.adversary_space.shape == (1,)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"env_id": "Pendulm-v1"}, "gymnasium knows no environment 'Pendulm-v1' .*Did you mean: `Pendulum`"),
            ({"env_id": "somewhere:Env-v0"}, "a config imports no module"),
            ({"delta": 1.5}, r"`delta` must lie in \[0, 1\], got 1.5"),
            ({"disturbance": "force"}, "needs `bodies`"),
            ({"disturbance": "force", "bodies": ("pole",)}, "ForceField needs an environment of MuJoCo"),
            ({"max_force": -1.0}, "`max_force` must be positive and finite"),
            ({"time_limit": 0}, "`time_limit` must be at least 1"),
            ({"failure_rate": 2.0}, r"`failure_rate` must lie in \[0, 1\]"),
            ({"env_id": "CartPole-v1"}, "ActionMixing needs actions in a bounded Box"),
            ({"env_id": "CartPole-v1", "disturbance": "replacement"}, "in a batch both players move in Boxes"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises((ConfigError, InvalidInput), match=said):
            game("gymnasium", 2, **options)

    def test_an_adversarys_moves_are_scaled_to_what_it_moves_in(self) -> None:
        batch = GymnasiumGame("Pendulum-v1", 1, ActionReplacement(1.0))
        assert batch.adversary_space == gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        plain = gymnasium.make("Pendulum-v1")
        batch.reset(seed=2)
        plain.reset(seed=2)
        for move, torque in ((0.25, 0.5), (-1.0, -2.0), (7.0, 2.0)):
            outcome = batch.step(np.zeros((1, 1)), np.array([[move]]))
            np.testing.assert_array_equal(outcome.observation[0], plain.step(np.array([torque], np.float32))[0])

    @pytest.mark.parametrize("space", [Box(-np.inf, np.inf, (1,)), Box(0, 3, (1,), np.int64)])
    def test_what_has_no_scale_is_refused(self, space: Box) -> None:
        def make() -> Any:
            env = ThreeSteps()
            env.action_space = space
            return env

        with pytest.raises(InvalidInput, match="adversary of a batch moves in a bounded Box of real numbers"):
            GymnasiumGame(make, 1, ActionReplacement(0.1))

    def test_a_batch_needs_copies_that_are_alike(self) -> None:
        lengths = iter([2, 3])

        def make() -> Any:
            env = ThreeSteps()
            env.observation_space = gymnasium.spaces.Box(-1, 1, (next(lengths),))
            return env

        with pytest.raises(InvalidInput, match="copies must be alike: the `observation_space` of copy 1 is"):
            GymnasiumGame(make, 2, Pushed())

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((ThreeSteps, 0, Pushed()), "`num_envs` must be at least 1, got 0"),
            ((ThreeSteps, 2, None), "AdversarialWrapper"),
            ((lambda: gymnasium.make_vec("Pendulum-v1"), 2, Pushed()), "it gave SyncVectorEnv"),
            ((lambda: None, 1, Pushed()), "it gave NoneType"),
        ],
    )
    def test_what_is_no_environment_is_refused(self, arguments: Any, said: str) -> None:
        with pytest.raises(InvalidInput, match=said):
            GymnasiumGame(*arguments)

    def test_observations_that_are_no_vectors_are_refused(self) -> None:
        def make() -> Any:
            env = ThreeSteps()
            env.observation_space = gymnasium.spaces.Sequence(gymnasium.spaces.Box(-1, 1, (2,)))
            return env

        with pytest.raises(InvalidInput, match="cannot be flattened to vectors of one length"):
            GymnasiumGame(make, 1, Pushed())

    @pytest.mark.parametrize("moves", [(np.zeros((2, 2)), np.zeros((2, 2))), (np.zeros((2, 1)), np.zeros(2))])
    def test_moves_of_another_shape_are_refused(self, moves: Any) -> None:
        batch = GymnasiumGame(ThreeSteps, 2, Pushed())
        batch.reset(seed=0)
        with pytest.raises(InvalidInput, match=r"'s move must have shape \(2, [12]\), got \(2"):
            batch.step(*moves)

    @pytest.mark.parametrize("mask", [np.array([1]), np.array([1, 1]), np.ones(3, bool), [0, 1]])
    def test_masks_are_checked(self, mask: Any) -> None:
        with pytest.raises(InvalidInput, match=r"`mask` must be boolean of shape \(2,\), got"):
            GymnasiumGame(ThreeSteps, 2, Pushed()).reset(0, mask)

    @pytest.mark.parametrize("make", [ThreeSteps, "Pendulum-v1"])
    def test_a_step_needs_a_reset_before_it(self, make: Any) -> None:
        batch = GymnasiumGame(make, 2, ActionMixing(0.1))
        moves = np.zeros((2, 1)), np.zeros((2, 1))
        with pytest.raises(InvalidInput, match=r"not all simulations were reset, call reset\(\) before step\(\)"):
            batch.step(*moves)
        batch.reset(0, np.array([True, False]))
        with pytest.raises(InvalidInput, match="not all simulations were reset"):
            batch.step(*moves)
        batch.reset(0, np.array([False, True]))
        batch.step(*moves)

    def test_pictures_are_the_environments_own(self) -> None:
        pytest.importorskip("pygame")
        face = VectorGame(GymnasiumGame("Pendulum-v1", 2, ActionMixing(0.1), render_mode="rgb_array"), "rgb_array")
        face.reset(seed=0)
        assert [picture.shape for picture in face.render()] == [(500, 500, 3)] * 2
        face.close()
