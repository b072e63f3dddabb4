"""What a training step asks of an accelerator, exactly; docs/methods/probconserv.md is held to the numbers."""

from functools import partial
from pathlib import Path

import pytest
import torch

from heatbath import run
from heatbath.core.build import floats
from heatbath.core.choices import Pick
from heatbath.core.config import read_run, to_argv
from heatbath.core.contracts import Clock, Gaussian
from heatbath.core.runs import Run
from heatbath.plugins.probconserv.correction import MassCorrection
from heatbath.solvers.gaussian.options import Conditioner as ConditionerOptions
from heatbath.testing import build

DOCS = Path(__file__).parents[3] / "docs/methods/probconserv.md"
THROUGH = {"fit": {"use": "probconserv.nll", "conditioned": True}}
UNCHECKED = {"use": "mass", "solver": {"use": "gaussian", "check": False}}


def built(host, folder, name="probconserv.pme", **options):
    given = {"grid": 21, "chunk": 3, "device": "emu", **options}
    config, plan, _ = read_run(host, name, to_argv(given))
    return Run(host, name, config, plan, folder).task


def documented(what):
    if not DOCS.exists():
        pytest.skip("the documentation is not part of an installed package")
    row = next(line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {what} |"))
    return [cell.strip() for cell in row.strip("|").split("|")[1:]]


@pytest.mark.parametrize(
    ("what", "options", "waits"),
    [
        ("training step, `probconserv.pme`", {}, 0),
        ("training step, `probconserv.stefan`", {"name": "probconserv.stefan"}, 0),
        ("training step through the constraint", {"losses": THROUGH}, 1),
        ("the same, unchecked", {"losses": THROUGH, "constraint": UNCHECKED}, 0),
    ],
)
def test_a_training_step(accelerator, host, tmp_path, what, options, waits):
    seen = set()
    for slices, points in ((2, 5), (16, 40)):
        task = built(host, tmp_path, slices=slices, points=points, **options)
        task._update(Clock(0, 10))  # makes the optimiser's moments
        with accelerator.counting() as step:
            task._update(Clock(0, 10))
        assert (step.syncs, step.uploads) == (waits, 0), step
        seen.add(step.launches)
    assert len(seen) == 1, seen
    assert documented(what) == [str(seen.pop()), str(waits), "0"]


@pytest.mark.parametrize(("check", "waits"), [(True, 2), (False, 0)])
def test_smoothing_waits_as_its_solver_does(accelerator, host, check, waits):
    """Once for each of the two conditionings, or not at all."""
    made = build(
        host, "constraints", "smooth-mass", solver=Pick("solvers", "gaussian", ConditionerOptions(check=check))
    )
    draw = partial(torch.rand, device=accelerator.device, generator=accelerator.generator(), dtype=torch.float64)
    facts = {"fact:grid": torch.linspace(0, 1, 12, device=accelerator.device), "fact:mass": draw(3)}
    with accelerator.counting() as step:
        law = made.at(facts).condition(Gaussian(draw(3, 12), draw(3, 12)))
    assert (step.syncs, step.uploads) == (waits, 0), step
    assert float(made.at(facts).residual(law.mean).abs().max()) < 1e-12


def test_a_correction_waits_for_nothing(accelerator):
    draw = partial(torch.rand, device=accelerator.device, generator=accelerator.generator(), dtype=torch.float64)
    mass = draw(3)
    for variance in (None, draw(3, 12), lambda y: 0 * y):
        correction = MassCorrection(draw(12), lambda t: mass, variance)
        with accelerator.counting() as step:
            y = correction(0.0, draw(3, 12), {})
        assert (step.syncs, step.uploads) == (0, 0), step
        assert float(((y * correction.weights).sum(1) - mass).abs().max()) < 1e-12


def test_a_chunk_is_read_once(accelerator, host, tmp_path):
    task = built(host, tmp_path, slices=2, points=5)
    task.step(Clock(0, 100))
    with accelerator.counting() as chunk:
        floats(task.step(Clock(0, 100)))
    assert (chunk.syncs, chunk.uploads) == (1, 0), chunk


def test_a_run_gives_the_numbers_of_the_cpu(accelerator, host, tmp_path):
    """Only on the emulated device does a seed draw what it draws on the CPU; then all else must be the same too."""
    found = []
    for device in ("cpu", "emu"):
        task = built(host, tmp_path, "probconserv.stefan", slices=3, points=6, chunk=1, device=device)
        found.append(
            ({**floats(task.step(Clock(0, 9))), **floats(task.step(Clock(1, 9)))}, task.evaluate(Clock(9, 9), None))
        )
    (trained, judged), (trained_there, judged_there) = found
    assert trained == pytest.approx(trained_there, rel=1e-4)
    assert judged == pytest.approx(judged_there, rel=1e-3, abs=1e-9)
    assert judged_there["conservation_error"] < 1e-12


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["probconserv.pme", "probconserv.stefan"])
def test_it_trains_on_cuda(host, tmp_path, name):
    made = run(name, host=host, device="cuda", steps=20, chunk=10, runs=str(tmp_path))
    assert made.metrics["conservation_error"] < 1e-12
