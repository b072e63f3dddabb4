"""The experiment as a whole: conformance, collapse, the best evaluation, presets, tables, pictures."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import heatbath
from heatbath import Component, hookimpl
from heatbath.core.config import read_run, to_argv
from heatbath.core.presets import presets_of
from heatbath.core.tables import Row, Table
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf import tables
from heatbath.solvers.recurrence.kernels import kernels
from heatbath.testing import build, check_experiment, check_plugin, invoke

DATA = os.environ.get("HEATBATH_DATA", "data")  # the fixture `host` hides it from the tests
QUICK = {"lyapunov_max": {"segments": 2, "steps": 20, "transient": 2}, "prediction_error_20": {"steps": 3}}
SMALL = {"points": 800, "window": 6, "batch": 4, "batches_per_epoch": 10, "metrics": QUICK}


def test_the_plugin_conforms(host):
    check_plugin(host, "gtf")


@pytest.mark.usefixtures("undrawn")
def test_an_adaptive_run_is_resumed_to_the_last_bit(host, tmp_path):
    run = check_experiment(host, "gtf.lorenz63", tmp_path, **SMALL, alpha="auto", model={"hidden": 8})
    course = [row["alpha"] for row in run.history()]
    assert course[0] > course[-1] > 0.9
    assert run.metrics["alpha"] == course[-1]


def test_every_published_default_is_set(host):
    options, plan, _ = read_run(host, "gtf.lorenz63", [])
    assert (options.alpha.options.level, options.window, options.batch, plan.steps) == (0.15, 200, 16, 60_000)
    assert (options.model.options.hidden, options.model.options.clipped) == (100, True)
    assert options.losses.picks["l2"].weight.options.level == 1e-5
    rate = options.learning_rate.options
    assert (rate.start, rate.end) == (1e-3, 1e-6)


# Collapse

REACH = 60
"""Steps for which the broken models follow the true map."""


class Broken(torch.nn.Module):
    """The Henon map itself for 60 steps from a start, which a third unit counts; then rest, or a circle of 25 steps."""

    def __init__(self, options, setup, latent_size):
        super().__init__()
        self.idle = torch.nn.Parameter(torch.zeros(1))

    def after(self, x, y):
        return 0.5 * x, 0.5 * y

    def forward(self, z):
        x, y, age = z.unbind(-1)
        follows = age < REACH
        true = 1 - 1.4 * x * x + y, 0.3 * x
        pair = [torch.where(follows, a, b) for a, b in zip(true, self.after(x, y), strict=True)]
        return torch.stack([*pair, age + 1], -1) + 0.0 * self.idle


class Circling(Broken):
    """Then a circle."""

    def after(self, x, y):
        turn, length = 2 * torch.pi / 25, (x * x + y * y).sqrt().clamp_min(1e-3)
        c, s = np.cos(turn), np.sin(turn)
        return 0.5 * (c * x - s * y) / length, 0.5 * (s * x + c * y) / length


class BrokenPlugin:
    @hookimpl
    def register_models(self, register):
        for name, attribute in (("broken/rest", "Broken"), ("broken/circle", "Circling")):
            register(Component(name, "collapses", f"{__name__}:{attribute}", problem="recurrence"))

    @hookimpl
    def register_tables(self, register):
        register(Component("broken/table", "of collapse", f"{__name__}:TABLE"))


HENON = {
    "series": "henon.npy",
    "standardise": False,
    "latent": 3,
    "window": 5,
    "batch": 2,
    "batches_per_epoch": 2,
    "steps": 2,
    "metrics": {"lyapunov_max": "none", "prediction_error": {"use": "prediction-error", "steps": 5}},
}
TABLE = Table(
    "gtf.series",
    ("prediction_error", "d_stsp"),
    (Row("circle", {**HENON, "model": "broken/circle"}),),
    "nowhere",
)


@pytest.fixture
def henon(host, tmp_path, monkeypatch):
    """A host with models that collapse, in a folder with a series of the Henon map."""
    host.add(BrokenPlugin(), "broken")
    monkeypatch.chdir(tmp_path)
    series = build(host, "envs", "henon").series(6_000, torch.Generator().manual_seed(0))
    np.save("henon.npy", series.numpy())
    return host


@pytest.mark.parametrize(("name", "length"), [("broken/rest", 1), ("broken/circle", 25)])
@pytest.mark.usefixtures("undrawn")
def test_a_model_that_predicts_well_and_runs_into_a_cycle_has_collapsed(henon, name, length):
    line = ["run", "gtf.series", "--name", "it", *to_argv({**HENON, "model": name})]
    done = invoke(line, henon)
    assert done.exit_code == 0, done.stderr
    run = heatbath.load_run("runs/gtf.series/it", henon)
    assert run.metrics["prediction_error"] < 1e-6  # excellent
    assert run.metrics["d_stsp"] > 5
    assert run.metrics["cycle_length"] == length
    assert json.loads(Path("runs/gtf.series/it/result.json").read_text())["status"] == "collapsed"
    assert done.stdout.startswith("gtf.series: collapsed at step 2")


@pytest.mark.usefixtures("undrawn")
def test_a_collapse_is_counted_in_the_table(henon):
    done = invoke("reproduce broken/table --seeds 0:2", henon)
    assert done.exit_code == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("circle")]
    assert row.endswith("2 collapsed")


@pytest.mark.usefixtures("undrawn")
def test_a_true_series_that_repeats_excuses_a_model_that_does(henon):
    t = torch.arange(4000.0) * (2 * torch.pi / 25)
    np.save("henon.npy", torch.stack([t.cos(), t.sin()], 1).numpy())
    run = heatbath.run("gtf.series", host=henon, **HENON, model="broken/circle")
    assert run.metrics["cycle_length"] == 25
    assert run.status == "finished"


@pytest.mark.usefixtures("undrawn")
def test_a_model_of_chaos_that_is_not_chaotic_has_collapsed(host, tmp_path):
    run = heatbath.run("gtf.lorenz63", host=host, **SMALL, steps=10, runs=tmp_path)
    exponent = run.task.data.lyapunov_max
    assert run.task.outcome({"cycle_length": 0.0, "lyapunov_max": 0.5 * exponent}) == "finished"
    for bad in (0.01 * exponent, -1.0, float("nan"), float("-inf")):
        assert run.task.outcome({"cycle_length": 0.0, "lyapunov_max": bad}) == "collapsed"
    assert run.task.outcome({"cycle_length": 3.0, "lyapunov_max": exponent}) == "collapsed"
    assert run.task.outcome({"cycle_length": 0.0}) == "finished"


# The best evaluation


@pytest.mark.usefixtures("undrawn")
def test_the_best_evaluation_is_reported_and_its_checkpoint_kept(host, tmp_path, monkeypatch):
    """The rate of learning is absurd at the end, so that an earlier evaluation is the best."""
    rate = {"use": "exponential", "start": 1e-3, "end": 3.0}
    cadence = {"steps": 400, "evaluate_every": 50, "checkpoint_every": 50, "keep_checkpoints": 1}
    monkeypatch.chdir(tmp_path)
    done = invoke(["run", "gtf.lorenz63", "--name", "it", *to_argv({**SMALL, **cadence, "learning_rate": rate})], host)
    assert done.exit_code == 0, done.stderr
    run = heatbath.load_run("runs/gtf.lorenz63/it", host)
    scores = {step: metrics["d_stsp"] for step, metrics in run.evaluations()}
    assert sorted(scores) == list(range(50, 401, 50))
    best = min(scores, key=scores.get)
    assert best < 400
    assert run.best == {"step": best, "metrics": dict(run.evaluations())[best]} == run.result["best"]
    assert {path.name for path in run.files.checkpoints.iterdir()} == {f"step-{s:09d}" for s in (best, 400)}
    assert f"best, step {best}" in done.stdout
    standing = heatbath.load_run("runs/gtf.lorenz63/it", host, step=best)
    again = standing.task.evaluate(standing.clock, torch.Generator())
    assert standing.clock.step == best
    assert again["d_stsp"] == pytest.approx(scores[best])
    with pytest.raises(heatbath.HeatbathError, match="has no checkpoint of step 7; there are: step-"):
        heatbath.load_run("runs/gtf.lorenz63/it", host, step=7).task  # noqa: B018


# Presets and tables


@pytest.mark.parametrize("experiment", ["gtf.lorenz63", "gtf.series"])
def test_every_preset_can_be_read(host, experiment):
    known = presets_of(host.options_type("experiments", experiment))
    assert known
    for name, preset in known.items():
        _, plan, _ = read_run(host, experiment, ["--preset", name])
        assert plan.steps == 250_000
        assert "settings of the authors' repository" in preset.source


@pytest.mark.parametrize("table", ["LORENZ63", "ECG", "EEG"])
def test_every_row_of_a_table_can_be_read(host, table):
    made = getattr(tables, table)
    for row in made.rows:
        read_run(host, made.experiment, to_argv(row.options))
        assert set(row.published) <= set(made.metrics)


PARAMETERS = {"ecg-gtf": 2785, "ecg-agtf": 2785, "ecg-stf": 2785, "eeg-gtf": 17952, "eeg-agtf": 17952, "eeg-stf": 17952}


@pytest.mark.parametrize("preset", sorted(PARAMETERS))
def test_a_published_setting_has_its_size_and_goes_by_the_kernel(host, tmp_path, preset):
    if not Path(DATA, preset[:3]).is_dir():
        pytest.skip(f"{preset[:3]} needs HEATBATH_DATA; see docs/methods/gtf.md")
    config, plan, _ = read_run(host, "gtf.series", to_argv({"preset": preset, "data": DATA}))
    from heatbath.core.contracts import Clock
    from heatbath.core.runs import Run

    task = Run(host, "gtf.series", config, plan, tmp_path).task
    assert sum(p.numel() for p in task.model.parameters()) == PARAMETERS[preset]
    task.chunk = 10
    found = task.step(Clock(0, 250_000))
    assert found["fused"] == (kernels(torch.float32) is not None)
    assert 0 < float(found["loss/fit"]) < 5


def test_missing_data_is_asked_for(host, tmp_path, monkeypatch):
    monkeypatch.delenv("HEATBATH_DATA", raising=False)
    done = invoke("run gtf.series --preset ecg-gtf", host, cwd=tmp_path)
    assert done.exit_code == 2
    assert "no file ecg/ecg_train.npy; " in done.stderr
    assert "--data DIR or HEATBATH_DATA says where files are" in done.stderr


@pytest.mark.parametrize("option", [{"interval": 0}, {"latent": -1}, {"window": 0}, {"noise": -0.1}, {"points": 200}])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ValueError, match=f"`{next(iter(option))}` must be at least"):
        opt.Reconstruction(**option)


# Pictures


@pytest.mark.parametrize("dim", [1, 2, 8])
def test_pictures_are_drawn_of_any_dimension(host, tmp_path, dim):
    series = torch.randn(600, dim, generator=torch.Generator().manual_seed(0)).cumsum(0).sin()
    np.save(tmp_path / "it.npy", series.numpy())
    run = heatbath.run(
        "gtf.series", host=host, series=str(tmp_path / "it.npy"), window=5, steps=2, runs=tmp_path, metrics=QUICK
    )
    assert set(run.figures) == {"attractor", "return_map", "spectrum", "training", "trajectory"}
    assert run.figures["trajectory"].read_bytes().startswith(b"GIF89a")
    assert "figures/trajectory.gif" in run.result["figures"]
