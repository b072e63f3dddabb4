import dataclasses
import tracemalloc

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from mujoco import batch  # noqa: E402

from heatbath.core.errors import ConfigError, InvalidInput, NotFinite  # noqa: E402
from heatbath.envs.adversarial.forces import ForceField  # noqa: E402
from heatbath.envs.adversarial.locomotion import HOPPER  # noqa: E402
from heatbath.envs.adversarial.mujoco_game import MujocoGame  # noqa: E402
from heatbath.envs.adversarial.task import Task, positions_and_velocities  # noqa: E402
from tests.envs.adversarial.games import make, moves  # noqa: E402

RAIL = """
<mujoco>
  <option timestep="1" gravity="0 0 0"/>
  <worldbody>
    <body name="car"><joint name="rail" type="slide" axis="1 0 0"/><geom size=".1" mass="1"/></body>
  </worldbody>
  <actuator><motor joint="rail" ctrllimited="true" ctrlrange="-1 1"/></actuator>
</mujoco>
"""


def rail(horizon, ends_at=3.0, simulations=2, xml=RAIL, **chosen):
    """Cars that begin at 100, 200, ... (by their seed) and go on by one a step; the episode ends after `ends_at`."""

    def start(rng, qpos, qvel):
        return np.array([100.0 * rng.integers(1, 1000)]), np.array([1.0])

    def judge(step):
        travelled = step.simulations.qpos[:, 0] % 100
        return travelled.copy(), travelled >= ends_at

    task = Task(
        "rail", lambda: mujoco.MjModel.from_xml_string(xml), 1, ForceField(("car",), "x"), horizon, start,
        positions_and_velocities(), judge,
    )  # fmt: skip
    return MujocoGame(task, simulations, **chosen)


STILL = np.zeros((2, 1))


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize(("horizon", "ends_at", "length"), [(9, 3.0, 3), (3, 50.0, 3), (3, 3.0, 3)])
def test_no_transition_crosses_the_boundary_of_an_episode(horizon, ends_at, length, serial):
    game = rail(horizon, ends_at, serial=serial)
    observation, streaks = game.reset(0), []
    for step in range(1, 13):
        outcome = game.step(STILL, STILL)
        np.testing.assert_array_equal(outcome.final_observation[:, 0], observation[:, 0] + 1)
        ended = step % length == 0
        assert (outcome.ended == ended).all()
        if ended:
            assert (outcome.observation[:, 0] % 100 == 0).all(), "not the start of an episode"
            assert (outcome.final_observation[:, 0] % 100 == length).all()
        else:
            np.testing.assert_array_equal(outcome.observation, outcome.final_observation)
        observation = outcome.observation
        streaks.append(outcome)
    last = streaks[length - 1]
    assert last.terminated.all() == (ends_at == length)
    assert last.truncated.all() == (horizon == length)


def test_truncation_bootstraps_and_termination_does_not():
    # r + gamma (1 - terminated) V(next) with V = 10 everywhere: at the goal the reward alone, at the time limit more.
    def targets(game):
        game.reset(0)
        outcomes = [game.step(STILL, STILL) for _ in range(3)]
        return [float((out.reward + 0.5 * ~out.terminated * 10.0)[0]) for out in outcomes]

    assert targets(rail(9, 3.0)) == [6.0, 7.0, 3.0]
    assert targets(rail(3, 50.0)) == [6.0, 7.0, 8.0]


def test_simulations_end_on_their_own():
    game = rail(9, 3.0)
    game.reset(0)
    game.step(STILL, STILL)
    before = game.reset(None, np.array([False, True]))
    assert (before[:, 0] % 100).tolist() == [1, 0]
    game.step(STILL, STILL)
    outcome = game.step(STILL, STILL)
    assert outcome.terminated.tolist() == [True, False]
    assert (outcome.observation[:, 0] % 100).tolist() == [0, 2]


def test_a_mask_of_nobody_changes_nothing():
    game = make("Hopper")
    first = game.reset(0)
    np.testing.assert_array_equal(game.reset(1, np.zeros(3, bool)), first)


@pytest.mark.parametrize("serial", [False, True])
def test_forces_are_gone_after_a_reset(serial):
    pushed, calm = make("Hopper", serial=serial, max_force=20.0), make("Hopper", serial=serial)
    pushed.reset(0)
    pushed.step(np.ones((3, 3)), np.ones((3, 2)))
    assert pushed.simulations.xfrc_applied.any()
    np.testing.assert_array_equal(pushed.reset(0), calm.reset(0))
    assert not pushed.simulations.xfrc_applied.any()
    assert not pushed.simulations.ctrl.any()
    zero = np.zeros((3, 2))
    np.testing.assert_array_equal(*(game.step(np.ones((3, 3)), zero).observation for game in (pushed, calm)))


def test_outcomes_are_the_callers_to_keep():
    game = make("Hopper")
    kept = game.reset(0)
    copy, rng = kept.copy(), np.random.default_rng(0)
    outcome = game.step(*moves(game, rng))
    saved = {field.name: getattr(outcome, field.name).copy() for field in dataclasses.fields(outcome)}
    for array in saved:
        assert not np.shares_memory(getattr(outcome, array), outcome.observation) or array == "observation"
    game.step(*moves(game, rng))
    np.testing.assert_array_equal(kept, copy)
    for name, array in saved.items():
        np.testing.assert_array_equal(getattr(outcome, name), array)


def test_what_is_outside_of_the_spaces_is_clipped():
    inside, outside = make("Hopper", max_force=3.0), make("Hopper", max_force=3.0)
    for game in (inside, outside):
        game.reset(0)
    far = outside.step(np.full((3, 3), 9.0), np.full((3, 2), -9.0))
    near = inside.step(np.ones((3, 3)), -np.ones((3, 2)))
    np.testing.assert_array_equal(far.observation, near.observation)
    np.testing.assert_array_equal(far.reward, near.reward)


@pytest.mark.parametrize("serial", [False, True])
def test_a_simulation_that_breaks_down_is_reset_and_counted(serial):
    game = make("Hopper", serial=serial)
    before = game.reset(0)
    game.simulations.qvel[1, 2] = np.nan
    outcome = game.step(np.zeros((3, 3)), np.zeros((3, 2)))
    assert outcome.failed.tolist() == [False, True, False]
    assert outcome.truncated.tolist() == [False, True, False]
    assert not outcome.terminated.any()
    assert outcome.reward[1] == 0
    np.testing.assert_array_equal(outcome.final_observation[1], before[1])
    assert np.isfinite(outcome.observation).all()
    assert np.abs(outcome.observation[1] - before[1]).max() < 0.02, "not at the start of an episode"
    assert not game.step(np.zeros((3, 3)), np.zeros((3, 2))).failed.any()
    assert game.failures.total == 1


@pytest.mark.parametrize("serial", [False, True])
def test_a_run_with_many_failures_is_stopped(serial, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    game = make("Hopper", 10, max_force=1e12, serial=serial)
    game.reset(0)
    broken = []

    def play():
        while len(broken) < 100:
            broken.append(game.step(np.ones((10, 3)), np.ones((10, 2))).failed.sum())

    with pytest.raises(NotFinite, match=r"hopper: \d+ of the last 1000 steps.*more than 50; check forces and masses"):
        play()
    assert 40 <= sum(broken) <= 50
    assert not list(tmp_path.iterdir()), "MuJoCo left its log"


def test_old_failures_are_forgotten():
    game = make("InvertedPendulum", 100, failure_rate=0.1)
    game.reset(0)
    for _ in range(5):
        for _ in range(11):
            game.step(np.zeros((100, 1)), np.zeros((100, 2)))
        game.simulations.qvel[:60] = np.nan
        assert game.step(np.zeros((100, 1)), np.zeros((100, 2))).failed.sum() == 60


@pytest.mark.parametrize(
    ("actions", "pushes", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"protagonist's moves must have shape \(3, 3\), got \(2, 3\)"),
        (np.zeros((3, 3)), np.zeros((3, 3)), r"adversary's moves must have shape \(3, 2\), got \(3, 3\)"),
        (np.full((3, 3), np.nan), np.zeros((3, 2)), "protagonist's moves are not finite in simulation 0"),
        (np.zeros((3, 3)), np.full((3, 2), np.inf), "adversary's moves are not finite in simulation 0"),
    ],
)
def test_moves_are_checked(actions, pushes, message):
    game = make("Hopper")
    game.reset(0)
    with pytest.raises(InvalidInput, match=message):
        game.step(actions, pushes)


def test_a_step_needs_a_reset_before_it():
    game = make("Hopper")
    with pytest.raises(InvalidInput, match="call reset"):
        game.step(np.zeros((3, 3)), np.zeros((3, 2)))
    game.reset(0, np.array([True, False, True]))
    with pytest.raises(InvalidInput, match="not all simulations were reset"):
        game.step(np.zeros((3, 3)), np.zeros((3, 2)))


@pytest.mark.parametrize("mask", [np.ones(2, bool), np.ones(3), [0, 1, 2]])
def test_masks_are_checked(mask):
    with pytest.raises(InvalidInput, match="`mask` must be boolean of shape"):
        make("Hopper").reset(0, mask)


@pytest.mark.parametrize(
    ("masses", "friction", "error", "message"),
    [
        ({"tors": np.ones(3)}, None, ConfigError, "no body 'tors' with a mass; the model has torso, thigh, leg, foot"),
        ({"torso": np.ones(2)}, None, InvalidInput, r"mass of torso must have shape \(3,\), got \(2,\)"),
        ({"torso": np.array([1, 0, 1])}, None, InvalidInput, "positive and finite, got values from 0 to 1"),
        ({}, np.array([1, np.nan, 1]), InvalidInput, "friction must be positive and finite"),
    ],
)
def test_masses_and_frictions_are_checked(masses, friction, error, message):
    with pytest.raises(error, match=message):
        make("Hopper").vary(masses, friction)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(InvalidInput, match="`simulations` must be at least 1, got 0"):
        make("Hopper", 0)
    for chosen in (
        {"axes": "xq"},
        {"bodies": ("leg", "leg")},
        {"max_force": -1.0},
        {"horizon": 0},
        {"threads": 0},
        {"failure_rate": 1.5},
    ):
        with pytest.raises(ValueError, match=f"`{next(iter(chosen))}` must"):
            make("Hopper", **chosen)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"horizon": 0}, "`horizon` must be at least 1, got 0"),
        ({"threads": 0}, "`threads` must be at least 1, got 0"),
        ({"failure_rate": 7.0}, r"`failure_rate` must lie in \[0, 1\], got 7"),
        ({"failure_rate": float("nan")}, r"`failure_rate` must lie in \[0, 1\], got nan"),
    ],
)
def test_a_game_made_without_options_refuses_them_too(chosen, message):
    with pytest.raises(InvalidInput, match=message):
        MujocoGame(HOPPER, 1, **chosen)


def test_steps_do_not_gather_memory():
    game, rng = make("InvertedPendulum", 8), np.random.default_rng(0)
    game.reset(0)
    ours, theirs = moves(game, rng)
    for _ in range(20):
        game.step(ours, theirs)
    tracemalloc.start()
    for _ in range(200):
        game.step(ours, theirs)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000


def test_an_error_of_mujoco_is_that_simulations_failure_alone(monkeypatch):
    game = make("Hopper")
    step = game.simulations._batch.step

    def breaking(**chosen):
        step(ids=[0, 2], **chosen)
        raise batch.SimulationError(np.array([1]), "out of memory")

    game.reset(0)
    monkeypatch.setattr(game.simulations._batch, "step", breaking)
    outcome = game.step(np.zeros((3, 3)), np.zeros((3, 2)))
    assert outcome.failed.tolist() == outcome.truncated.tolist() == [False, True, False]


def test_an_error_of_mujoco_in_the_loop_is_too(monkeypatch):
    game, step = make("Hopper", serial=True), mujoco.mj_step

    def breaking(model, data, nstep):
        if data is game.simulations._data[1]:
            raise mujoco.FatalError("out of memory")
        step(model, data, nstep=nstep)

    game.reset(0)
    monkeypatch.setattr(mujoco, "mj_step", breaking)
    outcome = game.step(np.zeros((3, 3)), np.zeros((3, 2)))
    assert outcome.failed.tolist() == outcome.truncated.tolist() == [False, True, False]


def test_controls_are_bounded_where_their_actuator_is():
    assert rail(3).protagonist_space.high.tolist() == [1]
    free = rail(3, xml=RAIL.replace('ctrllimited="true" ctrlrange="-1 1"', ""))
    assert free.protagonist_space.low.tolist() == [-np.inf]
    free.reset(0)
    assert free.step(np.full((2, 1), 50.0), STILL).final_observation[0, 1] > 2
