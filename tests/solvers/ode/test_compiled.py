"""The compiled step: the plain one's numbers, or the plain one."""

from __future__ import annotations

import shutil
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue
from heatbath.solvers.ode.tableaux import ADAPTIVE
from tests.solvers.ode.problems import Net, batch, solver

RECORD = frozenset({"error", "stiffness", "h"})


class Uncounted(Net):
    """A count of calls in a module is a constant to the compiler, which compiles anew for each."""

    def forward(self, t: Any, y: Tensor) -> Tensor:
        return self.outer(torch.tanh(self.inner(y))) * torch.cos(torch.as_tensor(t, dtype=y.dtype))


def gradients(compiled: bool, y0: Tensor) -> tuple[Any, list[Tensor]]:
    net = Uncounted()
    solution = solver("heun-euler", rtol=1e-3, atol=1e-3, compile=compiled).solve(
        InitialValue(net, y0, (0.0, 0.7, 2.0)), record=RECORD
    )
    loss = solution.value.square().sum() + solution.trace["error"].sum() + 0.1 * solution.trace["stiffness"].sum()
    return solution, list(torch.autograd.grad(loss, [y0, *net.parameters()]))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_compiled_step_gives_the_numbers_of_the_plain_one() -> None:
    y0 = batch().requires_grad_()
    plain, expected = gradients(False, y0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's compiler, about itself
        compiled, found = gradients(True, y0)
    assert compiled.stats["compiled"] == 1
    assert compiled.stats["evaluations"] == plain.stats["evaluations"]
    torch.testing.assert_close(compiled.value, plain.value, rtol=1e-10, atol=1e-12)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


def test_many_shapes_and_modes_are_each_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch gives up after eight compilations of one code, and says so only in a log; each step's code is its own."""
    compile_, net = torch.compile, Uncounted()
    monkeypatch.setattr(torch, "compile", lambda f, **how: compile_(f, backend="eager", **how))
    compiled = solver("heun-euler", rtol=1e-2, atol=1e-2, compile=True)
    for size in range(2, 8):
        for grad in (False, True):
            with torch.set_grad_enabled(grad), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch's compiler, about itself
                solution = compiled.solve(InitialValue(net, batch(size), (0.0, 0.5)))
            assert compiled._compiler is not None
            assert compiled._compiler.failed is None
            assert solution.stats["compiled"] == 1


def test_where_it_cannot_be_compiled_the_plain_step_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", broken)
    y0 = batch().requires_grad_()
    plain, _ = gradients(False, y0)
    solution, _ = gradients(True, y0)
    assert solution.stats["compiled"] == 0
    assert torch.equal(solution.value, plain.value)
    assert solver("tsit5", compile=True).tableau is ADAPTIVE["tsit5"]


def test_an_error_of_the_derivative_is_not_hidden() -> None:
    def f(t: Any, y: Tensor) -> Tensor:
        if float(t) > 0.5:
            raise ZeroDivisionError("mine")
        return -y

    with pytest.raises(ZeroDivisionError, match="mine"):
        solver("tsit5").solve(InitialValue(f, batch(), (0.0, 1.0)))
