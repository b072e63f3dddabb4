"""The solution between the steps."""

from __future__ import annotations

import math

import pytest
import torch

from heatbath.core.errors import InvalidInput
from tests.solvers.ode.problems import METHODS, batch, decay, lotka_volterra, solve

ONE = torch.ones(1, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_every_time_can_be_asked_for(method: str, direction: float) -> None:
    dense = solve(method, decay, ONE, (0.0, 2.0 * direction), {"dense"}, rtol=1e-6, atol=1e-6).trace["dense"]
    for i in range(21):
        t = direction * i / 10
        assert float(dense(t)) == pytest.approx(math.exp(-t), abs=1e-4)
    assert dense([0.0, direction]).shape == (2, 1)


def test_it_joins_the_steps_and_gives_the_grid() -> None:
    times = (0.0, 0.7, 1.9, 4.0)
    solution = solve("tsit5", lotka_volterra, batch(), times, {"dense", "t", "proposal"})
    torch.testing.assert_close(solution.trace["dense"](times), solution.value, rtol=1e-12, atol=1e-12)
    ends = solution.trace["t"][1:].tolist()
    torch.testing.assert_close(solution.trace["dense"](ends), solution.trace["proposal"][:-1], rtol=0, atol=1e-12)


def test_it_is_in_the_graph() -> None:
    y0 = ONE.clone().requires_grad_()
    dense = solve("tsit5", decay, y0, (0.0, 1.0), {"dense"}, rtol=1e-9, atol=1e-9).trace["dense"]
    (gradient,) = torch.autograd.grad(dense(0.4).sum(), y0)
    assert float(gradient) == pytest.approx(math.exp(-0.4), abs=1e-7)


def test_times_outside_are_refused() -> None:
    dense = solve("tsit5", decay, ONE, (0.0, 1.0), {"dense"}).trace["dense"]
    with pytest.raises(InvalidInput, match=r"t = 1.5 lies outside of what was integrated over, 0.0 to 1.0"):
        dense(1.5)
    with pytest.raises(InvalidInput, match="no step was taken"):
        solve("tsit5", decay, ONE, (0.0,), {"dense"}).trace["dense"](0.0)
