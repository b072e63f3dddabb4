"""Adaptive integration: tolerances, counts, times, hooks, what can go wrong."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.core.host import Host
from heatbath.solvers import ode
from heatbath.solvers.ode.options import Adaptive
from heatbath.solvers.ode.steps import Tolerance, error_ratio, rms, stages
from heatbath.solvers.ode.tableaux import ADAPTIVE
from heatbath.testing import build, check_solver
from tests.solvers.ode.problems import HIGHER, METHODS, Net, batch, decay, lotka_volterra, solve, solver

ONE = torch.ones(1, dtype=torch.float64)


@pytest.mark.parametrize("name", [*METHODS, "rk4"])
def test_registered_solvers_conform(host: Host, name: str) -> None:
    check_solver(host, name, accuracy=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"controller": "pi"},
        {"controller": "pid"},
        {"backward": "checkpointed"},
        {"differentiate_step_size": True},
        {"land": True},
        {"steps": "sample"},
    ],
    ids=str,
)
def test_options_conform(host: Host, options: dict[str, Any]) -> None:
    check_solver(host, "tsit5", accuracy=1e-3, **options)


class TestTolerance:
    @pytest.mark.parametrize("method", HIGHER)
    @pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
    @pytest.mark.parametrize("controller", ["i", "pi", "pid"])
    def test_the_end_of_a_decay_is_within_ten_tolerances(self, method: str, tolerance: float, controller: Any) -> None:
        """A step ends on the last time, so the interpolant's error does not count."""
        solution = solve(method, decay, ONE, (0.0, 1.0), rtol=tolerance, atol=tolerance, controller=controller)
        assert abs(float(solution.value[-1]) - math.exp(-1)) <= 10 * tolerance

    @pytest.mark.parametrize("method", METHODS)
    def test_the_error_follows_the_tolerance(self, method: str) -> None:
        order = ADAPTIVE[method].order
        tolerances = [10.0**-k for k in range(3, 11 if order >= 5 else 8 if order == 3 else 6)]
        reference = solve("dopri8", lotka_volterra, batch(), (0.0, 4.0), rtol=1e-13, atol=1e-13).value[-1]
        errors = [
            float(
                (solve(method, lotka_volterra, batch(), (0.0, 4.0), rtol=t, atol=t).value[-1] - reference).abs().max()
            )
            for t in tolerances
        ]
        assert all(error <= 300 * t for error, t in zip(errors, tolerances, strict=True)), errors
        assert all(after < before for before, after in itertools.pairwise(errors)), errors

    @pytest.mark.parametrize("method", METHODS)
    def test_times_between_steps_are_as_good(self, method: str) -> None:
        times = tuple(i / 20 for i in range(21))
        value = solve(method, decay, ONE, times, rtol=1e-6, atol=1e-6).value[:, 0]
        assert float((value - torch.exp(-torch.tensor(times, dtype=torch.float64))).abs().max()) < 1e-5

    def test_a_copy_of_the_batch_changes_no_step(self) -> None:
        once = solve("tsit5", lotka_volterra, batch(), (0.0, 4.0))
        twice = solve("tsit5", lotka_volterra, torch.cat([batch(), batch()]), (0.0, 4.0))
        assert once.stats["evaluations"] == twice.stats["evaluations"]

    def test_the_order_of_the_batch_does_not_matter(self) -> None:
        turn = torch.randperm(16, generator=torch.Generator().manual_seed(1))
        plain = solve("tsit5", lotka_volterra, batch(), (0.0, 4.0)).value[:, turn]
        turned = solve("tsit5", lotka_volterra, batch()[turn], (0.0, 4.0)).value
        torch.testing.assert_close(plain, turned, rtol=1e-9, atol=1e-12)


class TestCounts:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("controller", ["i", "torchdiffeq"])
    def test_evaluations_are_the_calls(self, method: str, controller: Any) -> None:
        net = Net()
        solution = solve(method, net, batch(), (0.0, 6.0), {"error"}, controller=controller, rtol=1e-4, atol=1e-4)
        attempts = solution.stats["accepted"] + solution.stats["rejected"]
        assert solution.stats["evaluations"] == net.calls == 2 + (ADAPTIVE[method].stages - 1) * attempts
        assert len(solution.trace["error"]) == solution.stats["accepted"]

    def test_some_steps_are_rejected(self) -> None:
        solution = solve("tsit5", lotka_volterra, batch(), (0.0, 10.0), {"error"}, controller="torchdiffeq")
        assert solution.stats["rejected"] > 3
        assert float(solution.trace["error"].max()) <= 1.0

    def test_a_grid_of_times_costs_no_step(self) -> None:
        plain = solve("tsit5", lotka_volterra, batch(), (0.0, 4.0))
        grid = solve("tsit5", lotka_volterra, batch(), tuple(i / 100 for i in range(401)))
        assert grid.stats["evaluations"] == plain.stats["evaluations"]
        assert torch.equal(grid.value[-1], plain.value[-1])

    def test_landing_steps_onto_every_time(self) -> None:
        times = (0.0, 0.3, 1.0, 4.0)
        solution = solve("tsit5", lotka_volterra, batch(), times, {"t", "h"}, land=True)
        ends = (solution.trace["t"] + solution.trace["h"]).tolist()
        assert all(any(abs(end - time) < 1e-12 for end in ends) for time in times[1:])

    def test_the_error_is_that_of_its_stages(self) -> None:
        solution = solve("tsit5", lotka_volterra, batch(), (0.0, 4.0), {"error", "t", "h", "proposal"})
        u, tableau = batch(), ADAPTIVE["tsit5"]
        for t, h, error, after in zip(*(solution.trace[n] for n in ("t", "h", "error", "proposal")), strict=True):
            k, g = stages(tableau, lotka_volterra, float(t), float(h), u, lotka_volterra(float(t), u))
            scale = Tolerance(1e-6, 1e-6).scale(u, g[-1])
            assert float(error) == pytest.approx(float(rms(error_ratio(tableau, float(h), k, scale))), rel=1e-6)
            u = after


class TestTimes:
    @pytest.mark.parametrize("method", METHODS)
    def test_time_may_run_backwards(self, method: str) -> None:
        there = solve(method, Net(), batch(), (0.0, 1.0), rtol=1e-6, atol=1e-6).value[-1]
        back = solve(method, Net(), there, (1.0, 0.5, 0.0), {"h"}, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(back.value[-1], batch(), rtol=0, atol=1e-4)
        assert bool((back.trace["h"] < 0).all())

    def test_no_time_passes(self) -> None:
        solution = solve("tsit5", decay, ONE, (1.0, 1.0, 1.0), {"error", "t", "proposal"})
        assert torch.equal(solution.value, ONE.expand(3, 1))
        assert solution.stats["evaluations"] == 1
        assert solution.trace["error"].shape == (0,)
        assert solution.trace["proposal"].shape == (0, 1)

    def test_a_single_time(self) -> None:
        assert solve("tsit5", decay, ONE, (1.0,)).value.shape == (1, 1)

    def test_repeated_times_repeat_the_state(self) -> None:
        value = solve("tsit5", decay, ONE, (0.0, 0.5, 0.5, 1.0, 1.0)).value
        assert torch.equal(value[1], value[2])
        assert torch.equal(value[3], value[4])

    def test_one_step_may_pass_many_times(self) -> None:
        times = tuple(i / 1000 for i in range(1001))
        solution = solve("dopri8", decay, ONE, times, rtol=1e-3, atol=1e-3)
        assert solution.stats["accepted"] < 10
        assert solution.value.shape == (1001, 1)

    def test_the_derivative_is_never_asked_outside(self) -> None:
        seen: list[float] = []

        def f(t: float, y: Tensor) -> Tensor:
            seen.append(t)
            return -y

        solve("tsit5", f, ONE, (0.2, 1.0))
        assert min(seen) == 0.2
        assert max(seen) <= 1.0

    @pytest.mark.parametrize("limit", [0.01, 0.1])
    def test_no_step_is_longer_than_the_longest(self, limit: float) -> None:
        solution = solve("tsit5", decay, ONE, (0.0, 1.0), {"h"}, max_step=limit)
        assert float(solution.trace["h"].max()) <= limit * (1 + 1e-9)

    def test_the_first_step_can_be_given(self) -> None:
        solution = solve("tsit5", decay, ONE, (0.0, 1.0), {"h"}, first_step=0.03)
        assert float(solution.trace["h"][0]) == 0.03
        assert solution.stats["evaluations"] == 1 + 6 * solution.stats["accepted"]


class TestHook:
    def test_a_replaced_state_has_its_own_slope_and_is_counted(self) -> None:
        net, replaced = Net(), []

        def hook(t: float, y: Tensor, info: Any) -> Tensor | None:
            if len(replaced) < 2:
                replaced.append(t)
                return 0.5 * y
            return None

        solution = solve("tsit5", net, batch(), (0.0, 3.0), on_step=hook)
        attempts = solution.stats["accepted"] + solution.stats["rejected"]
        assert solution.stats["evaluations"] == net.calls == 2 + 6 * attempts + 2

    def test_what_follows_is_the_solution_from_the_replaced_state(self) -> None:
        """A kick at the end of the first step, and then a decay again."""
        kicked: list[float] = []

        def hook(t: float, y: Tensor, info: Any) -> Tensor | None:
            if kicked:
                return None
            kicked.append(t)
            return y + 1.0

        end = float(solve("tsit5", decay, ONE, (0.0, 1.0), on_step=hook, rtol=1e-10, atol=1e-10).value[-1])
        expected = (math.exp(-kicked[0]) + 1.0) * math.exp(kicked[0] - 1.0)
        assert end == pytest.approx(expected, abs=1e-9)

    def test_the_proposal_is_the_state_before(self) -> None:
        solution = solve("tsit5", decay, ONE, (0.0, 1.0), {"proposal"}, on_step=lambda t, y, info: 0 * y)
        assert float(solution.value[-1]) == 0.0
        assert float(solution.trace["proposal"][0]) > 0.0

    def test_gradients_flow_through_a_replaced_state(self) -> None:
        level = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
        first: list[float] = []

        def hook(t: float, y: Tensor, info: Any) -> Tensor | None:
            if first:
                return None
            first.append(t)
            return level

        for backward in ("autograd", "checkpointed"):
            first.clear()
            solution = solve("tsit5", decay, ONE, (0.0, 1.0), on_step=hook, backward=backward, rtol=1e-9, atol=1e-9)
            (gradient,) = torch.autograd.grad(solution.value[-1].sum(), level)
            assert float(gradient) == pytest.approx(math.exp(first[0] - 1.0), abs=1e-7)

    def test_the_hook_hears_of_the_step(self) -> None:
        heard: list[dict[str, float]] = []
        solve("tsit5", decay, ONE, (0.0, 1.0), on_step=lambda t, y, info: heard.append(dict(info)))
        assert all(set(info) == {"h", "error"} and info["error"] <= 1 for info in heard)


class TestWhatGoesWrong:
    def test_a_state_that_is_not_finite(self) -> None:
        solution = solve("tsit5", decay, torch.tensor([math.nan], dtype=torch.float64), (0.0, 1.0))
        assert not solution.ok
        assert solution.stats["status"] == "not finite"
        assert "the state is not finite at t = 0" in str(solution.stats["message"])
        assert solution.value.shape == (1, 1)

    def test_a_scale_of_zero(self) -> None:
        solution = solve("tsit5", decay, 0 * ONE, (0.0, 1.0), atol=0.0)
        assert solution.stats["status"] == "not finite"
        assert "`atol` is 0 and so is an entry of the state" in str(solution.stats["message"])

    @pytest.mark.parametrize("broken", [math.nan, math.inf])
    def test_a_derivative_that_is_not_finite_from_some_time_on(self, broken: float) -> None:
        def f(t: float, y: Tensor) -> Tensor:
            return -y if t < 0.5 else broken * y

        solution = solve("tsit5", f, ONE, (0.0, 0.25, 0.75, 1.0))
        assert not solution.ok
        assert solution.stats["status"] == "not finite"
        assert 0.4 < float(solution.stats["t"]) < 0.5 + 1e-9
        assert "at t = 0.5 the largest |y| is 0.607" in str(solution.stats["message"])
        assert solution.value.shape == (2, 1)  # the part that was reached is kept
        assert float(solution.value[1]) == pytest.approx(math.exp(-0.25), abs=1e-5)

    def test_a_solution_that_blows_up(self) -> None:
        solution = solve("tsit5", lambda t, y: y**2, ONE, (0.0, 0.5, 2.0))
        assert not solution.ok
        assert solution.stats["status"] == "step underflow"
        assert float(solution.stats["t"]) == pytest.approx(1.0, abs=1e-4)
        assert re.search(r"t = 1 the largest \|y\| is \d", str(solution.stats["message"]))

    def test_too_many_steps_of_a_stiff_equation_name_its_stiffness(self) -> None:
        stiff = solve("tsit5", lambda t, y: -1e4 * (y - math.cos(t)), ONE, (0.0, 9.0), {"stiffness"}, max_steps=200)
        assert stiff.stats["status"] == "too many steps"
        assert re.search(r"h S = \d.*, stable up to 3.5", str(stiff.stats["message"]))

    def test_an_error_of_zero_gives_a_finite_step(self) -> None:
        solution = solve("tsit5", lambda t, y: torch.zeros_like(y), ONE, (0.0, 100.0), {"h"})
        assert solution.ok
        assert bool(solution.trace["h"].isfinite().all())

    def test_tolerances_below_round_off_warn(self) -> None:
        with pytest.warns(RuntimeWarning, match="below ten times the round-off of torch.float32"):
            solve("tsit5", decay, torch.ones(1), (0.0, 0.1), rtol=1e-8, atol=1e-8)

    @pytest.mark.parametrize(
        ("times", "message"),
        [
            ((), "`times` is empty"),
            ((0.0, 2.0, 1.0), "sorted, up or down; entry 2 is 1.0, the one before 2.0"),
            ((0.0, 1.0, 0.0), "sorted"),
            ((0.0, math.inf), "finite"),
        ],
    )
    def test_times(self, times: tuple[float, ...], message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            solve("tsit5", decay, ONE, times)

    def test_shapes(self) -> None:
        with pytest.raises(InvalidInput, match=r"the state's shape \(1,\), got \(2, 1\)"):
            solve("tsit5", lambda t, y: torch.stack([y, y]), ONE, (0.0, 1.0))
        with pytest.raises(InvalidInput, match=r"got float"):
            solve("tsit5", lambda t, y: 1.0, ONE, (0.0, 1.0))
        with pytest.raises(InvalidInput, match=r"dtype torch\.float64, got torch\.float32"):
            solve("tsit5", lambda t, y: y.float(), ONE, (0.0, 1.0))
        with pytest.raises(InvalidInput, match=r"floating point, got torch\.int64"):
            solve("tsit5", decay, torch.ones(1, dtype=torch.int64), (0.0, 1.0))

    @pytest.mark.parametrize(
        ("replaced", "message"),
        [
            (torch.ones(3, dtype=torch.float64), r"the state's shape \(1,\), got \(3,\)"),
            (torch.ones(1), r"the state's dtype torch\.float64, got torch\.float32"),
            (0.0, r"got float"),
        ],
    )
    def test_what_a_hook_gives(self, replaced: Any, message: str) -> None:
        with pytest.raises(InvalidInput, match=f"a state from `on_step` must have .*{message}"):
            solve("tsit5", decay, ONE, (0.0, 1.0), on_step=lambda t, y, info: replaced)

    def test_an_unknown_method_names_the_nearest(self) -> None:
        with pytest.raises(InvalidInput, match="did you mean 'tsit5'"):
            ode.solve(decay, ONE, (0.0, 1.0), "tsit4")
        with pytest.raises(InvalidInput, match="tsit5 does not record 'jerk'"):
            ode.solve(decay, ONE, (0.0, 1.0), record={"jerk"})
        with pytest.raises(InvalidInput, match="tsit5 has no option 'tol'; did you mean 'rtol'"):
            ode.solve(decay, ONE, (0.0, 1.0), tol=1e-3)
        with pytest.raises(InvalidInput, match="rk4 has no option 'rtol'; known:"):
            ode.solve(decay, ONE, (0.0, 1.0), "rk4", rtol=1e-3)
        with pytest.raises(InvalidInput, match="`times` must be numbers, got None"):
            ode.solve(decay, ONE, None)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"rtol": 0.0, "atol": 0.0}, "not both 0"),
            ({"rtol": -1.0}, "at least 0"),
            ({"rtol": math.nan}, "at least 0"),
            ({"max_step": 0.0}, "`max_step` must be positive"),
            ({"first_step": math.nan}, "`first_step` at least 0, got inf and nan"),
            ({"controller": "pd"}, "`controller` must be one of i, pi, pid, torchdiffeq, got 'pd'; did you mean 'pid'"),
            ({"steps": "each"}, "`steps` must be one of batch, sample, got 'each'"),
            ({"backward": "adjoint"}, "`backward` must be one of autograd, checkpointed, got 'adjoint'"),
            ({"max_steps": 0}, "`max_steps` must be at least 1"),
            ({"compile": True, "backward": "checkpointed"}, "backward=checkpointed and compile do not go together"),
            ({"steps": "sample", "land": True}, "one step size for the whole batch"),
        ],
    )
    def test_options(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Adaptive(**options)

    def test_options_through_the_host(self, host: Host) -> None:
        with pytest.raises(ValueError, match="rtol"):
            build(host, "solvers", "tsit5", rtol=-1.0)


def test_methods_that_are_asked_without_a_host() -> None:
    for method in (*METHODS, "rk4"):
        value = ode.solve(decay, ONE, [0, 1], method).value[-1]
        assert float(value) == pytest.approx(math.exp(-1), abs=1e-5)


def test_double_backward_through_the_stages() -> None:
    y0 = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    end = solve("tsit5", lambda t, y: -(y * y), y0, (0.0, 1.0), rtol=1e-10, atol=1e-10).value[-1]
    (first,) = torch.autograd.grad(end.sum(), y0, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), y0)
    assert float(first.detach()) == pytest.approx(1 / 1.7**2, abs=1e-7)  # y(1) = y0 / (1 + y0)
    assert float(second) == pytest.approx(-2 / 1.7**3, abs=1e-6)


def test_a_solver_is_a_plain_object() -> None:
    assert solver("tsit5").stability_size == 3.5068
    assert "dense" not in solver("tsit5", backward="checkpointed").records
