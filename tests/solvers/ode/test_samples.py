"""One step size a sample."""

from __future__ import annotations

import math
import re
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
    assert "the first is 1, at t = 0.5, where the largest |y| is 0.6" in str(solution.stats["message"])
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


class TestHook:
    def test_what_it_replaces_counts_for_samples_that_took_a_step(self) -> None:
        """Each sample is kicked once it is past t = 0.2, at a time of its own, and decays again."""
        kicked = torch.full((3, 1), math.nan, dtype=torch.float64)

        def kick(t: Tensor, y: Tensor, info: Any) -> Tensor:
            assert set(info) == {"h", "error", "accepted"}
            now = info["accepted"].unsqueeze(1) & (t > 0.2) & kicked.isnan()
            kicked[now] = t[now]
            return torch.where(now, y + 1.0, y)

        how = {"steps": "sample", "rtol": 1e-10, "atol": 1e-10}
        value = solve("tsit5", decays, start(), (0.0, 1.0), on_step=kick, **how).value[-1]
        assert bool(kicked.isfinite().all())
        assert len(set(kicked.flatten().tolist())) == 3
        expected = (torch.exp(-RATES * kicked) + 1.0) * torch.exp(RATES * (kicked - 1.0))
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-8)

    def test_a_sample_alone_is_kicked_as_with_a_step_size_a_batch(self) -> None:
        found = []
        for steps in ("batch", "sample"):
            net, y0 = Net(), batch(1).requires_grad_()
            solution = solve(
                "tsit5", net, y0, (0.0, 1.0, 2.0), {"h", "proposal", "error"}, steps=steps, controller="pi",
                on_step=lambda t, y, info: 0.9 * y,
            )  # fmt: skip
            assert solution.stats["evaluations"] == net.calls
            assert not torch.equal(solution.trace["proposal"][0], batch(1))
            taken = [solution.trace[name].flatten() for name in ("h", "error", "proposal")]
            gradient = torch.autograd.grad(solution.value.square().sum(), y0)
            found.append([solution.value, *taken, *gradient])
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)

    def test_what_it_gives_to_samples_that_wait_is_left_out(self) -> None:
        """The slow sample has arrived long before the fast one, and stays where it was."""
        values = [
            solve(
                "tsit5", decays, start(), (0.0, 1.0), steps="sample",
                on_step=lambda t, y, info, by=by: torch.where(info["accepted"].unsqueeze(1), y, y + by),
            ).value
            for by in (0.0, 5.0)
        ]  # fmt: skip
        assert torch.equal(*values)

    def test_one_that_replaces_nothing_changes_nothing(self) -> None:
        plain, heard = (
            solve("tsit5", decays, start(), (0.0, 0.3, 1.0), {"h"}, steps="sample", on_step=hook)
            for hook in (None, lambda t, y, info: None)
        )
        assert torch.equal(plain.value, heard.value)
        assert plain.stats == heard.stats

    def test_another_shape_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match=r"a state from `on_step` must have the state's shape \(3, 1\), got"):
            solve("tsit5", decays, start(), (0.0, 1.0), steps="sample", on_step=lambda t, y, info: y[:1])


def test_what_went_wrong_names_sample_time_and_value() -> None:
    late = solve("tsit5", decays, start(), (0.0, 1.0), steps="sample", max_steps=5)
    assert str(late.stats["message"]).startswith(
        "5 steps were attempted: 1 of 3 samples are before the end, the first is 2, at t = 0.0"
    )
    pole = solve("tsit5", lambda t, y: y * y, torch.tensor([0.1, 1.0], dtype=torch.float64), (0.0, 2.0), steps="sample")
    assert pole.stats["status"] == "step underflow"
    message = str(pole.stats["message"])
    assert re.search(r"1 of 2 samples failed, the first is 1, at t = 1, where the largest \|y\| is \d", message)
    assert float(pole.value[-1, 0]) == pytest.approx(0.125, abs=1e-5)
