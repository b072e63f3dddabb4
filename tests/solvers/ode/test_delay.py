from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from heatbath.solvers.ode.delay import delay_rk4

TAU = math.pi / 2


def sine_error(lag: int) -> float:
    """y'(t) = -y(t - pi / 2) has the solution cos t; the error at t = 5 tau."""
    h = TAU / lag
    times = [-TAU + h * i for i in range(lag + 1)]
    values, _ = delay_rk4(
        lambda y, delayed: -delayed, [math.cos(t) for t in times], [-math.sin(t) for t in times[:-1]], h, 5 * lag
    )
    return abs(values[-1] - math.cos(5 * TAU))


def test_the_order_is_four() -> None:
    errors = [sine_error(lag) for lag in (8, 16, 32)]
    assert [math.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([4, 4], abs=0.3)


def test_a_delay_of_one_step() -> None:
    """y'(t) = a y(t - h), a = exp(h), has the solution e^t."""
    h = 0.1
    values, _ = delay_rk4(lambda y, delayed: math.exp(h) * delayed, [math.exp(-h), 1.0], [math.exp(-h)], h, 10)
    assert values[-1] == pytest.approx(math.e, rel=1e-6)


def test_it_needs_no_delay_to_be_runge_kutta() -> None:
    values, slopes = delay_rk4(lambda y, delayed: -y, [1.0, 1.0, 1.0], [0.0, 0.0], 0.1, 10)
    assert values[-1] == pytest.approx(math.exp(-1), rel=1e-6)
    assert len(values) == 13
    assert len(slopes) == 12
    assert slopes[-1] == -values[-2]


def test_tensors_go_side_by_side() -> None:
    start = torch.tensor([0.3, 0.9], dtype=torch.float64)

    def f(y, delayed):
        return 0.2 * delayed / (1 + delayed * delayed) - 0.1 * y

    rows, _ = delay_rk4(f, [start] * 4, [0 * start] * 3, 0.5, 20)
    for i in range(2):
        single, _ = delay_rk4(f, [float(start[i])] * 4, [0.0] * 3, 0.5, 20)
        assert float(rows[-1][i]) == single[-1]
