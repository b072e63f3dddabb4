"""Episodes between agents, and the experiment that sets adversaries on a player."""

import sys

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from gymnasium.spaces import Box

import heatbath
from heatbath.core.choices import Pick
from heatbath.core.errors import ConfigError, InvalidInput, NotFinite
from heatbath.core.hookspecs import Component
from heatbath.plugins.qarl.episodes import Seat, onto, play
from heatbath.testing import build, check_experiment, invoke
from tests.making import make_plugin
from tests.plugins.qarl.games import Line

SMALL = {"horizon": 15, "population": 8, "others": 4, "episodes": 3, "directions": 4, "points": 2, "steps": 2}


class Told:
    """Plays one action, and writes down what it is told."""

    def __init__(self, *action):
        self.action, self.transitions, self.modes = torch.tensor([action]), [], []

    def reset(self, mode, batch):
        self.modes.append(mode)
        return 0

    def act(self, observation, state, generator):
        return self.action.expand(len(observation), -1), state + 1

    def observe(self, transition):
        self.transitions.append(transition)
        return transition.state

    def update(self, generator):
        return {}


def seat(agent, game, count, player="adversary", learning=False):
    box = getattr(game, f"{player}_space")
    return Seat(player, agent, box, count, torch.Generator(), learning)


def played(game, ours, *theirs, learning=False, horizon=50):
    seats = [seat(agent, game, count, learning=learning) for agent, count in theirs]
    protagonist = seat(ours, game, game.num_envs, "protagonist", learning)
    return play(game, protagonist, seats, seed=3, horizon=horizon)


# Episodes


def test_actions_go_onto_the_players_box():
    actions = np.array([[-1.0], [-0.5], [0.0], [0.5], [7.0]])
    for low, high, expected in (
        (-2.0, 4.0, [-2, -1, 0, 2, 4]),
        (0.0, 1.0, [0, 0, 0, 0.5, 1]),
        (1.0, 3.0, [1, 1.5, 2, 2.5, 3]),
        (-np.inf, np.inf, [-1, -0.5, 0, 0.5, 1]),
    ):
        np.testing.assert_allclose(onto(Box(low, high, (1,), np.float64), actions)[:, 0], expected)


def test_a_return_is_that_of_the_first_episode_and_its_length_is_told():
    episodes = played(Line(simulations=3), Told(0.55), (Told(0.0), 2), (Told(1.0), 1))  # 0.11, 0.11, 0.16 a step
    assert episodes.lengths.tolist() == [10, 10, 7]
    np.testing.assert_array_equal(episodes.returns, episodes.lengths)
    assert episodes.fell.all()
    assert not episodes.failed.any()
    assert episodes.part(slice(2, 3)).lengths.tolist() == [7]


def test_the_horizon_ends_episodes_without_a_fall():
    episodes = played(Line(simulations=2), Told(0.0), (Told(0.0), 2), horizon=5)
    assert episodes.lengths.tolist() == [5, 5]
    assert not episodes.fell.any()


def test_each_player_hears_its_own_rewards_until_its_episode_is_over():
    ours, theirs, others = Told(0.55), Told(0.0), Told(1.0)
    episodes = played(Line(simulations=3), ours, (theirs, 2), (others, 1), learning=True)
    assert ours.modes == theirs.modes == ["train"]
    assert len(others.transitions) == 10  # until everybody's episode is over
    earned = [float(step.reward[0]) for step in others.transitions]
    assert earned == [-1.0] * 7 + [0.0] * 3
    assert [bool(step.terminated[0]) for step in others.transitions] == [False] * 6 + [True] * 4
    assert float(sum(step.reward for step in ours.transitions).sum()) == episodes.returns.sum()
    last = others.transitions[6]
    assert float(last.next_observation[0, 0]) > 1.0  # where the episode ended, not where the next begins


def test_who_does_not_learn_hears_nothing():
    ours = Told(0.5)
    played(Line(simulations=1), ours, (Told(0.0), 1))
    assert ours.modes == ["evaluate"]
    assert not ours.transitions


def test_no_force_is_no_force_where_the_adversary_can_push_one_way_only():
    game = Line(simulations=1, one_sided=True)
    played(game, Told(0.1), (Told(0.0), 1))
    assert not np.stack(game.pushes).any()


def test_a_simulation_that_breaks_down_is_counted():
    episodes = played(Line(simulations=2, broken=1), Told(0.0), (Told(0.0), 2))
    assert episodes.failed.tolist() == [False, True]
    assert episodes.lengths.tolist() == [20, 3]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ((0.0, 0.0), r"adversary: the agent's actions must be a tensor of shape \(1, 1\), got \(1, 2\)"),
        ((float("nan"),), "adversary: an action of the agent is not finite"),
    ],
)
def test_bad_actions_are_refused(action, message):
    with pytest.raises(InvalidInput, match=message):
        played(Line(simulations=1), Told(0.0), (Told(*action), 1))


def test_seats_are_as_many_as_simulations():
    with pytest.raises(InvalidInput, match="3 simulations for 3 protagonists and 2 adversaries"):
        played(Line(simulations=3), Told(0.0), (Told(0.0), 2))


# The experiment


@pytest.fixture
def line(host, parts):
    """A host that knows the game without MuJoCo."""
    module = parts("line_of_a_test", Line=Line)
    host.add(
        make_plugin(register_envs=[Component("test/line", "a line", f"{module}:Line", problem="two-player")]),
        "line", "line-of-a-test", "1",
    )  # fmt: skip
    return host


def attack(host, tmp_path, **options):
    return heatbath.run("qarl.attack", host=host, runs=str(tmp_path), device="cpu", **{**SMALL, **options})


def test_a_game_without_mujoco_is_attacked_too(line, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = attack(line, tmp_path, env="test/line", protagonist="qarl.still", horizon=30, steps=6)
    # A push of 0.05 a step needs more than the 20 steps of an episode to throw over a player that stands still, from
    # where it starts; nobody falls.
    assert run.metrics["return_nominal"] == 20
    assert run.metrics["fall_rate_nominal"] == 0
    assert "return_grid" not in run.metrics


def test_the_searches_find_what_throws_a_player_over(line, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = attack(line, tmp_path, env="test/line", protagonist={"use": "qarl.constant", "direction": (0.2,)}, steps=4)
    # 0.04 a step alone, 0.09 with the push: over after 12 steps of 15.
    metrics = run.metrics
    assert metrics["return_nominal"] == 15
    for kind in ("adversary", "constant"):
        assert metrics[f"return_{kind}"] < 13
    assert metrics["return_worst"] == min(metrics[f"return_{kind}"] for kind in ("adversary", "constant"))
    assert metrics["fall_rate"] == 1


@pytest.mark.parametrize("env", ["hopper", "inverted-pendulum", "wind-corridor"])
def test_an_attack_on_mujoco_has_its_metrics_and_figures(host, tmp_path, env, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MUJOCO_GL", "off")
    run = attack(host, tmp_path, env=env, protagonist="qarl.gait" if env == "hopper" else "qarl.random")
    assert run.status == "finished"
    expected = {"return_nominal", "return_worst", "return_adversary", "return_constant", "return_bang_bang"}
    expected |= {"return_random", "fall_rate", "fall_rate_nominal", "failure_rate"}
    expected |= {"return_grid", "return_grid_worst"} if env != "wind-corridor" else set()
    assert set(run.metrics) == expected
    drawn = {"forces", "directions", "search", "episode"} | ({"robustness"} if env != "wind-corridor" else set())
    assert set(run.figures) == drawn


@pytest.mark.parametrize(("env", "expected"), [("wind-corridor", [0]), ("inverted-pendulum", [0, 90, 180, 270])])
def test_only_directions_that_the_adversary_has_are_tried(host, env, expected):
    options = {name: value for name, value in SMALL.items() if name != "steps"}
    players = {"env": Pick("envs", env, {}, "two-player"), "protagonist": Pick("agents", "qarl.random", {}, "control")}
    made = build(host, "experiments", "qarl.attack", **players, **options)
    assert made.forces.columns.values.tolist() == expected
    assert made.forces.game.num_envs == 4 * len(expected)


def test_everybodys_agent_plays_either_side(acme, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = attack(acme, tmp_path, protagonist="acme/climber", adversary="acme/climber", practice=2, steps=4)
    row = run.history()[0]
    assert row["protagonist/return"] == pytest.approx(row["return_none"] / 15, rel=0.5)
    assert "adversary/best_return" in run.history()[-1]


def test_a_protagonist_practises_and_then_stands(line, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = check_experiment(
        line, "qarl.attack", tmp_path, env="test/line", protagonist="qarl.cross-entropy", practice=3, device="cpu",
        **{name: value for name, value in SMALL.items() if name != "steps"},
    )  # fmt: skip
    rows = run.history()
    assert ["return_none" in row for row in rows] == [True, True, True, False]
    assert ["protagonist/return" in row for row in rows] == [True, True, True, False]
    assert ["return_adversary" in row for row in rows] == [False, False, False, True]


def test_the_same_seed_gives_the_same_run(host, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    one, two, other = (attack(host, tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert one.history() == two.history() != other.history()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--env inverted-pendulum", "turns 11 observations into 3 actions, and here are 4 and 1"),
        ("--env hoper", "hoper"),
        ("--env lorenz63", "lorenz63"),
        ("--adversary qarl.constant --adversary.direction 1 0 0", "has 3 numbers, the player's action has 2"),
        ("--env.bodies hand", "no body 'hand' that can be pushed; the model has torso, thigh, leg, foot"),
        ("--population 0", "`population` must be at least 1, got 0"),
        ("--env.max-force -1", "`max_force` must be positive"),
    ],
)
def test_a_bad_choice_is_one_line(host, tmp_path, words, message):
    told = invoke(f"run qarl.attack --device cpu {words}", host, cwd=tmp_path)
    assert told.exit_code in (1, 2)
    assert message in told.stderr
    assert "Traceback" not in told.stderr


def test_simulations_that_break_down_too_often_end_the_run(host, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    env = {"use": "hopper", "max_force": 1e9, "failure_rate": 0.001}
    with pytest.raises(NotFinite, match="not finite"):
        attack(host, tmp_path, env=env, horizon=200, steps=5)


def test_the_gait_hops_on_for_300_steps(host):
    """Its mean return is 827 over five seeds of 20, with a standard deviation of 4 an episode."""
    game = build(host, "envs", "hopper", facts={"simulations": 8})
    gait = build(host, "agents", "qarl.gait", facts={"observation_size": 11, "action_size": 3})
    still = build(host, "agents", "qarl.still", facts={"observation_size": 11, "action_size": 2})
    episodes = played(game, gait, (still, 8), horizon=300)
    assert not episodes.fell.any()
    assert episodes.returns.mean() == pytest.approx(827, abs=20)


def test_an_agents_facts_are_checked_when_it_is_built(host, tmp_path):
    with pytest.raises(ConfigError, match="turns 11 observations"):
        attack(host, tmp_path, env="walker2d")
