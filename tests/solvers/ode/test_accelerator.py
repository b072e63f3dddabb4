"""What an integration asks of an accelerator: one wait an attempted step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from heatbath.core.contracts import InitialValue
from tests.accelerator import Accelerator
from tests.solvers.ode.problems import Net, batch, solver

RECORD = frozenset({"error", "stiffness", "h"})


def on(device: torch.device) -> tuple[Net, torch.Tensor]:
    return Net().to(device), batch().to(device)


@pytest.mark.parametrize("backward", ["autograd", "checkpointed"])
def test_one_wait_an_attempted_step(accelerator: Accelerator, backward: Any) -> None:
    net, y0 = on(accelerator.device)
    with accelerator.counting() as counts:
        solution = solver("tsit5", backward=backward).solve(InitialValue(net, y0, (0.0, 0.7, 3.0)), record=RECORD)
        loss = solution.value.square().sum() + solution.trace["error"].sum() + solution.trace["stiffness"].sum()
        torch.autograd.grad(loss, list(net.parameters()))
    attempts = int(solution.stats["accepted"]) + int(solution.stats["rejected"])
    # two for the first step's length, and the upload of the lengths for the loss
    assert counts.syncs == attempts + 3, counts
    assert counts.uploads == 1, counts
    assert solution.value.device == accelerator.device


def test_one_wait_an_attempted_step_with_an_event(accelerator: Accelerator) -> None:
    net, y0 = on(accelerator.device)
    with torch.no_grad(), accelerator.counting() as counts:
        problem = InitialValue(net, y0, (0.0, 3.0), event=lambda t, y: y.sum() + 1e6)
        solution = solver("tsit5").solve(problem)
    attempts = int(solution.stats["accepted"]) + int(solution.stats["rejected"])
    assert (counts.syncs, counts.uploads) == (attempts + 3, 0), counts  # and the event's sign at the start


def test_one_wait_an_attempted_step_with_a_step_size_a_sample(accelerator: Accelerator) -> None:
    def f(t: Any, y: torch.Tensor) -> torch.Tensor:
        return -y * (1 + y.square())

    y0 = batch().to(accelerator.device)
    with accelerator.counting() as counts:
        solution = solver("tsit5", steps="sample").solve(InitialValue(f, y0, (0.0, 0.7, 3.0)), record=RECORD)
    assert (counts.syncs, counts.uploads) == (int(solution.stats["attempts"]) + 1, 0), counts


def test_the_numbers_are_those_of_the_cpu(accelerator: Accelerator) -> None:
    net, y0 = on(accelerator.device)
    there = solver("tsit5").solve(InitialValue(net, y0, (0.0, 3.0)))
    here = solver("tsit5").solve(InitialValue(Net(), batch(), (0.0, 3.0)))
    assert there.stats == here.stats
    assert torch.equal(there.value.cpu(), here.value)


def test_fixed_steps_wait_for_nothing(accelerator: Accelerator) -> None:
    from heatbath.solvers.ode import RK4, options

    net, y0 = on(accelerator.device)
    with accelerator.counting() as counts:
        fixed = RK4(options.RK4(step=0.1, check=False), None)
        fixed.solve(InitialValue(net, y0, (0.0, 1.0)), record=frozenset({"stiffness"}))
    assert (counts.syncs, counts.uploads) == (0, 0), counts
    with accelerator.counting() as counts:
        RK4(options.RK4(step=0.1), None).solve(InitialValue(net, y0, (0.0, 0.5, 1.0)))
    assert (counts.syncs, counts.uploads) == (1, 0), counts  # at the end: is all finite?


def test_hooks_and_events_of_samples_wait_once_an_attempted_step_too(accelerator: Accelerator) -> None:
    """Roots are found on the device."""
    y0 = batch().to(accelerator.device)
    with torch.no_grad(), accelerator.counting() as counts:
        problem = InitialValue(lambda t, y: -y, y0, (0.0, 3.0), event=lambda t, y: y[:, 0] - 0.3)
        solution = solver("tsit5", steps="sample").solve(
            problem, record=frozenset({"event_time"}), on_step=lambda t, y, info: 1.0 * y
        )
    assert solution.stats["events"] == len(y0)
    assert (counts.syncs, counts.uploads) == (int(solution.stats["attempts"]) + 1, 0), counts
