"""Events: found to round-off, differentiable in time and state."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode.events import crossed, find_root
from tests.solvers.ode.problems import METHODS, solve

G = 9.81


def fall(t: float, y: Tensor) -> Tensor:
    return torch.stack([y[1], torch.full_like(y[1], -G)])


def ground(t: Any, y: Tensor) -> Tensor:
    return y[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_stone_falls_and_hits_the_ground_when_it_must(method: str) -> None:
    start = torch.tensor([10.0, 0.0], dtype=torch.float64)
    solution = solve(method, fall, start, (0.0, 1.0, 5.0), {"event_time"}, event=ground)
    assert solution.ok
    assert solution.stats["status"] == "event"
    assert float(solution.trace["event_time"]) == pytest.approx(math.sqrt(20 / G), abs=1e-9)
    assert solution.value.shape == (3, 2)  # the times 0 and 1, and the event
    assert float(solution.value[-1, 0]) == pytest.approx(0.0, abs=1e-9)


def test_time_and_state_are_differentiable() -> None:
    start = torch.tensor([10.0, 0.0], dtype=torch.float64, requires_grad=True)
    solution = solve("tsit5", fall, start, (0.0, 5.0), {"event_time"}, event=ground)
    (of_time,) = torch.autograd.grad(solution.trace["event_time"], start, retain_graph=True)
    assert float(of_time[0]) == pytest.approx(1 / math.sqrt(20 * G), rel=1e-9)  # t = sqrt(2 y0 / g)
    (of_height,) = torch.autograd.grad(solution.value[-1, 0], start, retain_graph=True)
    assert float(of_height.abs().max()) < 1e-9  # the stone is always on the ground
    (of_speed,) = torch.autograd.grad(solution.value[-1, 1], start)
    assert float(of_speed[0]) == pytest.approx(-math.sqrt(G / 20), rel=1e-9)  # v = -sqrt(2 g y0)


def test_an_event_may_depend_on_time() -> None:
    solution = solve(
        "tsit5", lambda t, y: -y, torch.ones(1, dtype=torch.float64), (0.0, 2.0), {"event_time"},
        event=lambda t, y: y - 0.5 - 0.1 * t,
    )  # fmt: skip
    t = float(solution.trace["event_time"])
    assert math.exp(-t) == pytest.approx(0.5 + 0.1 * t, abs=1e-6)


def test_the_first_of_several_counts() -> None:
    def walls(t: Any, y: Tensor) -> Tensor:
        return torch.stack([y[0] - 2.0, y[0] - 5.0])

    start = torch.tensor([10.0, 0.0], dtype=torch.float64)
    solution = solve("dopri5", fall, start, (0.0, 5.0), event=walls, first_step=4.0, rtol=1.0, atol=1.0)
    assert float(solution.value[-1, 0]) == pytest.approx(5.0, abs=1e-9)


def test_without_an_event_the_end_is_reached() -> None:
    start = torch.tensor([10.0, 0.0], dtype=torch.float64)
    solution = solve("tsit5", fall, start, (0.0, 1.0), {"event_time"}, event=ground)
    assert solution.stats["status"] == "reached"
    assert solution.trace["event_time"] is None


def test_one_that_begins_at_zero_is_not_an_event() -> None:
    start = torch.tensor([0.0, 5.0], dtype=torch.float64)
    solution = solve("tsit5", fall, start, (0.0, 5.0), {"event_time"}, event=ground)
    assert float(solution.trace["event_time"]) == pytest.approx(10 / G, abs=1e-9)


def test_backwards_in_time() -> None:
    start = torch.tensor([0.0, -14.0], dtype=torch.float64)

    def above(t: Any, y: Tensor) -> Tensor:
        return y[0] - 5.0

    solution = solve("tsit5", fall, start, (0.0, -3.0), {"event_time"}, event=above)
    t = float(solution.trace["event_time"])
    assert t < 0
    assert -14 * t - G / 2 * t * t == pytest.approx(5.0, abs=1e-9)


def test_with_a_backward_pass_by_hand_the_last_step_is_taken_again() -> None:
    found = []
    for backward in ("autograd", "checkpointed"):
        start = torch.tensor([10.0, 0.0], dtype=torch.float64, requires_grad=True)
        solution = solve("tsit5", fall, start, (0.0, 0.4, 5.0), {"event_time"}, event=ground, backward=backward)
        loss = solution.trace["event_time"] + solution.value.square().sum()
        found.append([solution.value.detach(), *torch.autograd.grad(loss, start)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("steps", ["batch", "sample"])
def test_an_event_that_cannot_change_sign_is_refused(steps: Any) -> None:
    start = torch.ones(1, dtype=torch.float64)
    for event, got in ((lambda t, y: y < 0.5, "torch.bool"), (lambda t, y: 0.5, "float")):
        with pytest.raises(InvalidInput, match=f"a tensor of floating point, .* got {got}"):
            solve("tsit5", lambda t, y: -y, start, (0.0, 1.0), event=event, steps=steps)


@pytest.mark.parametrize("steps", ["batch", "sample"])
def test_an_event_that_is_nan_stops_there(steps: Any) -> None:
    start = torch.ones(1, dtype=torch.float64)
    solution = solve(
        "tsit5", lambda t, y: -y, start, (0.0, 0.1, 1.0), event=lambda t, y: (y - 0.5).sqrt() + 1, steps=steps
    )
    assert solution.stats["status"] == "not finite"
    assert "the largest |y| is 0.5" in str(solution.stats["message"])
    assert float(solution.value[1]) == pytest.approx(math.exp(-0.1), abs=1e-6)


class TestOfSamples:
    """Each sample ends at its own."""

    START = torch.tensor([[10.0, 0.0], [4.0, 1.0], [90.0, 0.0]], dtype=torch.float64)

    @staticmethod
    def fall(t: Any, y: Tensor) -> Tensor:
        return torch.stack([y[:, 1], torch.full_like(y[:, 1], -G)], 1)

    @staticmethod
    def when(start: Tensor) -> Tensor:
        height, speed = start.unbind(1)
        return (speed + (speed.square() + 2 * G * height).sqrt()) / G

    @pytest.mark.parametrize("method", METHODS)
    def test_times_and_states(self, method: str) -> None:
        times = (0.0, 0.5, 1.2, 3.0)
        solution = solve(
            method, self.fall, self.START, times, {"event_time"}, event=lambda t, y: y[:, 0], steps="sample"
        )
        assert solution.ok
        assert (solution.stats["status"], solution.stats["events"]) == ("reached", 2)  # the third is still falling
        at = self.when(self.START)
        torch.testing.assert_close(solution.trace["event_time"][:2], at[:2], rtol=0, atol=1e-9)
        assert math.isnan(float(solution.trace["event_time"][2]))
        for row, time in zip(solution.value, times, strict=True):
            then = at.clamp_max(time)
            expected = self.START[:, 0] + self.START[:, 1] * then - G / 2 * then.square()
            torch.testing.assert_close(row[:, 0], expected, rtol=0, atol=1e-7)

    def test_it_is_what_each_alone_gives(self) -> None:
        solution = solve(
            "dopri5", self.fall, self.START, (0.0, 5.0), {"event_time"}, event=lambda t, y: y[:, 0], steps="sample"
        )
        assert solution.stats["status"] == "event"
        for i, start in enumerate(self.START):
            alone = solve("dopri5", fall, start, (0.0, 5.0), {"event_time"}, event=ground)
            assert float(solution.trace["event_time"][i]) == pytest.approx(float(alone.trace["event_time"]), abs=1e-9)
            torch.testing.assert_close(solution.value[-1, i], alone.value[-1], rtol=0, atol=1e-7)

    def test_gradients(self) -> None:
        start = self.START.clone().requires_grad_()
        solution = solve(
            "tsit5", self.fall, start, (0.0, 5.0), {"event_time"}, event=lambda t, y: y[:, 0], steps="sample"
        )
        (of_time,) = torch.autograd.grad(solution.trace["event_time"].sum(), start, retain_graph=True)
        (expected,) = torch.autograd.grad(self.when(start).sum(), start)
        torch.testing.assert_close(of_time, expected, rtol=1e-8, atol=1e-9)
        (of_height,) = torch.autograd.grad(solution.value[-1, :, 0].sum(), start, retain_graph=True)
        assert float(of_height.abs().max()) < 1e-8
        (of_speed,) = torch.autograd.grad(solution.value[-1, :, 1].sum(), start)
        (expected,) = torch.autograd.grad((start[:, 1] - G * self.when(start)).sum(), start)
        torch.testing.assert_close(of_speed, expected, rtol=1e-8, atol=1e-8)

    def test_the_first_of_several_entries_counts(self) -> None:
        def walls(t: Any, y: Tensor) -> Tensor:
            return torch.stack([y[:, 0] - 2.0, y[:, 0] - 3.5], 1)

        how = {"first_step": 4.0, "rtol": 1.0, "atol": 1.0, "steps": "sample"}
        value = solve("dopri5", self.fall, self.START, (0.0, 9.0), event=walls, **how).value
        torch.testing.assert_close(value[-1, :, 0], torch.full((3,), 3.5, dtype=torch.float64), rtol=0, atol=1e-8)

    def test_backwards_in_time_and_of_a_number(self) -> None:
        start = torch.tensor(1.0, dtype=torch.float64)
        solution = solve(
            "tsit5", lambda t, y: -y * torch.cos(torch.as_tensor(t)), start, (0.0, -1.0), {"event_time"},
            event=lambda t, y: y - 1.5 + 0.0 * t, steps="sample", rtol=1e-10, atol=1e-10,
        )  # fmt: skip
        assert float(solution.trace["event_time"]) == pytest.approx(-math.asin(math.log(1.5)), abs=1e-8)
        assert float(solution.value[-1]) == pytest.approx(1.5, abs=1e-8)

    def test_zero_at_the_start_is_none_and_no_samples_have_none(self) -> None:
        start = torch.tensor([[0.0, 5.0]], dtype=torch.float64)
        for begin in (start, start[:0]):
            solution = solve(
                "tsit5", self.fall, begin, (0.0, 5.0), {"event_time"}, event=lambda t, y: y[:, 0], steps="sample"
            )
            torch.testing.assert_close(solution.trace["event_time"], begin[:, 1] * 2 / G, rtol=0, atol=1e-9)

    def test_one_row_a_sample(self) -> None:
        with pytest.raises(InvalidInput, match=r"expected a first axis of 3, got shape \(2,\)"):
            solve("tsit5", self.fall, self.START, (0.0, 1.0), event=lambda t, y: y[0], steps="sample")


def test_crossings() -> None:
    assert crossed([1.0, 1.0, -1.0, 0.0], [0.0, 2.0, 1.0, 1.0]) == [0, 2]


@pytest.mark.parametrize("root", [1e-6, 0.1, 0.5, 0.999])
def test_roots_of_a_hard_function(root: float) -> None:
    def g(x: float) -> float:
        return math.copysign(abs(x - root) ** 5, x - root)

    assert find_root(g, g(0.0), g(1.0)) == pytest.approx(root, abs=1e-10)
