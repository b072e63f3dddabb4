import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("mujoco")

from tests.envs.adversarial.games import make, moves  # noqa: E402

BODIES = {
    "Hopper": "Hopper-v5",
    "HalfCheetah": "HalfCheetah-v5",
    "Walker2d": "Walker2d-v5",
    "InvertedPendulum": "InvertedPendulum-v5",
    "Ant": "Ant-v5",
}


@pytest.mark.parametrize("serial", [False, True], ids=["batch", "loop"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", BODIES)
def test_without_a_push_it_is_gymnasiums_environment_to_the_last_bit(name, kind, serial):
    game = make(name, 3, horizon=40, serial=serial)
    peers = [gymnasium.make(BODIES[name], max_episode_steps=40) for _ in range(3)]
    observation = game.reset(7)
    np.testing.assert_array_equal(observation, [peer.reset(seed=7 + i)[0] for i, peer in enumerate(peers)])
    assert game.observation_space == peers[0].observation_space
    assert game.protagonist_space == peers[0].action_space
    rng, ended = np.random.default_rng(0), 0
    for _ in range(100):
        actions, pushes = moves(game, rng, push=0.0, kind=kind)
        outcome = game.step(actions, pushes)
        for i, peer in enumerate(peers):
            observation, reward, terminated, truncated, _ = peer.step(actions[i])
            np.testing.assert_array_equal(outcome.final_observation[i], observation)
            assert (outcome.reward[i], outcome.terminated[i], outcome.truncated[i]) == (reward, terminated, truncated)
            if terminated or truncated:
                observation, _ = peer.reset()
                ended += 1
            np.testing.assert_array_equal(outcome.observation[i], observation)
    assert ended >= 6
    for peer in peers:
        peer.close()


def test_a_push_changes_the_course():
    game = make("Hopper", 2)
    game.reset(0)
    outcome = game.step(np.zeros((2, 3)), np.array([[0.0, 0.0], [1.0, 0.0]]))
    still = make("Hopper", 2)
    still.reset(0)
    calm = still.step(np.zeros((2, 3)), np.zeros((2, 2)))
    np.testing.assert_array_equal(outcome.observation[0], calm.observation[0])
    assert np.abs(outcome.observation[1] - calm.observation[1]).max() > 1e-6
