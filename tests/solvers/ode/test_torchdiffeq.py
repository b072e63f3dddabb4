"""torchdiffeq through the adapter: its own steps and values, and what is seen of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue
from heatbath.core.errors import InvalidInput
from heatbath.core.host import Host
from heatbath.testing import check_solver
from tests.solvers.ode.problems import Net, batch, lotka_volterra, solve

torchdiffeq = pytest.importorskip("torchdiffeq")

from heatbath.solvers.ode import options as opt  # noqa: E402
from heatbath.solvers.ode.torchdiffeq_adapter import TorchDiffEq  # noqa: E402

METHODS = ["dopri5", "bosh3", "dopri8"]
RECORD = frozenset({"error", "stiffness", "t", "h"})


def adapted(method: str = "dopri5", **options: Any) -> TorchDiffEq:
    return TorchDiffEq(method, opt.TorchDiffEq(**options))


@pytest.mark.parametrize("method", METHODS)
def test_it_conforms(host: Host, method: str) -> None:
    check_solver(host, f"torchdiffeq/{method}", accuracy=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("times", [(0.0, 5.0), (0.0, 1.3, 2.0), (2.0, 0.5)])
def test_evaluations_and_values_are_torchdiffeqs_own(method: str, times: tuple[float, ...]) -> None:
    calls: list[float] = []

    def counted(t: Tensor, y: Tensor) -> Tensor:
        calls.append(float(t))
        return lotka_volterra(t, y)

    t = torch.tensor(times, dtype=torch.float64)
    theirs = torchdiffeq.odeint(counted, batch(), t, rtol=1e-6, atol=1e-6, method=method)
    ours = adapted(method).solve(InitialValue(lotka_volterra, batch(), times), record=RECORD)
    assert ours.stats["evaluations"] == len(calls)
    assert torch.equal(ours.value, theirs)
    assert 0 < float(ours.trace["error"].max()) <= 1


@pytest.mark.parametrize("method", METHODS)
def test_our_method_with_its_controller_takes_its_steps(method: str) -> None:
    """All but the last, which we cut at the end and torchdiffeq takes beyond it."""
    theirs = adapted(method).solve(InitialValue(lotka_volterra, batch(), (0.0, 5.0)), record=RECORD)
    ours = solve(method, lotka_volterra, batch(), (0.0, 5.0), set(RECORD), controller="torchdiffeq")
    assert theirs.stats["accepted"] == ours.stats["accepted"]
    assert 0 <= theirs.stats["rejected"] - ours.stats["rejected"] <= 1  # the last, longer step may be refused first
    for name in ("t", "h", "error", "stiffness"):
        loose = 1e-3 if name == "stiffness" and method == "dopri8" else 1e-6  # of stages that nearly agree
        torch.testing.assert_close(theirs.trace[name][:-1], ours.trace[name][:-1], rtol=loose, atol=1e-9)


def test_penalties_and_their_gradients_are_those_of_our_method() -> None:
    net, y0 = Net(), batch()

    def gradients(solver: Any) -> list[Tensor]:
        trace = solver.solve(InitialValue(net, y0, (0.0, 3.0)), record=RECORD).trace
        penalty = (trace["error"] * trace["h"])[1:-1].sum() + trace["stiffness"][1:-1].sum()
        return list(torch.autograd.grad(penalty, list(net.parameters())))

    from tests.solvers.ode.problems import solver

    for a, b in zip(gradients(adapted()), gradients(solver("dopri5", controller="torchdiffeq")), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_the_stiffness_of_a_linear_equation_is_its_rate() -> None:
    for method in METHODS:
        solution = adapted(method).solve(InitialValue(lambda t, y: -3.0 * y, batch(), (0.0, 1.0)), record=RECORD)
        assert solution.trace["stiffness"].tolist() == pytest.approx([3.0] * len(solution.trace["h"]), rel=1e-5)


def test_a_hook_sees_every_accepted_step() -> None:
    seen: list[float] = []
    problem = InitialValue(Net(), batch(), (0.0, 1.0, 3.0))
    solution = adapted().solve(problem, on_step=lambda t, y, info: seen.append(t))
    assert len(seen) == solution.stats["accepted"]
    assert seen[-1] == 3.0


class TestContinuousAdjoint:
    def test_gradients_are_near_those_through_the_stages(self) -> None:
        net, y0 = Net(), batch().requires_grad_()
        found = []
        for backward in ("autograd", "adjoint"):
            solution = adapted(rtol=1e-9, atol=1e-9, backward=backward).solve(InitialValue(net, y0, (0.0, 0.5, 1.0)))
            found.append(torch.autograd.grad(solution.value.square().sum(), [y0, *net.parameters()]))
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)

    def test_it_records_nothing_and_says_why(self) -> None:
        solver = adapted(backward="adjoint")
        assert solver.records == frozenset()
        assert "continuous adjoint" in solver.withheld["error"]
        with pytest.raises(InvalidInput, match="'error' cannot be recorded: a continuous adjoint"):
            solver.solve(InitialValue(Net(), batch(), (0.0, 1.0)), record=frozenset({"error"}))

    def test_hooks_are_refused(self) -> None:
        with pytest.raises(InvalidInput, match="cannot go through a hook"):
            adapted(backward="adjoint").solve(InitialValue(Net(), batch(), (0.0, 1.0)), on_step=lambda t, y, i: None)


class TestWhatGoesWrong:
    def test_a_solution_that_blows_up_has_a_status_and_its_part(self) -> None:
        one = torch.ones(1, dtype=torch.float64)
        solution = adapted().solve(InitialValue(lambda t, y: y**2, one, (0.0, 0.5, 2.0)))
        assert not solution.ok
        assert solution.stats["status"] == "step underflow"
        assert solution.value.shape == (2, 1)
        message = str(solution.stats["message"])
        assert "torchdiffeq says: underflow in dt" in message
        assert "; at t = 1 the largest |y| is " in message

    @pytest.mark.parametrize("backward", ["autograd", "adjoint"])
    def test_a_derivative_that_is_not_finite_from_some_time_on(self, backward: Any) -> None:
        def f(t: Tensor, y: Tensor) -> Tensor:
            return torch.where(t < 0.5, -y, math.nan)

        one = torch.ones(1, dtype=torch.float64)
        solution = adapted(backward=backward).solve(InitialValue(f, one, (0.0, 0.25, 1.0)))
        assert solution.stats["status"] == "not finite"
        assert solution.value.shape == (2 if backward == "autograd" else 1, 1)
        assert "at t = 0." in str(solution.stats["message"])

    def test_tolerances_below_round_off_warn(self) -> None:
        with pytest.warns(RuntimeWarning, match="below ten times the round-off of torch.float32"):
            adapted(rtol=1e-8, atol=1e-8).solve(InitialValue(lambda t, y: -y, torch.ones(1), (0.0, 0.1)))

    def test_too_many_steps(self) -> None:
        solution = adapted(max_steps=2).solve(InitialValue(lotka_volterra, batch(), (0.0, 9.0)))
        assert solution.stats["status"] == "too many steps"

    def test_a_state_that_is_not_finite(self) -> None:
        broken = torch.full((1,), math.nan, dtype=torch.float64)
        assert adapted().solve(InitialValue(lambda t, y: -y, broken, (0.0, 1.0))).stats["status"] == "not finite"

    def test_events_and_shapes(self) -> None:
        with pytest.raises(InvalidInput, match="finds no events"):
            adapted().solve(InitialValue(Net(), batch(), (0.0, 1.0), event=lambda t, y: y))
        with pytest.raises(InvalidInput, match="the state's shape"):
            adapted().solve(InitialValue(lambda t, y: y[:1], batch(), (0.0, 1.0)))


def test_no_time_passes_and_times_repeat() -> None:
    assert adapted().solve(InitialValue(Net(), batch(), (1.0, 1.0))).value.shape == (2, 16, 2)
    value = adapted().solve(InitialValue(Net(), batch(), (0.0, 1.0, 1.0))).value
    assert torch.equal(value[1], value[2])
