"""What a training step asks of an accelerator, exactly; docs/methods/probconserv.md is held to the numbers."""

from pathlib import Path

import pytest

from heatbath import run
from heatbath.core.build import floats
from heatbath.core.config import read_run, to_argv
from heatbath.core.contracts import Clock
from heatbath.core.runs import Run

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
