"""The discrete adjoint of a step by hand: two states a step are kept, its stages are computed again in the backward."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from heatbath.core.contracts import InitialValue
from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode.steps import (
    Step,
    Tolerance,
    VectorField,
    Wanted,
    error_ratio,
    inside,
    stages,
    take_step,
)
from heatbath.solvers.ode.tableaux import Tableau, dense_weights

Bar = Tensor | None
"""The gradient of the loss with respect to a result, or None for 0."""


class CheckpointedStep:
    """A step whose backward pass computes the stages again: memory of two states a step, and of one step's stages.

    Args:
        tableau: the method.
        f: the derivative; called again in the backward pass, so it must give the same (no dropout).
        tolerance: scales the error.
        parameters: tensors that f depends on beside the state.
    """

    def __init__(self, tableau: Tableau, f: VectorField, tolerance: Tolerance, parameters: Sequence[Tensor]) -> None:
        self.tableau, self.f, self.tolerance, self.parameters = tableau, f, tolerance, tuple(parameters)

    def __call__(self, t: Any, h: Any, u: Tensor, k1: Tensor, wanted: Wanted, fractions: Sequence[float] = ()) -> Step:
        call = _Call(self.tableau, self.f, self.tolerance, t, h, wanted, tuple(fractions))
        state, slope, error, stiff, *between = _Checkpointed.apply(u, k1, call, *self.parameters)  # type: ignore[no-untyped-call]
        return Step(state, slope, error, stiff if wanted.stiffness else None, (), tuple(between))


@dataclass(frozen=True)
class _Call:
    tableau: Tableau
    f: VectorField
    tolerance: Tolerance
    t: float
    h: float
    wanted: Wanted
    fractions: tuple[float, ...]


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, k1: Tensor, call: _Call, *parameters: Tensor) -> tuple[Tensor, ...]:
        wanted = Wanted(True, call.wanted.stiffness, bool(call.fractions))
        step = take_step(call.tableau, call.f, call.tolerance, call.t, call.h, u, k1, wanted)
        between = tuple(inside(call.tableau, theta, call.h, u, step.slopes) for theta in call.fractions)
        ctx.call = call
        ctx.save_for_backward(u, k1, *parameters)
        ctx.set_materialize_grads(False)
        stiff = step.error.new_zeros(()) if step.stiffness is None else step.stiffness
        if not call.wanted.error:
            ctx.mark_non_differentiable(step.error)
        return step.state, step.slope, step.error, stiff, *between

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *bars: Bar) -> tuple[Bar, ...]:
        u, k1, *parameters = ctx.saved_tensors
        tape = _Tape(ctx.call.f, [p for p, needed in zip(parameters, ctx.needs_input_grad[3:], strict=True) if needed])
        u_bar, k_bar = _pull_back(ctx.call, tape, u, k1, bars)
        found = iter(tape.gradients)
        return u_bar, k_bar, None, *(next(found) if needed else None for needed in ctx.needs_input_grad[3:])


class _Tape:
    """Calls f on detached states and keeps one graph a call, to be pulled back on its own."""

    def __init__(self, f: VectorField, parameters: Sequence[Tensor]) -> None:
        self._f, self._parameters = f, parameters
        self._calls: list[tuple[Tensor, Tensor]] = []
        self.gradients: list[Bar] = [None] * len(parameters)

    def __call__(self, t: float, g: Tensor) -> Tensor:
        g = g.detach().requires_grad_()
        with torch.enable_grad():
            k = self._f(t, g)
        self._calls.append((g, k))
        return k.detach()

    def pull_back(self, slope_bar: Bar) -> Bar:
        """(df/dg)^T kbar of the last call not pulled back yet; gradients of the parameters are added up."""
        g, k = self._calls.pop()
        if slope_bar is None or not k.requires_grad:
            return None
        state_bar, *found = torch.autograd.grad(k, [g, *self._parameters], slope_bar, allow_unused=True)
        self.gradients = [_add(total, one) for total, one in zip(self.gradients, found, strict=True)]
        return state_bar


def _add(a: Bar, b: Bar) -> Bar:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _pull_back(call: _Call, tape: _Tape, u: Tensor, k1: Tensor, bars: Sequence[Bar]) -> tuple[Bar, Bar]:
    """Cotangents of (u_n, k_1) from those of (u_{n+1}, k_s, E, S, states inside).

    gbar_i = J_i^T kbar_i + what comes directly;  ubar = sum_i gbar_i;  kbar_j += h a_ij gbar_i for j < i.
    """
    tableau, h = call.tableau, call.h
    next_bar, slope_bar, error_bar, stiffness_bar, *between = bars
    k, g = stages(tableau, tape, call.t, h, u, k1)
    k_bar: list[Bar] = [None] * tableau.stages
    g_bar: list[Bar] = [None] * tableau.stages
    k_bar[-1], g_bar[-1], u_bar = slope_bar, next_bar, None
    for theta, bar in zip(call.fractions, between, strict=True):
        if bar is not None:
            u_bar = _add(u_bar, bar)
            _spread(k_bar, dense_weights(tableau, theta), h, bar)
    if error_bar is not None:
        difference_bar, direct, from_next = _pull_back_error(error_bar, call, k, u, g[-1])
        _spread(k_bar, tableau.error, h, difference_bar)
        u_bar, g_bar[-1] = _add(u_bar, direct), _add(g_bar[-1], from_next)
    if stiffness_bar is not None and call.wanted.stiffness:
        i, j = tableau.stiff_pair
        rise_bar, run_bar = _pull_back_stiffness(stiffness_bar, k[i] - k[j], g[i] - g[j])
        k_bar[i], k_bar[j] = _add(k_bar[i], rise_bar), _add(k_bar[j], -rise_bar)
        g_bar[i], g_bar[j] = _add(g_bar[i], run_bar), _add(g_bar[j], -run_bar)
    for i in reversed(range(1, tableau.stages)):
        bar = _add(tape.pull_back(k_bar[i]), g_bar[i])
        if bar is not None:
            u_bar = _add(u_bar, bar)
            _spread(k_bar, tableau.a[i], h, bar)
    return u_bar, k_bar[0]


def _spread(k_bar: list[Bar], weights: Sequence[float], h: float, bar: Tensor) -> None:
    """kbar_j += h w_j bar."""
    for j, weight in enumerate(weights):
        if weight:
            before = k_bar[j]
            k_bar[j] = bar * (h * weight) if before is None else torch.add(before, bar, alpha=h * weight)


def _pull_back_error(
    bar: Tensor, call: _Call, k: Sequence[Tensor], u: Tensor, u_next: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Cotangents of (sum_i error_i k_i over h, u, u_next) for E = rms(r), r = h sum_i error_i k_i / scale."""
    scale = call.tolerance.scale(u, u_next)
    ratio = error_ratio(call.tableau, call.h, k, scale)
    error = torch.linalg.vector_norm(ratio) * max(ratio.numel(), 1) ** -0.5
    difference_bar = ratio * (bar / (error * ratio.numel()).clamp_min(torch.finfo(u.dtype).tiny)) / scale
    magnitude_bar = -call.tolerance.rtol * ratio * difference_bar
    # torch.maximum shares the gradient of a tie
    share = torch.heaviside(u_next.abs() - u.abs(), torch.full((), 0.5, dtype=u.dtype, device=u.device))
    return difference_bar, (1 - share) * magnitude_bar * u.sign(), share * magnitude_bar * u_next.sign()


def _pull_back_stiffness(bar: Tensor, dk: Tensor, dg: Tensor) -> tuple[Tensor, Tensor]:
    """Cotangents of (k_i - k_j, g_i - g_j) for S = ||k_i - k_j|| / ||g_i - g_j||; 0 where S is set to 0."""
    rise, run = torch.linalg.vector_norm(dk), torch.linalg.vector_norm(dg)
    tiny = torch.finfo(dk.dtype).tiny
    bar = torch.where(run > 0, bar, 0.0)
    run = torch.where(run > 0, run, 1.0)
    return dk / rise.clamp_min(tiny) * (bar / run), dg / run * (-bar * (rise / run) / run)


def parameters_of(problem: InitialValue, slope: Tensor) -> list[Tensor]:
    """Tensors with gradients that the derivative depends on beside the state: listed, and those of a module.

    Args:
        problem: what is solved.
        slope: the derivative at its start, in the graph, which is searched for others.

    Raises:
        InvalidInput: where the derivative depends on a tensor that is not listed, whose gradient would be lost.
    """
    listed = list(problem.parameters)
    if isinstance(problem.derivative, nn.Module):
        listed += list(problem.derivative.parameters())
    listed = list({id(p): p for p in listed if p.requires_grad}.values())
    for shape in _unlisted(slope, [problem.initial_state, *listed]):
        raise InvalidInput(
            f"the derivative depends on a tensor of shape {shape} that a backward pass by hand does not know; "
            "list it in `InitialValue.parameters`, make the derivative a module, or choose backward=autograd"
        )
    return listed


def _unlisted(slope: Tensor, known: Iterable[Tensor]) -> Iterable[tuple[int, ...]]:
    """Shapes of leaves of the graph of `slope` that are reached without passing a known tensor."""
    inner = {tensor.grad_fn for tensor in known if tensor.grad_fn is not None}
    leaves = {id(tensor) for tensor in known}
    open_, seen = [slope.grad_fn], set()
    while open_:
        node = open_.pop()
        if node is None or node in seen or node in inner:
            continue
        seen.add(node)
        if (variable := getattr(node, "variable", None)) is not None and id(variable) not in leaves:
            yield tuple(variable.shape)
        open_ += [following for following, _ in node.next_functions]
