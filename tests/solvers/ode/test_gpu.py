"""On CUDA: forward, backward, and the numbers of the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue
from tests.solvers.ode.problems import Net, batch, solver

RECORD = frozenset({"error", "stiffness", "h"})


def outcome(device: str, **options: Any) -> tuple[Any, list[Tensor]]:
    net, y0 = Net().to(device), batch().to(device)
    solution = solver("tsit5", **options).solve(InitialValue(net, y0, (0.0, 0.7, 3.0)), record=RECORD)
    loss = solution.value.square().sum() + solution.trace["error"].sum() + solution.trace["stiffness"].sum()
    return solution, [solution.value, *torch.autograd.grad(loss, list(net.parameters()))]


@pytest.mark.gpu
@pytest.mark.parametrize(
    "options", [{}, {"backward": "checkpointed"}, {"controller": "pi"}, {"steps": "sample"}], ids=str
)
def test_forward_and_backward_agree_with_the_cpu(options: dict[str, Any]) -> None:
    here, numbers = outcome("cpu", **options)
    there, their_numbers = outcome("cuda", **options)
    assert there.value.is_cuda
    assert here.stats["evaluations"] == there.stats["evaluations"]
    for a, b in zip(numbers, their_numbers, strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=1e-7, atol=1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize("steps", ["batch", "sample"])
def test_hooks_and_events_agree_with_the_cpu(steps: Any) -> None:
    found = []
    for device in ("cpu", "cuda"):
        y0 = batch().to(device).requires_grad_()
        problem = InitialValue(lambda t, y: -y, y0, (0.0, 1.0, 3.0), event=lambda t, y: y[:, :1] - 0.3)
        solution = solver("tsit5", steps=steps).solve(
            problem, record=frozenset({"event_time"}), on_step=lambda t, y, info: 1.01 * y
        )
        time = solution.trace["event_time"].sum()
        found.append([solution.value, time, *torch.autograd.grad(solution.value.square().sum() + time, y0)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=1e-7, atol=1e-9)


@pytest.mark.gpu
def test_one_wait_an_attempted_step() -> None:
    net, y0 = Net().to("cuda"), batch().to("cuda")
    with torch.autograd.profiler.profile() as profile:
        solution = solver("tsit5").solve(InitialValue(net, y0, (0.0, 3.0)))
    reads = sum(event.count for event in profile.key_averages() if event.key == "aten::_local_scalar_dense")
    attempts = int(solution.stats["accepted"]) + int(solution.stats["rejected"])
    assert reads <= attempts + 3
