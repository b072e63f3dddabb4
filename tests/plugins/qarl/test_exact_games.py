"""The experiments on exact games: they conform, they show what they are to show, parts are swapped by name."""

import json
import sys

import numpy as np
import pytest

from heatbath import run
from heatbath.core.contracts import Solution
from heatbath.core.hookspecs import Component
from heatbath.solvers.games import LinearQuadraticGame, exploitability, nash, quantal_response
from heatbath.testing import check_experiment, check_plugin, invoke
from tests.making import make_plugin

pytestmark = pytest.mark.usefixtures("without_pictures")

ASYMMETRIC = np.array([[2.0, -1.0], [-1.0, 1.0]])


@pytest.fixture
def without_pictures(request, monkeypatch):
    """They take longer than the runs; only tests of figures draw them."""
    if "figures" not in request.node.name:
        monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_the_plugin_is_light(host):
    check_plugin(host, "qarl")


@pytest.mark.parametrize(
    "options",
    [
        {"game": "random", "homogeneous": True},
        {
            "curriculum": {"use": "qarl.point", "start": 1.0, "decrement": 0.1, "threshold": -1.0, "pairs": 8},
            "pairs": 5,
        },
        {"curriculum": {"use": "qarl.gamma", "rate": 10.0, "threshold": 0.2, "pairs": 50}, "pairs": 20},
    ],
)
def test_matrix_games_conform(host, tmp_path, options):
    check_experiment(host, "qarl.matrix-game", tmp_path, **options)


def test_exploitability_falls_along_the_curriculum_to_the_nash_value(host, tmp_path):
    made = run("qarl.matrix-game", host=host, runs=str(tmp_path))
    rows = made.history()
    gains = [row["exploitability"] for row in rows]
    temperatures = [row["temperature"] for row in rows]
    assert temperatures[0] == 5.0
    assert all(np.diff(gains)[np.diff(temperatures) < 0] < 0)
    assert made.metrics["temperature"] == pytest.approx(0.01)
    assert made.metrics["value"] == pytest.approx(0.2, abs=1e-3)
    assert made.metrics["exploitability"] < 0.01
    assert made.metrics["residual"] < 1e-11
    references = made.result["references"]
    assert references["Nash"]["value"] == pytest.approx(0.2)
    assert references["random adversary"]["exploitability"] > 1.0
    for row in rows:
        found = quantal_response(ASYMMETRIC, 0.005, row["temperature"])
        assert row["exploitability"] == pytest.approx(
            float(exploitability(ASYMMETRIC, found.row, found.column)), abs=1e-10
        )


def test_a_threshold_keeps_the_adversary_warm(host, tmp_path):
    """Expected returns may not fall below 0.22; the law cools down to where they do, and stays there."""
    held = {"use": "qarl.gamma", "rate": 10.0, "target": 0.1, "threshold": 0.22, "self_normalised": True}
    made = run("qarl.matrix-game", host=host, protagonist=0.5, curriculum=held, runs=str(tmp_path))
    free = run("qarl.matrix-game", host=host, protagonist=0.5, runs=str(tmp_path), name="free")
    temperatures = [row["temperature"] for row in made.history()]
    assert 1.0 < temperatures[-1] == made.metrics["temperature"] < temperatures[0] / 1.5
    assert made.history()[-1]["return_mean"] == pytest.approx(0.22, abs=0.01)
    assert free.metrics["temperature"] == pytest.approx(0.01)


def test_payoffs_are_given_in_numbers(host, tmp_path):
    payoff = (1.0, 0.0, 2.0, 0.0, 3.0, 1.0)
    made = run("qarl.matrix-game", host=host, payoff=payoff, actions=(2, 3), steps=3, runs=str(tmp_path))
    known = float(nash(np.reshape(payoff, (2, 3))).value)
    assert made.result["references"]["Nash"]["value"] == pytest.approx(known)


class Stubborn:
    """The first action, whatever the game."""

    records = frozenset()

    def __init__(self, options, setup): ...

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        class Answer:
            row, column = np.eye(len(problem.payoff))[0], np.eye(problem.payoff.shape[1])[0]

        return Solution(Answer)


def test_a_foreign_solver_and_a_foreign_curriculum_are_chosen_by_name(host, tmp_path, parts):
    made = make_plugin(
        register_solvers=[Component("other/stubborn", "", f"{parts(Stubborn=Stubborn)}:Stubborn", problem="game")]
    )
    host.add(made, "other", "other", "1.0")
    line = "run qarl.matrix-game --name it --steps 3 --solver other/stubborn --curriculum linear --curriculum.end 0.5"
    answer = invoke(line, host, cwd=tmp_path)
    assert answer.exit_code == 0, answer.stderr
    result = json.loads((tmp_path / "runs/qarl.matrix-game/it/result.json").read_text())
    assert {"solvers:other/stubborn", "schedules:linear"} <= set(result["components"])
    assert result["metrics"]["value"] == 2.0
    assert result["metrics"]["exploitability"] == 3.0


def test_the_reference_solver_gives_the_same_run(host, tmp_path):
    options = {"curriculum": {"use": "qarl.fixed", "temperature": 0.5}, "protagonist": 0.2, "steps": 2}
    one, other = (
        run("qarl.matrix-game", host=host, solver=name, name=name, runs=str(tmp_path), **options)
        for name in ("quantal-response", "mirror-ascent")
    )
    assert one.metrics["value"] == pytest.approx(other.metrics["value"], abs=1e-10)


def test_the_robust_gain_is_bounded_where_the_regulator_is_not(host, tmp_path):
    made = run("qarl.lq", host=host, steps=20, runs=str(tmp_path))
    assert made.metrics["cost_nominal"] == pytest.approx(17.24, abs=5e-3)
    assert made.metrics["cost_worst"] == pytest.approx(19.04, abs=5e-3)
    assert made.metrics["bounded"] == 1.0
    vanilla = made.result["references"]["LQR"]
    assert vanilla["cost_nominal"] == pytest.approx(16.70, abs=5e-3)
    assert (vanilla["bounded"], vanilla["cost_worst"]) == (0.0, None)
    for row in made.history():
        assert row["bounded_lqr"] == float(row["rho"] > vanilla["least_price"])
        assert row["bounded_robust"] == float(row["rho"] > made.metrics["least_price"])
        assert (
            row["cost_worst_game"]
            <= min(row.get("cost_worst_lqr", np.inf), row.get("cost_worst_robust", np.inf)) + 1e-9
        )


def test_the_plant_is_what_the_options_say(host, tmp_path):
    made = run("qarl.lq", host=host, steps=2, spring=2.0, damping=0.5, rho=1.0, runs=str(tmp_path))
    game = LinearQuadraticGame(
        [[1.0, 0.05], [-0.1, 0.975]], [[0.0], [0.05]], [[0.0], [0.05]], np.diag([1.0, 0.1]), [[0.1]], 1.0, 0.99
    )
    assert made.metrics["cost_worst"] == pytest.approx(game.cost([1.0, 0.0]))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"game": "rock-paper-scissors", "curriculum": {"use": "qarl.fixed", "temperature": 0.5}},
        {"game": "random", "actions": (3, 5), "curriculum": "linear"},
    ],
)
def test_figures_of_matrix_games_are_drawn(host, tmp_path, options):
    pytest.importorskip("matplotlib")
    made = run("qarl.matrix-game", host=host, steps=3, runs=str(tmp_path), **options)
    assert set(made.figures) == {"path", "exploitability", "curriculum"}


def test_figures_of_the_linear_quadratic_game_are_drawn(host, tmp_path):
    pytest.importorskip("matplotlib")
    made = run("qarl.lq", host=host, steps=4, runs=str(tmp_path))
    assert set(made.figures) == {"costs", "trajectories", "spread"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("qarl.matrix-game --payoff 1 2 3", "`payoff` has 3 numbers, expected 5 x 5"),
        ("qarl.matrix-game --payoff 1 2 nan 4 --actions 2 2", "`payoff` must be of finite numbers"),
        ("qarl.matrix-game --protagonist=-1", "`protagonist` must be at least 0 and finite, got -1.0"),
        ("qarl.matrix-game --actions 0 2", "`actions` must be at least 1"),
        ("qarl.matrix-game --pairs 0", "`pairs` must be at least 1, got 0"),
        ("qarl.matrix-game --solver exact-mec", "'exact-mec' does not serve 'game'; these do: mirror-ascent, quantal-"),
        ("qarl.matrix-game --curriculum.rate 0", "`rate` must be positive and finite, got 0.0"),
        ("qarl.lq --rho 0", "`rho` must be positive and finite, got 0.0"),
        ("qarl.lq --gamma 1", "`gamma` must lie between 0 and 1, got 1.0"),
        ("qarl.lq --temperatures 0 1", "`temperatures` must be positive"),
        ("qarl.lq --state-price=-1 1", "`state_price` must be of finite numbers of at least 0.0"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(host, tmp_path, words, message):
    answer = invoke(f"run {words}", host, cwd=tmp_path)
    assert answer.exit_code == 2, answer.stderr
    assert message in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("qarl.lq --dearest 0.01", "`dearest` = 0.01 is below 0.10539"),
        (
            "qarl.matrix-game --curriculum qarl.force",
            "`qarl.force` gives limits on a force, and a matrix game has none",
        ),
        ("qarl.matrix-game --curriculum qarl.force", "use `qarl.gamma`"),
    ],
)
def test_what_no_game_can_be_made_of_is_one_line_and_leaves_no_run(host, tmp_path, words, message):
    answer = invoke(f"run {words}", host, cwd=tmp_path)
    assert answer.exit_code != 0
    assert message in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not list(tmp_path.glob("runs/*/*"))


def test_a_price_without_a_value_is_refused_with_the_least_one(host, tmp_path):
    answer = invoke("run qarl.lq --rho 0.1 --name cheap", host, cwd=tmp_path)
    assert answer.exit_code != 0
    assert "`rho` = 0.1 leaves the disturbance unbounded; the game has a value above 0.10518" in answer.stderr
