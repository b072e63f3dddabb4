"""Gradients of the end, the errors and the stiffness: at frozen steps, by hand, and through the step sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue, Solution
from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode.steps import Tolerance, Wanted, inside, take_step
from heatbath.solvers.ode.tableaux import ADAPTIVE
from tests.solvers.ode.problems import METHODS, Net, batch, solve, solver

TOLERANCE = 1e-3
RECORD = {"error", "h", "t", "stiffness"}


def loss_of(value: Tensor, errors: Tensor, stiffness: Tensor, sizes: Tensor) -> Tensor:
    return value.square().sum() + 3 * (errors * sizes).sum() + 0.7 * stiffness.amax() + 0.1 * stiffness.sum()


def loss(solution: Solution) -> Tensor:
    trace = solution.trace
    return loss_of(solution.value, trace["error"], trace["stiffness"], trace["h"].detach())


def replayed(
    method: str, net: Any, y: Tensor, solution: Solution, times: tuple[float, ...], tolerance: float = TOLERANCE
) -> Tensor:
    """The loss along recorded steps, for finite differences: step sizes stay what they were."""
    tableau, t, k = ADAPTIVE[method], times[0], net(times[0], y)
    rows, errors, stiffness = [y], [], []
    for start, h in zip(solution.trace["t"].tolist(), solution.trace["h"].tolist(), strict=True):
        step = take_step(tableau, net, Tolerance(tolerance, tolerance), start, h, y, k, Wanted(True, True, True))
        t = start + h
        rows += [inside(tableau, (x - start) / h, h, y, step.slopes) for x in times[1:-1] if start < x < t]
        y, k = step.state, step.slope
        errors.append(step.error)
        stiffness.append(step.stiffness)
    return loss_of(torch.stack([*rows, y]), torch.stack(errors), torch.stack(stiffness), solution.trace["h"])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backward", ["autograd", "checkpointed"])
def test_finite_differences_at_frozen_steps(method: str, backward: Any) -> None:
    """Steps are long: the stages that S compares agree to 1e-12 in a short one, too closely for differences of it."""
    tolerance, first, end = (0.1, 1.0, 3.0) if method == "dopri8" else (TOLERANCE, 0.1, 1.0)
    net, y0, times = Net(hidden=4), batch(3).requires_grad_(), (0.0, 0.4 * end, end)
    how = {"rtol": tolerance, "atol": tolerance, "first_step": first}
    solution = solve(method, net, y0, times, RECORD, backward=backward, **how)
    inputs = [y0, net.inner.weight, net.outer.bias]
    found = torch.autograd.grad(loss(solution), inputs)
    with torch.no_grad():
        for value, gradient in zip(inputs, found, strict=True):
            for index in range(0, value.numel(), 2):
                flat = value.view(-1)
                before = float(flat[index])
                ends = []
                for sign in (1, -1):
                    flat[index] = before + sign * 1e-5
                    ends.append(float(replayed(method, net, y0, solution, times, tolerance)))
                flat[index] = before
                numeric = (ends[0] - ends[1]) / 2e-5
                assert float(gradient.view(-1)[index]) == pytest.approx(numeric, rel=2e-4, abs=2e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("controller", ["i", "pi"])
def test_the_adjoint_by_hand_is_autograd(method: str, controller: Any) -> None:
    net, y0 = Net(), batch().requires_grad_()

    def gradients(backward: str) -> tuple[Tensor, ...]:
        how = {"backward": backward, "controller": controller, "rtol": 1e-4, "atol": 1e-4}
        solution = solve(method, net, y0, (0.0, 0.5, 1.1, 3.0), RECORD, **how)
        return torch.autograd.grad(loss(solution), [y0, *net.parameters()])

    for a, b in zip(gradients("autograd"), gradients("checkpointed"), strict=True):
        assert float((a - b).abs().max() / a.abs().max()) < 1e-9


@pytest.mark.parametrize("method", ["tsit5", "dopri8"])
def test_gradients_of_each_sample_are_those_of_vmap(method: str) -> None:
    """Three ways to the gradient of one sample's loss: of the batch, by hand; a loop of solves; `torch.func` by vmap.

    Steps are fixed in length, so that a sample alone takes those of the batch.
    """
    net, y0, times = Net(hidden=4), batch(5), (0.0, 0.3, 1.0)
    how = {"first_step": 0.25, "max_step": 0.25, "rtol": 10.0, "atol": 10.0}
    solution = solve(method, net, y0, times, {"h", "t"}, backward="checkpointed", **how)
    assert solution.stats["accepted"] == 4
    parameters = dict(net.named_parameters())

    def of_one(weights: dict[str, Tensor], y: Tensor) -> Tensor:
        def f(t: float, u: Tensor) -> Tensor:
            return torch.func.functional_call(net, weights, (t, u))

        u, k, tableau, rows = y, f(0.0, y), ADAPTIVE[method], [y]
        for i in range(4):
            step = take_step(tableau, f, Tolerance(10.0, 10.0), 0.25 * i, 0.25, u, k, Wanted(slopes=True))
            rows += [inside(tableau, 0.2, 0.25, u, step.slopes)] if i == 1 else []
            u, k = step.state, step.slope
        return torch.stack([*rows, u]).square().sum()

    mapped = torch.func.vmap(torch.func.grad(of_one), (None, 0))({n: p.detach() for n, p in parameters.items()}, y0)
    for i in range(len(y0)):
        alone = solve(method, net, y0[i : i + 1], times, backward="checkpointed", **how)
        found = [
            torch.autograd.grad(value.square().sum(), list(parameters.values()), retain_graph=True)
            for value in (solution.value[:, i], alone.value)
        ]
        for name, of_batch, of_loop in zip(parameters, *found, strict=True):
            torch.testing.assert_close(of_batch, mapped[name][i], rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(of_loop, mapped[name][i], rtol=1e-9, atol=1e-12)


def test_the_adjoint_by_hand_gives_the_forward_of_autograd() -> None:
    for record in (set(), {"error"}, {"stiffness"}, RECORD):
        plain, kept = (
            solve("tsit5", Net(), batch().requires_grad_(), (0.0, 1.0, 3.0), record, backward=backward)
            for backward in ("autograd", "checkpointed")
        )
        assert torch.equal(plain.value, kept.value)
        assert plain.stats == kept.stats


def test_the_adjoint_by_hand_keeps_two_states_a_step() -> None:
    net, y0 = Net(), batch(64).requires_grad_()

    def kept(backward: Any) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            solution = solve("tsit5", net, y0, (0.0, 30.0), backward=backward)
        return sum(sizes) // int(solution.stats["accepted"])

    assert kept("checkpointed") < 0.25 * kept("autograd")
    parameters = sum(p.numel() for p in net.parameters())
    assert kept("checkpointed") <= 2 * y0.numel() + parameters + 100


def test_a_tensor_that_is_not_listed_is_refused_by_name_of_its_shape() -> None:
    rate = torch.full((2,), 0.3, dtype=torch.float64, requires_grad=True)
    with pytest.raises(InvalidInput, match=r"depends on a tensor of shape \(2,\)"):
        solve("tsit5", lambda t, y: -rate * y, batch(), (0.0, 1.0), backward="checkpointed")
    encoded = 2 * rate  # what is listed need not be a leaf
    found = []
    for backward in ("checkpointed", "autograd"):
        end = solve(
            "tsit5", lambda t, y: -encoded * y, batch(), (0.0, 1.0), backward=backward, parameters=(encoded,)
        ).value[-1]
        found.append(torch.autograd.grad(end.sum(), rate, retain_graph=True)[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=0)


def test_nothing_is_checkpointed_without_gradients() -> None:
    with torch.no_grad():
        solution = solve("tsit5", Net(), batch(), (0.0, 1.0), backward="checkpointed")
    assert not solution.value.requires_grad


def test_step_sizes_carry_no_gradient() -> None:
    solution = solve("tsit5", Net(), batch().requires_grad_(), (0.0, 3.0), RECORD)
    assert not solution.trace["h"].requires_grad
    assert not solution.trace["t"].requires_grad
    assert solution.trace["error"].requires_grad


def test_nothing_of_the_error_is_differentiated_unless_asked_for() -> None:
    solution = solve("tsit5", Net(), batch().requires_grad_(), (0.0, 3.0), {"h"})
    assert set(solution.trace) == {"h"}


@pytest.mark.parametrize("controller", ["i", "pi", "pid"])
def test_step_sizes_carry_a_gradient_when_asked_to(controller: Any) -> None:
    """Finite differences of the whole solve, step sizes and all; `i` rejects a step that was cut short to land."""
    y0, net = torch.tensor([[0.9, 0.3]], dtype=torch.float64), Net()

    def penalty(y: Tensor, attached: bool) -> tuple[Tensor, Any]:
        how = {"controller": controller, "rtol": 1e-4, "atol": 1e-4, "first_step": 0.02}
        solution = solve("tsit5", net, y, (0.0, 2.0), RECORD, differentiate_step_size=attached, **how)
        return (solution.trace["error"] * solution.trace["h"]).sum(), solution.stats

    leaf = y0.clone().requires_grad_()
    value, stats = penalty(leaf, True)
    (gradient,) = torch.autograd.grad(value, leaf)
    detached, _ = penalty(leaf, False)
    (without,) = torch.autograd.grad(detached, leaf)
    numeric = []
    for step in (1e-4, -1e-4):
        moved, moved_stats = penalty(y0 + torch.tensor([[step, 0.0]]), False)
        assert moved_stats["accepted"] == stats["accepted"]
        numeric.append(float(moved.detach()))
    assert stats["rejected"] == (1 if controller == "i" else 0)
    assert float(gradient[0, 0]) == pytest.approx((numeric[0] - numeric[1]) / 2e-4, rel=2e-3)
    assert abs(float(without[0, 0]) - float(gradient[0, 0])) > 0.1 * abs(float(gradient[0, 0]))


def test_attached_steps_change_no_number() -> None:
    plain, attached = (
        solve("tsit5", Net(), batch().requires_grad_(), (0.0, 1.0, 3.0), RECORD, differentiate_step_size=on)
        for on in (False, True)
    )
    torch.testing.assert_close(plain.value, attached.value, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(plain.trace["h"], attached.trace["h"].detach(), rtol=1e-10, atol=0)


def test_a_discontinuous_force_has_finite_gradients() -> None:
    level = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)

    def f(t: float, y: Tensor) -> Tensor:
        return -y + (level if t > 0.5 else 0.0)

    end = solve("tsit5", f, torch.zeros(1, dtype=torch.float64), (0.0, 1.0), rtol=1e-8, atol=1e-8).value[-1]
    (gradient,) = torch.autograd.grad(end.sum(), level)
    assert float(gradient) == pytest.approx(1 - 2.718281828459045**-0.5, abs=1e-5)


def test_dropping_the_graph_of_one_solve_frees_the_next() -> None:
    y0 = batch().requires_grad_()
    tsit5 = solver("tsit5")
    for _ in range(2):
        solution = tsit5.solve(InitialValue(Net(), y0, (0.0, 1.0)), record=frozenset({"error"}))
        torch.autograd.grad(solution.value.sum() + solution.trace["error"].sum(), y0)
