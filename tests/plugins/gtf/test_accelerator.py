"""What `gtf.lorenz63` asks of an accelerator, exactly; the numbers stand in docs/devices.md, which is held to them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import heatbath
from heatbath.core.build import floats
from heatbath.core.config import read_run, to_argv
from heatbath.core.contracts import Clock
from heatbath.core.host import Host
from heatbath.core.runs import Run
from heatbath.plugins.gtf.training import Piece
from tests.accelerator import Accelerator

DOCS = Path(__file__).parents[3] / "docs/devices.md"
BATCHES = 3


def run(host: Host, folder: Path, device: str, **options: Any) -> Run:
    """One short chunk of gtf.lorenz63, without its slow measure."""
    small = {"steps": BATCHES, "batches_per_epoch": BATCHES, "points": 600, "metrics": {"lyapunov_max": "none"}}
    return heatbath.run("gtf.lorenz63", host=host, device=device, runs=str(folder), **{**small, **options})


def built(host: Host, folder: Path, device: str, **options: Any) -> Any:
    """The task of such a run, before its first step."""
    given = {"batches_per_epoch": BATCHES, "points": 600, "device": device, **options}
    config, plan, _ = read_run(host, "gtf.lorenz63", to_argv(given))
    return Run(host, "gtf.lorenz63", config, plan, folder).task


def documented(what: str) -> list[str]:
    """The cells of a row of the table in the docs, after its first."""
    if not DOCS.exists():
        pytest.skip("the documentation is not part of an installed package")
    row = next(line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {what} |"))
    return [cell.strip() for cell in row.strip("|").split("|")[1:]]


@pytest.mark.parametrize(
    ("solver", "fixed", "slope"), [("scan", 29, 31), ("batched-scan", 60, 13), ("compiled", 60, 13)]
)
def test_a_training_step(
    accelerator: Accelerator, host: Host, tmp_path: Path, solver: str, fixed: int, slope: int
) -> None:
    for window in (5, 50):
        task = built(host, tmp_path, "emu", window=window, solver=solver)
        starts = torch.zeros(1, 16, dtype=torch.int64, device=accelerator.device)
        piece = Piece(Clock(0, 10), starts, [0.15], 1e-3)
        task.trainer.advance(piece)  # makes the optimiser's moments
        with accelerator.counting() as step:
            task.trainer.advance(piece)
        assert (step.launches, step.syncs, step.uploads) == (fixed + slope * window, 0, 0), step
    shown = "batched-scan" if solver == "compiled" else solver
    assert documented(f"training step, `{shown}`") == [f"{fixed} + {slope} T", "0", "0"]


def test_a_chunk_is_read_once(accelerator: Accelerator, host: Host, tmp_path: Path) -> None:
    task = built(host, tmp_path, "emu", window=5, solver="scan")
    task.step(Clock(0, 100))
    with accelerator.counting() as chunk:
        floats(task.step(Clock(0, 100)))
    assert (chunk.syncs, chunk.uploads) == (1, 0), chunk
    assert chunk.synchronised == {"tolist": 1}
    beyond = chunk.launches - BATCHES * (29 + 31 * 5)
    per_batch = 3  # the sums of three metrics
    assert documented("chunk of n steps, beyond them") == [f"{beyond - per_batch * BATCHES} + {per_batch} n", "1", "0"]


def test_what_an_evaluation_waits_for(accelerator: Accelerator, host: Host, tmp_path: Path) -> None:
    exponent = {"use": "lyapunov-max", "segments": 2, "steps": 20, "transient": 10}
    task = built(host, tmp_path, "emu", metrics={"lyapunov_max": exponent})
    with accelerator.counting() as evaluation:
        task.evaluate(Clock(0, 100), accelerator.generator())
    assert documented("evaluation")[1:] == [str(evaluation.syncs), str(evaluation.uploads)], evaluation


def test_a_checkpoint_waits_once_a_tensor(accelerator: Accelerator, host: Host, tmp_path: Path) -> None:
    made = run(host, tmp_path, "emu", window=5)
    with accelerator.counting() as saving:
        torch.save(made.state_dict(), tmp_path / "state.pt")
    tensors = 5 + 2 * 5  # weights, and two moments of each
    assert saving.synchronised == {"save": tensors, "to the host": 1}  # the losses of all epochs
    assert documented("checkpoint") == [str(saving.launches), str(tensors + 1), "0"]


def test_a_run_gives_the_numbers_of_the_cpu(accelerator: Accelerator, host: Host, tmp_path: Path) -> None:
    """Only on the emulated device does a seed draw what it draws on the CPU; then all else must be the same too."""
    here = run(host, tmp_path / "cpu", "cpu", window=5, solver="scan")
    there = run(host, tmp_path / "emu", "emu", window=5, solver="scan")
    for one, two in zip(here.history(), there.history(), strict=True):
        assert one == pytest.approx(two, rel=1e-5)


def test_a_run_resumes_on_another_device(
    accelerator: Accelerator, host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = run(host, tmp_path, "emu", window=5)
    config = made.directory / "config.json"
    table = json.loads(config.read_text())
    table["plan"]["device"] = "cpu"
    config.write_text(json.dumps(table))
    moved = heatbath.load_run(made.directory, host)
    weights = dict(moved.task.model.named_parameters())  # type: ignore[attr-defined]
    for name, parameter in made.task.model.named_parameters():  # type: ignore[attr-defined]
        assert weights[name].device.type == "cpu"
        torch.testing.assert_close(weights[name].detach(), parameter.detach().cpu())
    assert re.search(r"written on emu and goes on on cpu: the random streams start anew", caplog.text)
