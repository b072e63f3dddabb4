"""Optimiser steps: the paper's formula, by automatic differentiation and by the compiled kernel."""

import pytest
import torch

import heatbath
from heatbath.core.contracts import Clock
from heatbath.core.errors import NotFinite
from heatbath.plugins.gtf.training import Piece, Windows
from heatbath.solvers.recurrence.kernels import kernels

SMALL = {
    "points": 400,
    "window": 6,
    "batch": 5,
    "batches_per_epoch": 4,
    "model": {"use": "shallow-plrnn", "hidden": 7},
    "metrics": {"lyapunov_max": {"segments": 2, "steps": 10, "transient": 2}},
}
pytestmark = pytest.mark.usefixtures("undrawn")
compiled = pytest.mark.skipif(kernels(torch.float32) is None, reason="the kernels were not built")


def task(host, tmp_path, name, **options):
    """A task that has not been stepped."""
    from heatbath.core.config import read_run, to_argv
    from heatbath.core.runs import Run

    config, plan, _ = read_run(host, "gtf.lorenz63", to_argv({**SMALL, **options}))
    return Run(host, "gtf.lorenz63", config, plan, tmp_path / name).task


def test_a_window_is_a_stretch_of_the_series():
    series, inputs = torch.arange(20.0).view(10, 2), torch.arange(10.0).unsqueeze(1)
    windows = Windows(series, inputs, 3)
    x, s = windows.at(torch.tensor([0, 6]))
    assert windows.places == 7
    assert torch.equal(x[:, 1], series[6:10])
    assert torch.equal(s[:, 1], inputs[7:10])  # the input of a point acts on the step that leads to it


def test_the_loss_is_on_predictions_before_forcing(host, tmp_path):
    """One step of the paper's recursion, written out."""
    made = task(host, tmp_path, "a", solver="scan", alpha=0.3)
    starts = torch.tensor([[3, 50, 100, 7, 200]])
    x, _ = made.windows.at(starts[0])
    z, errors, model = x[0], [], made.model.dynamics
    with torch.no_grad():
        for t in range(1, 7):
            z = model(z)
            errors.append((z - x[t]).square().mean())
            z = 0.7 * z + 0.3 * x[t]
        penalty = model.squared_weights()
    found = made.trainer.advance(Piece(Clock(0, 10), starts, [0.3], 1e-3))
    fit = torch.stack(errors).mean()
    torch.testing.assert_close(found["loss/fit"], fit)
    torch.testing.assert_close(found["loss/l2"], penalty)
    torch.testing.assert_close(found["loss"], fit + 1e-5 * penalty)


@compiled
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"interval": 3},
        {"model": {"use": "shallow-plrnn", "hidden": 7, "clipped": False}},
        {"latent": 5},
        {"latent": 4, "observation": "affine", "losses": {"o": {"use": "gtf.observation", "weight": 1e-2}}},
        {"latent": 2, "observation": "affine", "alpha": {"use": "linear", "start": 1.0, "end": 0.0}},
        {"losses": {"l2": {"weight": {"use": "linear", "start": 0.1, "end": 0.0}}}},
        {"alpha": {"use": "gtf.adaptive", "every": 2}},
    ],
    ids=str,
)
def test_the_compiled_trainer_takes_the_same_steps(host, tmp_path, how):
    """20 steps in float32, so equal to rounding that has had time to grow."""
    fused, plain = (task(host, tmp_path, solver, solver=solver, **how) for solver in ("compiled", "scan"))
    assert (fused.trainer.fused, plain.trainer.fused) == (True, False)
    for epoch in range(5):
        clock = Clock(4 * epoch, 40)
        ours, theirs = fused.step(clock), plain.step(clock)
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"fused"}:
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=2e-3, abs=1e-6), (epoch, name)
    for (name, a), (_, b) in zip(fused.model.named_parameters(), plain.model.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=name)


@compiled
@pytest.mark.parametrize("first", ["compiled", "scan"])
def test_one_trainer_goes_on_where_the_other_stopped(host, tmp_path, first):
    other = {"compiled": "scan", "scan": "compiled"}[first]
    one, two = (task(host, tmp_path, solver, solver=solver, latent=5) for solver in (first, other))
    for epoch in range(3):
        one.step(Clock(4 * epoch, 40))
    two.model.load_state_dict(one.model.state_dict())
    two.generator.set_state(one.generator.get_state())
    two.load_state_dict(one.state_dict())
    for epoch in range(3, 6):
        ours, theirs = one.step(Clock(4 * epoch, 40)), two.step(Clock(4 * epoch, 40))
        assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-4)


@compiled
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"solver": "scan"}, ""),
        ({"model": "plrnn"}, "it knows the shallow PLRNN, not PLRNN"),
        ({"losses": {"l2": "none", "more": "mse"}}, "it knows the losses mse of weight 1, gtf.l2"),
        ({"losses": {"fit": {"weight": 0.5}}}, "it knows the losses mse of weight 1, gtf.l2"),
        ({"losses": {"fit": {"weight": {"use": "linear", "start": 1.0, "end": 1.0}}}}, "it knows the losses"),
    ],
    ids=str,
)
def test_what_the_kernel_does_not_know_goes_by_differentiation(host, tmp_path, caplog, how, reason):
    assert not task(host, tmp_path, "a", **how).trainer.fused
    assert reason in caplog.text
    assert bool(caplog.text) == bool(reason)


@compiled
def test_the_kernel_trains_the_model_itself(host, tmp_path):
    made = task(host, tmp_path, "a")
    before = {name: p.detach().clone() for name, p in made.model.named_parameters()}
    made.step(Clock(0, 40))
    assert all(not torch.equal(before[name], p) for name, p in made.model.named_parameters())


def test_which_trainer_it_was_is_in_the_record(host, tmp_path):
    run = heatbath.run("gtf.lorenz63", host=host, **SMALL, solver="scan", steps=4, runs=tmp_path)
    assert run.history()[-1]["fused"] == 0.0


@pytest.mark.parametrize("solver", [pytest.param("compiled", marks=compiled), "scan"])
def test_a_diverging_run_names_its_step_and_keeps_its_checkpoint(host, tmp_path, solver):
    """A rate of learning that grows until the numbers end."""
    how = {"learning_rate": {"use": "exponential", "start": 1e-3, "end": 1e30}, "steps": 80, "checkpoint_every": 4}
    with pytest.raises(NotFinite, match=r"steps \d+ to \d+: .*; the last checkpoint, step-\d+, is intact"):
        heatbath.run("gtf.lorenz63", host=host, **{**SMALL, **how}, solver=solver, runs=tmp_path, name="it")
    run = heatbath.load_run(tmp_path / "gtf.lorenz63" / "it", host)
    assert run.status == "diverged"
    assert all(bool(p.isfinite().all()) for p in run.task.model.parameters())
