import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from tests.envs.adversarial.games import TASKS, assert_same, make, moves

BODY = {"CartpoleBalance": "cart", "CartpoleSwingup": "pole", "PendulumSwingup": "bob", "InvertedPendulum": "cart"}


def vary(game, name, **chosen):
    n = game.num_envs
    body = BODY.get(name, "puck" if name.startswith("Wind") else "torso")
    game.vary({body: np.linspace(0.5, 4.0, n)}, np.linspace(0.2, 1.8, n), **chosen)
    return game


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_batch_is_the_loop_to_the_last_bit(name, threads):
    games = [make(name, 5, serial=True, horizon=25), make(name, 5, threads=threads, horizon=25)]
    loop, batch = (vary(game, name) for game in games)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(loop.reset(3), batch.reset(3))
    for step in range(60):
        actions, pushes = moves(loop, rng)
        assert_same(batch.step(actions, pushes), loop.step(actions, pushes))
        if step % 20 == 10:
            mask = rng.random(5) < 0.5
            seed = None if step < 40 else 11
            np.testing.assert_array_equal(batch.reset(seed, mask), loop.reset(seed, mask))


@pytest.mark.parametrize("recompute", [True, False])
def test_with_constants_recomputed_and_without(recompute):
    games = [
        vary(make("Hopper", 4, serial=serial), "Hopper", recompute_constants=recompute) for serial in (True, False)
    ]
    rng = np.random.default_rng(2)
    np.testing.assert_array_equal(*(game.reset(0) for game in games))
    for _ in range(40):
        actions, pushes = moves(games[0], rng)
        assert_same(*(game.step(actions, pushes) for game in games))


def test_recomputed_constants_follow_the_masses():
    # Published figure of the inverse weight of Hopper's torso, as it is and at 9 kg.
    for recompute, expected in ((False, 0.0849), (True, 0.0474)):
        game = make("Hopper", 1)
        game.vary({"torso": np.array([9.0])}, recompute_constants=recompute)
        game.reset(0)
        model, _ = game.snapshot(0)
        assert model.body_mass[1] == 9
        assert model.body_invweight0[1, 0] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("name", ["Hopper", "CartpoleSwingup", "WindCorridor"])
def test_a_simulation_does_not_know_of_the_others(name):
    crowd, alone = make(name, 7, horizon=30), make(name, 1, horizon=30)
    np.testing.assert_array_equal(crowd.reset(10)[4:5], alone.reset(14))
    rng = np.random.default_rng(3)
    for _ in range(70):
        actions, pushes = moves(crowd, rng)
        outcome, own = crowd.step(actions, pushes), alone.step(actions[4:5], pushes[4:5])
        np.testing.assert_array_equal(outcome.observation[4:5], own.observation)
        np.testing.assert_array_equal(outcome.reward[4:5], own.reward)


def test_seeds_reproduce_to_the_last_bit_and_streams_go_on_without():
    courses = []
    for _ in range(2):
        game, rng = make("Walker2d", 3, threads=2), np.random.default_rng(4)
        first = game.reset(5)
        course = [game.step(*moves(game, rng)) for _ in range(60)]
        assert any(outcome.ended.any() for outcome in course)
        courses.append(course)
    for one, other in zip(*courses, strict=True):
        assert_same(one, other)
    assert not np.array_equal(game.reset(), first)
    np.testing.assert_array_equal(game.reset(5), first)
    assert not np.array_equal(make("Walker2d", 3).reset(), make("Walker2d", 3).reset()), "no seed, yet the same"


def test_snapshots_are_copies_of_a_simulations_state_with_its_forces():
    for serial in (False, True):
        game = make("Hopper", 3, max_force=7.0, serial=serial)
        game.reset(0)
        game.step(np.ones((3, 3)), np.full((3, 2), 0.5))
        model, data = game.snapshot(1)
        np.testing.assert_array_equal(data.qpos, game.simulations.qpos[1])
        assert data.xfrc_applied[model.body("foot").id].tolist() == [3.5, 0, 3.5, 0, 0, 0]
        data.qpos[:] = 0
        assert game.simulations.qpos[1].any()
