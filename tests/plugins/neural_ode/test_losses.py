"""Penalties on what a solver recorded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import Clock, InitialValue, StepContext
from heatbath.core.host import Host
from heatbath.testing import build, check_loss

ERROR = torch.tensor([0.5, 0.25, 1.0], dtype=torch.float64)
STIFFNESS = torch.tensor([7.0, 2.0, 3.0], dtype=torch.float64)
LENGTH = torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64)
VALUES = {
    "solution:error": ERROR.clone().requires_grad_(),
    "solution:stiffness": STIFFNESS.clone().requires_grad_(),
    "solution:h": LENGTH,
    "fact:stability_size": 3.5068,
    "fact:tolerance": 1e-3,
}


def value(host: Host, name: str, values: dict[str, Any] | None = None, **options: Any) -> float:
    loss = build(host, "losses", name, **options)
    term = loss(StepContext(Clock(0, 1), {**VALUES, **(values or {})}).only(loss.needs))
    return float(term.value.detach())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.05 + 0.05 + 0.4) / 3),  # the authors' repository
        ({"aggregate": "sum"}, 0.5),  # the text
        ({"aggregate": "max", "by_length": False}, 1.0),
        ({"aggregate": "sum", "by_length": False, "power": 2}, 0.25 + 0.0625 + 1.0),
        ({"aggregate": "sum", "unscaled": True}, 0.5e-3),
    ],
)
def test_the_price_of_an_error(host: Host, options: dict[str, Any], expected: float) -> None:
    assert value(host, "neural-ode.error", **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 7.0 / 3.5068),  # the authors' repository
        ({"aggregate": "sum", "by_length": True, "per_stability": False}, 0.7 + 0.4 + 1.2),  # the text
        ({"aggregate": "mean", "per_stability": False}, 4.0),
    ],
)
def test_the_price_of_stiffness(host: Host, options: dict[str, Any], expected: float) -> None:
    assert value(host, "neural-ode.stiffness", **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["neural-ode.error", "neural-ode.stiffness"])
@pytest.mark.parametrize("aggregate", ["mean", "sum", "max"])
def test_they_conform(host: Host, name: str, aggregate: str) -> None:
    check_loss(host, name, values=VALUES, aggregate=aggregate)


@pytest.mark.parametrize("aggregate", ["mean", "sum", "max"])
def test_one_step_size_a_sample_is_the_mean_over_samples(host: Host, aggregate: str) -> None:
    """Attempts at which a sample took no step have length 0 and do not count."""
    error = torch.tensor([[0.5, 0.3], [0.25, 0.0], [1.0, 0.0]], dtype=torch.float64)
    length = torch.tensor([[0.1, 0.7], [0.2, 0.0], [0.4, 0.0]], dtype=torch.float64)
    both = value(host, "neural-ode.error", {"solution:error": error, "solution:h": length}, aggregate=aggregate)
    alone = [
        value(host, "neural-ode.error", {"solution:error": e, "solution:h": h}, aggregate=aggregate)
        for e, h in ((ERROR, LENGTH), (error[:1, 1], length[:1, 1]))
    ]
    assert both == pytest.approx(sum(alone) / 2, rel=1e-12)


def test_lists_of_foreign_solvers_are_read(host: Host) -> None:
    lists = {"solution:error": list(ERROR.unbind()), "solution:h": LENGTH.tolist()}
    assert value(host, "neural-ode.error", lists) == value(host, "neural-ode.error")


def test_no_step_costs_nothing(host: Host) -> None:
    for aggregate in ("mean", "sum", "max"):
        empty = {"solution:error": torch.zeros(0), "solution:h": torch.zeros(0)}
        assert value(host, "neural-ode.error", empty, aggregate=aggregate) == 0.0


def test_lengths_are_constants(host: Host) -> None:
    attached = LENGTH.clone().requires_grad_()
    loss = build(host, "losses", "neural-ode.error")
    term = loss(StepContext(Clock(0, 1), {**VALUES, "solution:h": attached}).only(loss.needs))
    assert torch.autograd.grad(term.value, attached, allow_unused=True) == (None,)


def test_time_that_runs_backwards_costs_the_same(host: Host) -> None:
    assert value(host, "neural-ode.error", {"solution:h": -LENGTH}) == value(host, "neural-ode.error")


def test_a_power_below_one_is_refused(host: Host) -> None:
    with pytest.raises(ValueError, match="`power` must be at least 1, got 0"):
        build(host, "losses", "neural-ode.error", power=0)


def test_descent_on_the_penalty_lowers_the_evaluations(host: Host) -> None:
    """The path from solver to loss: only the penalty is minimised, and the field becomes easy to integrate."""
    generator = torch.Generator().manual_seed(0)
    model = build(
        host, "models", "neural-ode.mlp", facts={"state_size": 4, "dtype": torch.float64}, hidden=16, output="linear"
    )
    for p in model.parameters():
        p.data = 1.5 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
    y0 = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    tsit5, loss = (
        build(host, "solvers", "tsit5", controller="pi"),
        build(host, "losses", "neural-ode.error"),
    )
    optimizer, counts = torch.optim.Adam(model.parameters(), 0.06), []
    for _ in range(20):
        solution = tsit5.solve(InitialValue(model, y0, (0.0, 0.4)), record=frozenset({"error", "h"}))
        counts.append(solution.stats["evaluations"])
        values: dict[str, Tensor] = {f"solution:{name}": item for name, item in solution.trace.items()}
        optimizer.zero_grad()
        loss(StepContext(Clock(0, 1), values)).value.backward()
        optimizer.step()
    assert counts[-1] < 0.8 * counts[0]
