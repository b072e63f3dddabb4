"""One step size a sample."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from tests.solvers.ode.problems import METHODS, Net, batch, lotka_volterra, solve

RATES = torch.tensor([[0.2], [1.0], [30.0]], dtype=torch.float64)


def decays(t: Any, y: Tensor) -> Tensor:
    return -RATES * y


def start() -> Tensor:
    return torch.ones(3, 1, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
def test_each_sample_is_solved(method: str) -> None:
    times = (0.0, 0.05, 0.5, 1.0)
    value = solve(method, decays, start(), times, steps="sample").value[..., 0]
    exact = torch.exp(-torch.tensor(times, dtype=torch.float64)[:, None] * RATES[:, 0])
    assert float((value - exact).abs().max()) < 2e-5


def test_a_sample_alone_takes_the_steps_that_it_takes_among_others() -> None:
    together = solve("tsit5", lotka_volterra, batch(), (0.0, 4.0), {"h"}, steps="sample")
    for i in (0, 7):
        alone = solve("tsit5", lotka_volterra, batch()[i : i + 1], (0.0, 4.0), {"h"})
        taken = together.trace["h"][:, i]
        torch.testing.assert_close(taken[taken > 0], alone.trace["h"], rtol=1e-6, atol=0)
        torch.testing.assert_close(together.value[-1, i], alone.value[-1, 0], rtol=1e-9, atol=1e-12)


def test_easy_samples_take_few_steps() -> None:
    steps = (solve("tsit5", decays, start(), (0.0, 1.0), {"h"}, steps="sample").trace["h"] > 0).sum(0)
    assert int(steps[0]) < int(steps[2]) / 3


def test_evaluations_are_the_calls() -> None:
    net = Net()
    solution = solve("tsit5", net, batch(), (0.0, 2.0), steps="sample")
    assert solution.stats["evaluations"] == net.calls == 2 + 6 * int(solution.stats["attempts"])


def test_errors_and_stiffness_are_one_a_sample_and_zero_where_no_step_was_taken() -> None:
    solution = solve("tsit5", decays, start(), (0.0, 1.0), {"error", "stiffness", "h"}, steps="sample")
    trace = solution.trace
    assert trace["error"].shape == trace["h"].shape == (solution.stats["attempts"], 3)
    assert float(trace["error"].max()) <= 1.0
    assert bool((trace["error"][trace["h"] == 0] == 0).all())
    stiffness = trace["stiffness"]
    assert stiffness.amax(0).tolist() == pytest.approx(RATES[:, 0].tolist(), rel=1e-6)


def test_gradients_are_those_of_one_step_size_a_batch() -> None:
    net, y0 = Net(), batch(4).requires_grad_()
    found = []
    for steps in ("sample", "batch"):
        end = solve("tsit5", net, y0, (0.0, 0.7, 2.0), {"error"}, steps=steps, rtol=1e-9, atol=1e-9)
        found.append(torch.autograd.grad(end.value.square().sum(), [y0, *net.parameters()]))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 2)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    value = solve("tsit5", lambda t, y: -y, torch.ones(shape, dtype=torch.float64), (0.0, 1.0), steps="sample").value
    assert value.shape == (2, *shape)
    assert float((value[-1] - math.exp(-1)).abs().max()) < 1e-6


def test_time_may_run_backwards() -> None:
    def f(t: Any, y: Tensor) -> Tensor:
        return torch.cos(torch.as_tensor(t)) * y

    value = solve("tsit5", f, start(), (1.0, 0.3, 0.0), {"t", "h"}, steps="sample", rtol=1e-9, atol=1e-9)
    expected = [math.exp(math.sin(t) - math.sin(1.0)) for t in (1.0, 0.3, 0.0)]
    assert value.value[:, 0, 0].tolist() == pytest.approx(expected, abs=1e-7)
    assert float(value.trace["h"].max()) <= 0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_sample_that_breaks_leaves_the_others_whole(broken: float) -> None:
    y0 = start().requires_grad_()

    def f(t: Any, y: Tensor) -> Tensor:
        wrong = torch.tensor([[0.0], [broken], [0.0]], dtype=torch.float64)
        return torch.where((torch.as_tensor(t) > 0.5) & (wrong != 0), wrong, -y)

    solution = solve("tsit5", f, y0, (0.0, 0.25, 1.0), steps="sample")
    assert not solution.ok
    assert solution.stats["status"] == "not finite"
    assert "the first is 1, at t = 0.5" in str(solution.stats["message"])
    assert bool(solution.value[1].isfinite().all())
    assert solution.value[2].isfinite().flatten().tolist() == [True, False, True]
    (gradient,) = torch.autograd.grad(solution.value[2, [0, 2]].sum(), y0)
    assert gradient.flatten().tolist() == pytest.approx([math.exp(-1), 0.0, math.exp(-1)], abs=1e-6)


def test_too_many_steps() -> None:
    solution = solve("tsit5", decays, start(), (0.0, 1.0), steps="sample", max_steps=5)
    assert solution.stats["status"] == "too many steps"


def test_the_dtype_is_the_states() -> None:
    net = Net().float()
    value = solve("tsit5", net, batch(4).float(), (0.0, 0.7, 2.0), steps="sample", rtol=1e-4, atol=1e-4).value
    assert value.dtype == torch.float32


def test_no_time_passes() -> None:
    assert torch.equal(solve("tsit5", decays, start(), (0.0, 0.0), steps="sample").value[1], start())


def test_hooks_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one step size for the whole batch"):
        solve("tsit5", decays, start(), (0.0, 1.0), steps="sample", on_step=lambda t, y, info: None)
