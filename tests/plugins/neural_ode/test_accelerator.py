"""What a training step of `neural-ode.spiral` asks of an accelerator; the numbers stand in the method's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from heatbath.core.config import read_run, to_argv
from heatbath.core.contracts import Clock
from heatbath.core.host import Host
from heatbath.core.runs import Run
from tests.accelerator import Accelerator

DOCS = Path(__file__).parents[3] / "docs/methods/neural-ode.md"
OPTIONS = {"points": 60, "duration": 6.0, "window": 5, "batch": 4, "device": "emu"}


def counted(accelerator: Accelerator, host: Host, folder: Path, **options: Any) -> tuple[Any, int]:
    """Counts of one training step after the first, and its attempted steps."""
    config, plan, _ = read_run(host, "neural-ode.spiral", to_argv({**OPTIONS, **options}))
    task: Any = Run(host, "neural-ode.spiral", config, plan, folder).task
    solved: list[Any] = []
    solve = task.training.solver.solve
    task.training.solver.solve = lambda *args, **how: solved.append(solve(*args, **how)) or solved[-1]
    task._update(Clock(0, 10))
    with accelerator.counting() as counts:
        task._update(Clock(0, 10))
    return counts, int(solved[-1].stats["accepted"]) + int(solved[-1].stats["rejected"])


def documented(row: str) -> list[str]:
    if not DOCS.exists():
        pytest.skip("the documentation is not part of an installed package")
    line = next(line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def test_one_wait_an_attempted_step(accelerator: Accelerator, host: Host, tmp_path: Path) -> None:
    counts, attempts = counted(accelerator, host, tmp_path)
    assert counts.syncs == attempts + 3, counts  # two for the first step's length, one upload of the lengths
    assert counts.uploads == 1
    row = f"{attempts} | {counts.launches} | {counts.syncs} | {counts.uploads}"
    assert " | ".join(documented("`tsit5`, error penalty")) == row


def test_torchdiffeq_beside(accelerator: Accelerator, host: Host, tmp_path: Path) -> None:
    """On the same problem, with nothing recorded."""
    pytest.importorskip("torchdiffeq")
    plain = {"losses": {"penalty": "none"}}
    ours, our_attempts = counted(accelerator, host, tmp_path / "a", solver={"use": "dopri5"}, **plain)
    theirs, their_attempts = counted(accelerator, host, tmp_path / "b", solver="torchdiffeq/dopri5", **plain)
    for name, counts, attempts in (("`dopri5`", ours, our_attempts), ("`torchdiffeq/dopri5`", theirs, their_attempts)):
        row = f"{attempts} | {counts.launches} | {counts.syncs} | {counts.uploads}"
        assert " | ".join(documented(name)) == row
    said = DOCS.parents[1].joinpath("devices.md").read_text(encoding="utf-8")
    assert f"{ours.syncs} synchronisations against {theirs.syncs}" in said
    assert theirs.syncs / their_attempts > 10 * ours.syncs / our_attempts
    assert torch.device(accelerator.device).type == "emu"
