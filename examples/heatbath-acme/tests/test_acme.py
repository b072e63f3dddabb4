"""The tests that a plugin author writes: conformance, a figure of one's own, and one's parts in others' experiments."""

import json
import math

import pytest
import torch

from heatbath import run
from heatbath.testing import (
    build,
    check_agent,
    check_experiment,
    check_loss,
    check_plugin,
    check_schedule,
    check_solver,
    invoke,
)


@pytest.fixture
def acme(host):
    """heatbath's own plugins and this one."""
    return host.load("acme")


@pytest.mark.parametrize("power", [1, 2, 3])
def test_the_loss_conforms(acme, power):
    check_loss(acme, "acme/jerk", power=power)


def test_the_schedule_conforms(acme):
    check_schedule(acme, "acme/cosine", start=0.3)


def test_the_solver_conforms(acme):
    check_solver(acme, "acme/heun", accuracy=1e-3)


def test_the_coupler_conforms(acme):
    check_solver(acme, "acme/north-west")


def test_the_game_solver_conforms(acme):
    check_solver(acme, "acme/fictitious-play", accuracy=1e-3)


def test_solver_and_schedule_drop_into_a_game(acme, tmp_path):
    made = run(
        "qarl.matrix-game",
        host=acme,
        steps=3,
        pairs=2,
        protagonist=0.2,
        solver={"use": "acme/fictitious-play", "rounds": 2000},
        curriculum={"use": "acme/cosine", "start": 1.0},
        runs=str(tmp_path),
    )
    assert {"solvers:acme/fictitious-play", "schedules:acme/cosine"} <= set(made.result["components"])
    assert made.metrics["exploitability"] < made.history()[0]["exploitability"]


def test_the_agent_conforms(acme):
    check_agent(acme, "acme/climber")


def test_the_experiment_conforms(acme, tmp_path):
    check_experiment(acme, "acme/thermostat", tmp_path, rooms=4)


def test_the_plugin_is_light(acme):
    check_plugin(acme, "acme")


def test_jerk_is_zero_on_a_parabola(acme):
    from heatbath.core.contracts import Clock, StepContext

    t = torch.arange(8.0)
    prediction = (3 * t**2 - t + 1).view(1, 8, 1)
    term = build(acme, "losses", "acme/jerk")(StepContext(Clock(0, 1), {"prediction": prediction}))
    assert float(term.value) == 0.0


def test_heun_is_of_order_two(acme):
    from heatbath.core.contracts import InitialValue

    problem = InitialValue(lambda t, y: -y, torch.ones(1, 1, dtype=torch.float64), (0.0, 1.0))
    loose, tight = (
        abs(float(build(acme, "solvers", "acme/heun", tolerance=tolerance).solve(problem).value[-1]) - 0.36787944117)
        for tolerance in (1e-3, 1e-5)
    )
    assert 5 < loose / tight < 200  # an error of h^2 at a tolerance of h^2: a hundred, give or take


def test_the_agent_learns(acme, tmp_path):
    made = run("acme/thermostat", host=acme, steps=150, evaluate_every=0, runs=str(tmp_path))
    assert made.metrics["return_nominal"] > -2.0  # doing nothing leaves rooms 20 degrees too cold


def test_the_first_party_solver_drops_into_this_experiment(acme, tmp_path):
    swapped = run("acme/thermostat", host=acme, steps=2, solver={"use": "rk4", "step": 0.25}, runs=str(tmp_path))
    assert "solvers:rk4" in swapped.result["components"]


def test_the_coupler_drops_into_first_party_experiments(acme, tmp_path):
    for name in ("mecb.couplings", "mecb.bottleneck"):
        swapped = run(name, host=acme, steps=4, coupler="acme/north-west", runs=str(tmp_path))
        assert swapped.result["components"]["solvers:acme/north-west"]["distribution"] == "heatbath-acme"
        assert swapped.status == "finished"


def test_the_coupler_serves_its_problem_only(acme, tmp_path):
    answer = invoke("run mecb.bottleneck --encoder acme/north-west", acme, cwd=tmp_path)
    assert answer.exit_code == 2
    assert "'acme/north-west' does not serve 'bottleneck'; these do: adaptive-quantiser, ebim" in answer.stderr


def test_loss_and_schedule_drop_into_a_first_party_experiment(acme, tmp_path):
    line = (
        "run gtf.lorenz63 --name swapped --steps 4 --batches-per-epoch 2 --points 2000 --window 10 "
        "--metrics.lyapunov-max none --losses.smooth acme/jerk --losses.smooth.power 1 "
        "--losses.smooth.weight acme/cosine --losses.smooth.weight.start 0.001 --alpha acme/cosine --alpha.start 0.3"
    )
    answer = invoke(line, acme, cwd=tmp_path)
    assert answer.exit_code == 0, answer.stderr
    result = json.loads((tmp_path / "runs/gtf.lorenz63/swapped/result.json").read_text())
    for key in ("losses:acme/jerk", "schedules:acme/cosine"):
        assert result["components"][key]["distribution"] == "heatbath-acme"
    first = json.loads((tmp_path / "runs/gtf.lorenz63/swapped/metrics.jsonl").read_text().splitlines()[0])
    assert first["alpha"] == pytest.approx(0.3 * (1 + math.cos(math.pi / 4)) / 2)  # at the last of the first two steps
    assert first["loss/smooth/largest"] > 0
