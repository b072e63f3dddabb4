"""Devices: names, streams on a device that heatbath never heard of, and CUDA where there is one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import heatbath
from heatbath.core.contracts import Clock
from heatbath.core.devices import resolve
from heatbath.core.errors import ConfigError
from heatbath.core.host import Host
from heatbath.core.runs import Run
from heatbath.core.streams import Streams, global_state, seed_globally, set_global_state
from heatbath.plugins.gtf.training import Piece
from heatbath.testing import invoke
from tests.accelerator import Accelerator

SMALL: dict[str, Any] = {
    "steps": 6, "batches_per_epoch": 2, "points": 600, "window": 8, "checkpoint_every": 2, "evaluate_every": 0,
    "metrics": {"lyapunov_max": "none"},
}  # fmt: skip


@pytest.fixture
def cards(monkeypatch):
    """A machine with some CUDA devices, of which the last is current."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: count - 1)

    return pretend


def test_auto_takes_cuda_where_there_is_one(cards):
    cards(0)
    assert resolve("auto") == torch.device("cpu")
    cards(2)
    assert resolve("auto") == torch.device("cuda", 1)


def test_cuda_is_the_current_device_and_always_has_an_index(cards):
    cards(3)
    assert resolve("cuda") == torch.device("cuda", 2)
    assert resolve("cuda:0") == torch.device("cuda", 0)
    assert resolve("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("count", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")])
def test_a_cuda_device_that_is_not_there_is_refused(cards, count, name):
    cards(count)
    with pytest.raises(ConfigError, match=rf"--device: got '{name}', but torch \S+ sees {count} CUDA devices here"):
        resolve(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cuda:-1", "CPU", "cuda:0:1", "/dev/null"])
def test_a_name_that_torch_does_not_know_is_refused(name):
    with pytest.raises(ConfigError, match="--device: expected auto, cpu, cuda or cuda:INDEX, got"):
        resolve(name)


def test_a_device_that_cannot_draw_numbers_is_refused():
    with pytest.raises(ConfigError, match=r"--device: this torch cannot compute on 'meta': .+"):
        resolve("meta")


def test_on_the_command_line_a_wrong_device_is_one_line_and_leaves_no_run(lab, tmp_path):
    answer = invoke("run toy/line --name it --device meta", lab, cwd=tmp_path)
    assert (answer.exit_code, len(answer.stderr.splitlines())) == (2, 1)
    assert not (tmp_path / "runs/toy-line/it/config.json").exists()


def test_the_emulated_device_is_resolved_as_any_that_torch_knows(accelerator: Accelerator) -> None:
    assert resolve("emu:0") == accelerator.device


def test_streams_live_on_the_device(accelerator: Accelerator) -> None:
    one, two = (Streams(3, accelerator.device) for _ in range(2))
    draws = [torch.rand(4, generator=streams("a"), device=accelerator.device).tolist() for streams in (one, two)]
    assert one("a").device == accelerator.device
    assert draws[0] == draws[1]


def test_the_global_generator_of_a_device_is_seeded_kept_and_given_back(accelerator: Accelerator) -> None:
    device = accelerator.device
    before = global_state(device)
    seed_globally(4, device)
    first = torch.randn(3, device=device).tolist()
    seed_globally(4, device)
    assert torch.randn(3, device=device).tolist() == first
    set_global_state(before, device)
    after = torch.randn(3, device=device).tolist()
    set_global_state(before, device)
    assert torch.randn(3, device=device).tolist() == after


def test_building_a_module_leaves_the_generator_of_the_device_alone(accelerator: Accelerator) -> None:
    streams, device = Streams(0, accelerator.device), accelerator.device
    state = torch.get_device_module(device).get_rng_state()
    with streams.scoped("x"):
        torch.nn.Linear(2, 2, device=device)
    assert torch.equal(torch.get_device_module(device).get_rng_state(), state)


# Where there is CUDA


def moved(run: Run, device: str, host: Host) -> Run:
    """The run in its directory, told to go on on another device."""
    path = run.files.config
    table = json.loads(path.read_text())
    table["plan"]["device"] = device
    path.write_text(json.dumps(table))
    return heatbath.load_run(run.directory, host)


SOLVERS = ["scan", "batched-scan", "compiled"]


def one_step(task: Any) -> tuple[dict[str, float], list[torch.Tensor]]:
    """Metrics and weights after an optimiser step on the first windows of the series, on the task's own device."""
    starts = torch.arange(task.options.batch, device=task.data.train.device).unsqueeze(0)
    metrics = task.trainer.advance(Piece(Clock(0, 10), starts, [0.15], 1e-3))
    weights = [parameter.detach().cpu() for parameter in task.model.parameters()]
    return {name: float(value) for name, value in metrics.items()}, weights


def check_that_a_step_is_that_on_the_cpu(host: Host, folder: Path, solver: str, device: str) -> None:
    """From one checkpoint and the same windows: losses to 1e-5, weights to 1e-4 after a step of 1e-3."""
    start = heatbath.run("gtf.lorenz63", host=host, runs=str(folder), device="cpu", solver=solver, **SMALL)
    there = moved(start, device, host).task
    (metrics, weights), (metrics_there, weights_there) = one_step(start.task), one_step(there)
    assert metrics_there == pytest.approx(metrics, rel=1e-5)
    for one, two in zip(weights, weights_there, strict=True):
        torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_training_step_on_cuda_is_that_on_the_cpu(host: Host, tmp_path: Path, solver: str) -> None:
    check_that_a_step_is_that_on_the_cpu(host, tmp_path, solver, "cuda")


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_training_step_on_an_accelerator_is_that_on_the_cpu(
    host: Host, tmp_path: Path, solver: str, accelerator: Accelerator
) -> None:
    """The same where there is no CUDA, which also keeps the test above alive."""
    check_that_a_step_is_that_on_the_cpu(host, tmp_path, solver, str(accelerator.device))


@pytest.mark.gpu
def test_a_run_on_cuda_ends_with_finite_measures(host: Host, tmp_path: Path) -> None:
    made = heatbath.run("gtf.lorenz63", host=host, runs=str(tmp_path), device="cuda", **SMALL)
    assert made.metrics
    assert all(math.isfinite(value) for value in made.metrics.values())
    assert next(made.task.model.parameters()).device.type == "cuda"  # type: ignore[attr-defined]


@pytest.mark.gpu
@pytest.mark.parametrize(("first", "second"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_checkpoint_of_one_device_goes_on_on_the_other(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture, first: str, second: str
) -> None:
    made = heatbath.run("gtf.lorenz63", host=host, runs=str(tmp_path), device=first, **SMALL)
    other = moved(made, second, host)
    for one, two in zip(made.task.model.parameters(), other.task.model.parameters(), strict=True):  # type: ignore[attr-defined]
        assert two.device.type == second
        assert torch.equal(one.detach().cpu(), two.detach().cpu())
    assert f"written on {first} and goes on on {second}: the random streams start anew" in caplog.text
    assert heatbath.core.api.resume(made.directory, host=host, steps=8).clock.step == 8


@pytest.mark.gpu
def test_a_training_step_on_cuda_waits_for_nothing(host: Host, tmp_path: Path) -> None:
    """What the emulation counts as 0, by CUDA's own word."""
    made = heatbath.run("gtf.lorenz63", host=host, runs=str(tmp_path), device="cuda", **SMALL)
    starts = torch.zeros(1, 16, dtype=torch.int64, device="cuda")
    piece = Piece(Clock(0, 10), starts, [0.15], 1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        made.task.trainer.advance(piece)  # type: ignore[attr-defined]
    finally:
        torch.cuda.set_sync_debug_mode("default")
