"""Spiral and digits: they conform, somebody else's parts drop in, what cannot work is refused with the reason."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import heatbath
from heatbath.core.config import read_run, to_argv
from heatbath.core.errors import MissingNeed, NotFinite
from heatbath.core.host import Host
from heatbath.core.runs import Run
from heatbath.testing import check_experiment, check_plugin, invoke

SPIRAL = {"points": 60, "duration": 6.0, "window": 5, "batch": 4, "batches_per_epoch": 2, "steps": 4}
DIGITS = {"batch": 64, "steps": 2, "solver": {"rtol": 1e-4, "atol": 1e-4}}


def run(host: Host, name: str, folder: Path, **options: Any) -> Run:
    small = SPIRAL if name == "neural-ode.spiral" else DIGITS
    return heatbath.run(name, host=host, runs=str(folder), **{**small, **options})


def test_the_plugin_is_light(host: Host) -> None:
    check_plugin(host, "neural_ode")


def test_spiral_conforms(host: Host, tmp_path: Path) -> None:
    made = check_experiment(host, "neural-ode.spiral", tmp_path, **SPIRAL)
    assert made.metrics["nfe"] > 0
    assert set(made.figures) == {"phase_portrait", "steps", "evaluations"}
    assert made.result is not None
    assert made.result["cpu_seconds"] > 0


def test_digits_conform(host: Host, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    made = check_experiment(host, "neural-ode.digits", tmp_path, chunks=2, **{**DIGITS, "batch": 512})
    assert set(made.figures) == {"flow", "steps", "evaluations"}
    assert {"loss/fit", "loss/penalty", "loss/penalty/error", "loss/penalty/steps", "nfe"} <= made.history()[0].keys()


def test_acmes_solver_and_loss_run_in_spiral_by_name(acme: Host, tmp_path: Path) -> None:
    line = (
        "run neural-ode.spiral --name swapped --steps 4 --batches-per-epoch 2 --points 60 --duration 6 --window 5 "
        "--batch 4 --solver acme/heun --solver.tolerance 0.05 --losses.extra acme/jerk --losses.extra.power 1 "
        "--losses.extra.weight acme/cosine --losses.extra.weight.start 0.3 --losses.penalty none"
    )
    answer = invoke(line, acme, cwd=tmp_path)
    assert answer.exit_code == 0, answer.stderr
    result = json.loads((tmp_path / "runs/neural-ode.spiral/swapped/result.json").read_text())
    for part in ("solvers:acme/heun", "losses:acme/jerk", "schedules:acme/cosine"):
        assert result["components"][part]["distribution"] == "heatbath-acme"
    assert "figures/steps.png" in result["figures"]


def test_our_penalty_prices_the_steps_of_acmes_solver(acme: Host, tmp_path: Path) -> None:
    solver = {"use": "acme/heun", "tolerance": 0.01}
    made = run(acme, "neural-ode.spiral", tmp_path, solver=solver, losses={"penalty": {"weight": 1.0}})
    assert made.history()[0]["loss/penalty"] > 0


class TestRefusals:
    def refused(self, host: Host, folder: Path, **options: Any) -> str:
        with pytest.raises(MissingNeed) as caught:
            run(host, "neural-ode.spiral", folder, **options)
        return str(caught.value)

    def test_a_penalty_on_steps_with_a_continuous_adjoint(self, host: Host, tmp_path: Path) -> None:
        pytest.importorskip("torchdiffeq")
        message = self.refused(host, tmp_path, solver={"use": "torchdiffeq/dopri5", "backward": "adjoint"})
        assert "'neural-ode.error' of" in message
        assert "needs solution:error" in message
        assert "a continuous adjoint solves the state back in time and has no graph through the stages" in message

    def test_it_is_said_on_the_command_line_in_one_line(self, host: Host, tmp_path: Path) -> None:
        pytest.importorskip("torchdiffeq")
        answer = invoke(
            "run neural-ode.spiral --solver torchdiffeq/dopri5 --solver.backward adjoint", host, cwd=tmp_path
        )
        assert answer.exit_code == 2
        assert "continuous adjoint" in answer.stderr
        assert "Traceback" not in answer.stderr

    def test_fixed_steps_have_no_error(self, host: Host, tmp_path: Path) -> None:
        assert "(fixed steps have no error estimate)" in self.refused(host, tmp_path, solver="rk4")

    def test_acmes_solver_has_no_stiffness(self, acme: Host, tmp_path: Path) -> None:
        losses = {"penalty": {"use": "neural-ode.stiffness"}}
        message = self.refused(acme, tmp_path, solver="acme/heun", losses=losses)
        assert "needs fact:stability_size, solution:stiffness" in message


@pytest.mark.parametrize(
    "options",
    [
        {"solver": {"backward": "checkpointed"}},
        {"solver": {"steps": "sample"}},
        {"solver": {"differentiate_step_size": True}},
        {"solver": "dopri5", "losses": {"penalty": {"use": "neural-ode.stiffness", "weight": 0.1}}},
        {"solver": {"use": "rk4", "step": 0.05}, "losses": {"penalty": "none"}},
        {"solver": "torchdiffeq/bosh3"},
        {"solver": {"use": "torchdiffeq/dopri5", "backward": "adjoint"}, "losses": {"penalty": "none"}},
    ],
    ids=str,
)
def test_solvers_are_interchangeable(host: Host, tmp_path: Path, options: dict[str, Any]) -> None:
    if "torchdiffeq" in str(options):
        pytest.importorskip("torchdiffeq")
    made = run(host, "neural-ode.spiral", tmp_path, **options)
    assert made.status == "finished"
    assert math.isfinite(made.metrics["mse"])


def test_spiral_learns(host: Host, tmp_path: Path) -> None:
    made = run(host, "neural-ode.spiral", tmp_path, steps=120, batches_per_epoch=20, batch=16, learning_rate=0.03)
    history = [row["loss/fit"] for row in made.history()]
    assert history[-1] < 0.3 * history[0]


def test_a_solver_that_stops_ends_the_run_and_says_why(host: Host, tmp_path: Path) -> None:
    with pytest.raises(NotFinite, match="steps 1 to 2: the solver did not reach the end: 3 steps were attempted"):
        run(host, "neural-ode.spiral", tmp_path, solver={"max_steps": 3})


@pytest.mark.parametrize("preset", ["paper-repo", "paper-text", "paper-repo-stiffness", "paper-text-stiffness"])
def test_both_readings_of_the_method_are_presets(host: Host, preset: str) -> None:
    options, _, _ = read_run(host, "neural-ode.digits", ["--preset", preset, "--batch", "100"])
    penalty = options.losses.picks["penalty"]
    assert options.batch == 100
    text = preset.startswith("paper-text")
    if preset.endswith("stiffness"):
        chosen = (penalty.options.aggregate, penalty.options.by_length, penalty.options.per_stability)
        assert chosen == (("sum", True, False) if text else ("max", False, True))
        assert penalty.weight.options.level == (0.0285 if text else 0.1)
    else:
        assert (penalty.options.aggregate, penalty.options.by_length) == ("sum" if text else "mean", True)
        assert (penalty.weight.options.start, penalty.weight.options.end) == (100.0, 10.0)


def test_every_row_of_the_table_can_be_run(host: Host) -> None:
    from heatbath.plugins.neural_ode.tables import DIGITS as TABLE

    assert {"nfe", "accuracy"} <= set(TABLE.metrics)  # never one without the other
    for row in TABLE.rows:
        options, _, _ = read_run(host, TABLE.experiment, to_argv(row.options))
        assert options.solver.options.controller == "pi"
        assert options.solver.options.rtol == 1.4e-8


def test_a_penalty_of_weight_zero_changes_no_bit_of_training(host: Host, tmp_path: Path) -> None:
    """A diagnostic does not change training; and the steps that it needs are recorded all the same."""
    weighed = run(host, "neural-ode.spiral", tmp_path / "a", losses={"penalty": {"weight": 0.0}})
    without = run(host, "neural-ode.spiral", tmp_path / "b", losses={"penalty": "none"})
    for one, two in zip(weighed.history(), without.history(), strict=True):
        assert one["loss/fit"] == two["loss/fit"]


def test_the_true_spiral_is_a_reference(host: Host, tmp_path: Path) -> None:
    made = run(host, "neural-ode.spiral", tmp_path)
    assert made.result is not None
    assert made.result["references"]["true field"]["nfe"] > 0


def test_options_out_of_range(host: Host) -> None:
    for name, options, message in (
        ("neural-ode.spiral", ["--window", "0"], "`window` must be at least 1"),
        ("neural-ode.spiral", ["--duration", "0"], "`duration` must be positive"),
        ("neural-ode.digits", ["--batch", "2000"], "between 1 and the 1437 images"),
        ("neural-ode.digits", ["--momentum", "1"], r"`momentum` in \[0, 1\)"),
    ):
        with pytest.raises((ValueError, heatbath.core.errors.ConfigError), match=message):
            read_run(host, name, options)


def test_float32_is_a_choice(host: Host, tmp_path: Path) -> None:
    made = run(host, "neural-ode.spiral", tmp_path, precision="float32", solver={"rtol": 1e-4, "atol": 1e-4})
    assert {p.dtype for p in made.task.model.parameters()} == {torch.float32}  # type: ignore[attr-defined]
