"""Conformance of solvers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue, Recurrence, Solution, Solver, StochasticInitialValue
from heatbath.core.host import Host
from heatbath.core.testing.conditioning import check_conditioning
from heatbath.core.testing.couplings import check_coupler, check_encoder
from heatbath.core.testing.examples import build
from heatbath.core.testing.expect import expect, global_generators_untouched, same
from heatbath.core.testing.games import check_game

RATE = 0.7


def _decay(start: Tensor) -> InitialValue:
    return InitialValue(lambda t, y: -RATE * y, start, (0.0, 0.5, 1.0))


def _quiet(start: Tensor) -> StochasticInitialValue:
    """The decay again: noise of size 0 has a known answer."""
    return StochasticInitialValue(lambda t, y: -RATE * y, lambda t, y: 0 * y, start, (0.0, 0.5, 1.0))


def _shrinking(start: Tensor) -> Recurrence:
    return Recurrence(lambda z: RATE * z, start, 5)


PROBLEMS: dict[str, tuple[Callable[[Tensor], Any], list[float]]] = {
    "ode": (_decay, [math.exp(-RATE * t) for t in (0.0, 0.5, 1.0)]),
    "sde": (_quiet, [math.exp(-RATE * t) for t in (0.0, 0.5, 1.0)]),
    "recurrence": (_shrinking, [RATE**k for k in range(1, 6)]),
}
"""By problem: how it is posed, and the factors by which the initial state appears in the answer."""


EXACT = {
    "bottleneck": (check_encoder, 1e-9),
    "conditioning": (check_conditioning, 1e-9),
    "coupling": (check_coupler, 1e-9),
    "game": (check_game, 1e-9),
}
"""By problem: the check of its own, and the error that is allowed if none is given."""


def check_solver(host: Host, name: str, *, accuracy: float | None = None, **options: Any) -> None:
    """Check a registered solver of `ode`, `sde`, `recurrence`, or a problem in `EXACT`, against its contract.

    Of the first three a problem with a known answer is solved; of the others what any answer must keep is checked.

    Args:
        host: the plugins.
        name: as registered.
        accuracy: error that its options allow; by default 0.05 relative, and what `EXACT` says for those in it.
        options: its own.

    Raises:
        ConformanceError: saying what is wrong.
    """
    served = host.record("solvers", name).component.problem
    known = sorted({*PROBLEMS, *EXACT})
    expect(served in known, f"{name}: there is no check for the problem {served!r}, only for {known}")
    solver = build(host, "solvers", name, **options)
    expect(isinstance(solver, Solver), f"{name}: a solver has `records` and `solve`")
    expect(isinstance(solver.records, frozenset), f"{name}: `records` must be a frozenset")
    if str(served) in EXACT:
        check, allowed = EXACT[str(served)]
        check(name, solver, allowed if accuracy is None else accuracy)
        return
    pose, factors = PROBLEMS[str(served)]
    accuracy = 0.05 if accuracy is None else accuracy
    start = torch.tensor([[1.0, -2.0], [0.5, 3.0], [2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    expected = torch.tensor(factors, dtype=torch.float64).view(-1, 1, 1) * start.detach()

    with global_generators_untouched(name, "the solver"):
        plain = _solve(name, solver, pose(start))
    _check_answer(name, plain, start, expected, accuracy)
    expect(not plain.trace, f"{name}: nothing was to be recorded, yet the trace holds {sorted(plain.trace)}")
    again = _solve(name, solver, pose(start))
    expect(same(again.value.detach(), plain.value.detach()), f"{name}: two solutions of one problem differ")
    for record in (solver.records, *({one} for one in solver.records)):
        traced = _solve(name, solver, pose(start), record=frozenset(record))
        expect(set(traced.trace) == set(record), f"{name}: asked for {sorted(record)}, recorded {sorted(traced.trace)}")
        expect(same(traced.value.detach(), plain.value.detach()), f"{name}: recording changes the answer")
    _check_hook(name, solver, pose, start, plain)


def _solve(name: str, solver: Solver, problem: Any, **how: Any) -> Solution:
    solution = solver.solve(problem, generator=torch.Generator().manual_seed(0), **how)
    expect(isinstance(solution, Solution), f"{name}: expected a Solution, got {type(solution).__name__}")
    expect(solution.ok, f"{name}: did not reach the end: {dict(solution.stats)}")
    for key, value in solution.stats.items():
        expect(isinstance(value, int | float | str), f"{name}: the statistic {key!r} must be a number on the host")
    return solution


def _check_answer(name: str, solution: Solution, start: Tensor, expected: Tensor, accuracy: float) -> None:
    value = solution.value
    expect(isinstance(value, Tensor), f"{name}: `value` must be a tensor, got {type(value).__name__}")
    expect(value.shape == expected.shape, f"{name}: shape {tuple(value.shape)}, expected {tuple(expected.shape)}")
    expect(value.dtype == expected.dtype, f"{name}: computes in {value.dtype}, the state is {expected.dtype}")
    error = float(((value.detach() - expected) / expected).abs().max())
    expect(error <= accuracy, f"{name}: is off by {error:.2g}, more than {accuracy}")
    gradient = _gradient(value[-1], start)
    expect(gradient is not None, f"{name}: no gradient flows to the initial state")
    assert gradient is not None
    wrong = float((gradient - (expected[-1] / start.detach())).abs().max())
    expect(wrong <= accuracy, f"{name}: the gradient is off by {wrong:.2g}, more than {accuracy}")


def _check_hook(name: str, solver: Solver, pose: Callable[[Tensor], Any], start: Tensor, plain: Solution) -> None:
    seen: list[float] = []

    def watch(t: float | Tensor, y: Tensor, info: Mapping[str, Any]) -> None:
        seen.append(float(torch.as_tensor(t).amin()))  # of several, with one step size a sample

    watched = _solve(name, solver, pose(start), on_step=watch)
    expect(seen, f"{name}: `on_step` is never called")
    expect(seen == sorted(seen), f"{name}: `on_step` sees times out of order")
    expect(
        same(watched.value.detach(), plain.value.detach()), f"{name}: an `on_step` that returns None changes the answer"
    )
    level = torch.full_like(start, 7.0).requires_grad_()
    replaced = _solve(name, solver, pose(start), on_step=lambda t, y, info: level)
    expect(
        same(replaced.value[-1].detach(), level.detach()), f"{name}: `value` must hold the state that `on_step` gave"
    )
    gradient = _gradient(replaced.value[-1], level)
    expect(gradient is not None, f"{name}: no gradient flows to a state that `on_step` gave")


def _gradient(value: Tensor, leaf: Tensor) -> Tensor | None:
    if not value.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
    return gradient
