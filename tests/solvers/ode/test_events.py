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


def test_what_cannot_be_combined_is_refused() -> None:
    start = torch.tensor([[10.0, 0.0]], dtype=torch.float64)
    with pytest.raises(InvalidInput, match="one step size for the whole batch"):
        solve("tsit5", lambda t, y: -y, start, (0.0, 1.0), event=ground, steps="sample")
    with pytest.raises(InvalidInput, match="choose backward=autograd"):
        solve("tsit5", lambda t, y: -y, start, (0.0, 1.0), event=ground, backward="checkpointed")


def test_crossings() -> None:
    assert crossed([1.0, 1.0, -1.0, 0.0], [0.0, 2.0, 1.0, 1.0]) == [0, 2]


@pytest.mark.parametrize("root", [1e-6, 0.1, 0.5, 0.999])
def test_roots_of_a_hard_function(root: float) -> None:
    def g(x: float) -> float:
        return math.copysign(abs(x - root) ** 5, x - root)

    assert find_root(g, g(0.0), g(1.0)) == pytest.approx(root, abs=1e-10)
