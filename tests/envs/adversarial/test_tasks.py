import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from heatbath.envs.adversarial.model_files import ours
from heatbath.envs.adversarial.mujoco_game import MujocoGame
from heatbath.envs.adversarial.poles import nearness
from heatbath.envs.adversarial.wind import CORRIDOR, NAVIGATION, task
from tests.envs.adversarial.games import TASKS, assert_same, make, moves

UNIT = [name for name in TASKS if name.startswith(("Cartpole", "Pendulum", "Wind"))]


def put(game, qpos, qvel=None):
    """One control step without moves from this state; its outcome."""
    game.reset(0)
    game.simulations.qpos[:] = qpos
    game.simulations.qvel[:] = 0 if qvel is None else qvel
    return game.step(
        np.zeros((game.num_envs, *game.protagonist_space.shape)), np.zeros((game.num_envs, *game.adversary_space.shape))
    )


@pytest.mark.parametrize("name", UNIT)
def test_rewards_lie_in_the_unit_interval_and_the_horizon_truncates(name):
    game, rng = make(name, 4, horizon=50), np.random.default_rng(0)
    game.reset(0)
    for step in range(1, 101):
        outcome = game.step(*moves(game, rng))
        assert ((outcome.reward >= 0) & (outcome.reward <= 1)).all()
        if name.startswith("Wind"):
            continue
        assert not outcome.terminated.any()
        assert outcome.truncated.all() == outcome.truncated.any() == (step % 50 == 0)


def test_a_cart_pole_is_worth_most_upright_in_the_middle_and_at_rest():
    game = make("CartpoleBalance", 5)
    outcome = put(
        game, [[0, 0], [0, math.pi], [1, 0], [0, math.pi / 3], [0, 0]], [[0, 0], [0, 0], [0, 0], [0, 0], [0, 3]]
    )
    best, hanging, aside, tilted, turning = outcome.reward
    assert best == pytest.approx(1, abs=1e-12)
    assert hanging == pytest.approx(0, abs=1e-6)
    assert aside == pytest.approx((1 + 0.1**0.25) / 2, abs=1e-6)
    assert tilted == pytest.approx(0.75, abs=0.01)
    assert turning == pytest.approx((1 + 0.1**0.36) / 2, abs=0.01)
    game.reset(0)
    game.simulations.qpos[:] = game.simulations.qvel[:] = 0
    pushed = game.step(np.full((5, 1), 0.5), np.zeros((5, 2))).reward[0]
    assert pushed == pytest.approx(0.95, abs=0.01)


def test_nearness_is_one_at_zero_and_a_tenth_at_the_margin():
    np.testing.assert_allclose(nearness(np.array([0, 1, 2, -2, 4.0]), 2), [1, 0.1**0.25, 0.1, 0.1, 1e-4])


def test_observations_hold_the_angles_as_points_of_the_circle():
    game = make("PendulumSwingup", 2)
    outcome = put(game, [[0.3], [0.3 + 2 * math.pi]])
    np.testing.assert_allclose(outcome.observation[0], outcome.observation[1], atol=1e-12)
    assert outcome.observation[0, 0] ** 2 + outcome.observation[0, 1] ** 2 == pytest.approx(1)
    cart = make("CartpoleSwingup", 8).reset(3)
    assert (cart[:, 1] < -0.99).all(), "not hanging"
    assert (np.abs(cart[:, 0]) <= 0.02).all()


def test_a_pendulum_is_upright_within_eight_degrees():
    outcome = put(make("PendulumSwingup", 4), np.radians([[0], [7.9], [8.3], [180]]))
    assert outcome.reward.tolist() == [1, 1, 0, 0]


def test_a_pendulums_motor_is_too_weak_to_hold_it_aside():
    game = make("PendulumSwingup", 1)
    game.reset(0)
    game.simulations.qpos[:], game.simulations.qvel[:] = math.pi, 0
    angles = [game.step(np.ones((1, 1)), np.zeros((1, 2))).observation[0] for _ in range(200)]
    assert max(cos for cos, _, _ in angles) < -0.5


def toward(observation, x, y):
    """Motor commands of a controller that heads for a point and brakes there."""
    return np.stack((4 * (x - observation[:, 0]), 4 * (y - observation[:, 1])), axis=1) - 2 * observation[:, 2:]


def straight(goal):
    return lambda observation: toward(observation, goal, 0.0)


def careful(goal, windy, distance):
    """Keeps its distance from the edge before it enters the windy stretch, and in it."""

    def act(observation):
        x, y = observation[:, 0], observation[:, 1]
        waiting = (x < windy[0]) & (y > 0.1 - distance)
        return toward(
            observation,
            np.where(waiting, np.minimum(x, windy[0] - 0.1), goal),
            np.where(x < windy[1], -distance, 0.0),
        )

    return act


def play(name, policy, wind):
    """Mean return and share of falls of 20 episodes in constant wind."""
    game = make(name, 20)
    observation, total = game.reset(0), np.zeros(20)
    running, fallen = np.ones(20, bool), np.zeros(20, bool)
    while running.any():
        outcome = game.step(policy(observation), np.full((20, 1), wind))
        total += running * outcome.reward
        fallen |= running & outcome.terminated
        running &= ~outcome.ended
        observation = outcome.observation
    return total.mean(), fallen.mean()


@pytest.mark.parametrize(
    ("name", "goal", "windy", "distance"),
    [("WindCorridor", 1.5, (-0.5, 0.5), 0.7), ("WindNavigation", 10.0, (4.0, 8.0), 1.5)],
)
def test_the_wind_blows_down_whoever_hugs_the_edge_and_nobody_who_keeps_away(name, goal, windy, distance):
    bold, wise = straight(goal), careful(goal, windy, distance)
    (calm_bold, falls), (calm_wise, none) = play(name, bold, 0.0), play(name, wise, 0.0)
    assert falls == none == 0
    assert calm_bold > calm_wise, "care costs nothing"
    (windy_bold, falls), (windy_wise, none) = play(name, bold, 1.0), play(name, wise, 1.0)
    assert falls == 1
    assert none == 0
    assert windy_wise > 2 * windy_bold


def test_the_edge_may_lie_elsewhere_and_falling_pays_nothing():
    for cliff, fallen in ((0.15, True), (0.3, False)):
        outcome = put(make("WindCorridor", 1, cliff=cliff), [[0.0, 0.2]])
        assert outcome.terminated[0] == fallen
        assert (outcome.reward[0] == 0) == fallen
    assert not put(make("WindCorridor", 1), [[0.7, 3.0]]).terminated[0], "a cliff outside of the stretch"
    with pytest.raises(ValueError, match="`cliff` must be positive"):
        make("WindCorridor", cliff=0.0)


def test_bodies_and_axes_can_be_chosen():
    game = make("Hopper", 2, bodies=("torso", "leg"), axes="xty", max_force=4.0)
    assert game.forces.labels == ("torso x", "torso ty", "leg x", "leg ty")
    assert game.adversary_space.shape == (4,)
    assert make("Ant", 1, bodies=("*",), axes="z").adversary_space.shape == (13,)


@pytest.mark.parametrize("course", [CORRIDOR, NAVIGATION])
def test_what_is_drawn_of_a_course_changes_no_bit_of_its_simulations(course):
    drawn, bare = (MujocoGame(chosen, 4) for chosen in (task(course), replace(task(course), load=ours("puck.xml"))))
    model = drawn.simulations.model
    added = {model.geom(i).name for i in range(model.ngeom)} - {"ground", "puck"}
    assert added == {"wind", "cliff", "goal"} | ({"seen"} if course is NAVIGATION else set())
    assert not any(model.geom(name).contype.any() or model.geom(name).conaffinity.any() for name in added)
    for field in (
        "body_mass",
        "body_inertia",
        "body_ipos",
        "body_iquat",
        "body_invweight0",
        "dof_invweight0",
        "dof_M0",
    ):
        np.testing.assert_array_equal(
            *(getattr(game.simulations.model, field) for game in (drawn, bare)), err_msg=field
        )
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(drawn.reset(3), bare.reset(3))
    for _ in range(300):
        ours_, theirs = moves(drawn, rng)
        ours_[:, 0] = 1.0
        assert_same(drawn.step(ours_, theirs), bare.step(ours_, theirs))
