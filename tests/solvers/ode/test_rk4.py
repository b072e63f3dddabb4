"""The classical Runge-Kutta method: its order, its hooks, what it records."""

import math
from itertools import pairwise

import pytest
import torch

from heatbath.core.contracts import InitialValue
from heatbath.core.errors import ConfigError, InvalidInput
from heatbath.solvers.ode import options as opt
from heatbath.solvers.ode.rk4 import RK4, rk4_step
from heatbath.testing import build, check_solver

ONE = torch.ones(1, 1, dtype=torch.float64)


def solve(problem, step=0.1, **how):
    return RK4(opt.RK4(step), None).solve(problem, **how)


def decay(*times):
    return InitialValue(lambda t, y: -y, ONE, times)


def test_it_conforms(host):
    check_solver(host, "rk4", accuracy=1e-6)
    check_solver(host, "rk4", accuracy=1e-3, step=0.3)


def test_it_is_of_order_four():
    """Halving the step divides the error by 16, on an equation that depends on time and state."""
    problem = InitialValue(lambda t, y: y * math.cos(t), ONE, (0.0, 2.0))
    errors = [abs(float(solve(problem, step).value[-1]) - math.exp(math.sin(2.0))) for step in (0.1, 0.05, 0.025)]
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert orders == pytest.approx([4, 4], abs=0.2)


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_it_is_exact_where_the_right_hand_side_is_a_cubic_in_time(power):
    problem = InitialValue(lambda t, y: ONE * (power + 1) * t**power, 0 * ONE, (0.0, 1.0, 2.0))
    assert solve(problem, 1.0).value.flatten().tolist() == pytest.approx([0.0, 1.0, 2.0 ** (power + 1)], rel=1e-14)


def test_it_is_not_exact_for_a_quartic():
    problem = InitialValue(lambda t, y: ONE * 5 * t**4, 0 * ONE, (0.0, 1.0))
    assert float(solve(problem, 1.0).value[-1]) == pytest.approx(1 + 1 / 24)  # Simpson's rule on 5 t^4


def test_a_linear_equation_gives_the_fourth_taylor_polynomial():
    h = 0.3
    assert rk4_step(lambda t, y: -y, 0.0, 1.0, h) == pytest.approx(1 - h + h**2 / 2 - h**3 / 6 + h**4 / 24, rel=1e-15)


def test_there_is_a_state_for_each_time_and_the_first_is_the_initial_one():
    solution = solve(decay(0.0, 0.25, 1.0))
    assert solution.value.shape == (3, 1, 1)
    assert torch.equal(solution.value[0], ONE)
    assert solution.value.flatten().tolist() == pytest.approx([1.0, math.exp(-0.25), math.exp(-1.0)], rel=1e-6)
    assert solution.ok


def test_one_time_is_the_initial_state():
    solution = solve(decay(3.0))
    assert torch.equal(solution.value, ONE.unsqueeze(0))
    assert solution.stats["evaluations"] == 0


def test_time_may_run_backwards():
    there = solve(decay(0.0, 1.0), 0.01).value[-1]
    back = solve(InitialValue(lambda t, y: -y, there, (1.0, 0.0)), 0.01)
    assert float(back.value[-1]) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("times", "step", "lengths"),
    [
        ((0.0, 1.0), 0.4, [1 / 3] * 3),  # equal steps, none longer than asked
        ((0.0, 1.0), 0.25, [0.25] * 4),
        ((0.0, 0.3), 0.1, [0.1] * 3),  # 0.3 / 0.1 is a little less than 3
        ((0.0, 0.7), 0.1, [0.1] * 7),  # and 0.7 / 0.1 a little less than 7
        ((0.0, 0.05, 0.5), 0.3, [0.05, 0.225, 0.225]),
        ((1.0, 0.0), 0.5, [-0.5, -0.5]),
    ],
)
def test_an_interval_is_cut_into_equal_steps(times, step, lengths):
    ends = []
    solution = solve(decay(*times), step, record=frozenset({"h", "t"}), on_step=lambda t, y, info: ends.append(t))
    assert solution.trace["h"].tolist() == pytest.approx(lengths, rel=1e-12)
    assert solution.stats["evaluations"] == 4 * len(lengths)
    starts = [times[0] + sum(lengths[:i]) for i in range(len(lengths))]
    assert solution.trace["t"].tolist() == pytest.approx(starts)
    assert set(times[1:]) <= set(ends)  # met exactly


def test_evaluations_are_counted_as_they_are_made():
    calls = []
    problem = InitialValue(lambda t, y: (calls.append(t), -y)[1], ONE, (0.0, 1.0))
    assert solve(problem, 0.5).stats["evaluations"] == len(calls) == 8
    assert calls == [0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0]


def test_only_what_is_asked_for_is_kept():
    assert solve(decay(0.0, 1.0)).trace == {}
    assert set(solve(decay(0.0, 1.0), record=frozenset({"t"})).trace) == {"t"}


def test_a_hook_replaces_the_state_that_is_gone_on_from():
    seen = []

    def halve(t, y, info):
        seen.append((t, info["h"]))
        return y / 2

    solution = solve(decay(0.0, 0.2), 0.1, on_step=halve, record=frozenset({"proposal"}))
    one = rk4_step(lambda t, y: -y, 0.0, 1.0, 0.1)
    assert seen == [pytest.approx((0.1, 0.1)), pytest.approx((0.2, 0.1))]
    assert solution.trace["proposal"].flatten().tolist() == pytest.approx([one, one**2 / 2], rel=1e-12)
    assert float(solution.value[-1]) == pytest.approx(one**2 / 4, rel=1e-12)


def test_gradients_flow_to_the_state_and_to_parameters():
    rate = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    start = ONE.clone().requires_grad_()
    value = solve(InitialValue(lambda t, y: -rate * y, start, (0.0, 1.0)), 0.01).value[-1]
    by_rate, by_start = torch.autograd.grad(value.sum(), (rate, start))
    assert float(by_rate) == pytest.approx(-math.exp(-0.5), rel=1e-6)
    assert float(by_start) == pytest.approx(math.exp(-0.5), rel=1e-6)


def test_a_state_that_is_not_finite_has_a_status_that_names_time_and_value():
    problem = InitialValue(lambda t, y: y * (-1 if t < 0.5 else math.nan), ONE, (0.0, 0.25, 0.75, 1.0))
    solution = solve(problem, 0.05)
    assert not solution.ok
    assert solution.stats["status"] == "not finite"
    message = "the state is not finite at t = 0.75; at t = 0.25 the largest |y| is 0.779"
    assert solution.stats["message"] == message
    assert float(solution.value[1]) == pytest.approx(math.exp(-0.25), rel=1e-6)
    unchecked = RK4(opt.RK4(0.05, check=False), None).solve(problem)
    assert unchecked.ok
    assert math.isnan(float(unchecked.value[-1]))


def test_a_hook_that_gives_another_shape_is_refused():
    with pytest.raises(InvalidInput, match=r"a state from `on_step` must have the state's shape \(1, 1\), got \(1,\)"):
        solve(decay(0.0, 1.0), on_step=lambda t, y, info: y[0])


@pytest.mark.parametrize("step", [0.0, -0.1, math.nan])
def test_a_step_that_leads_nowhere_is_refused(step):
    with pytest.raises(ValueError, match=f"`step` must be positive, got {step}"):
        opt.RK4(step)


def test_an_option_that_it_has_not_is_refused(host):
    with pytest.raises(ConfigError, match="RK4 has no option 'tolerance'"):
        build(host, "solvers", "rk4", tolerance=0.1)
