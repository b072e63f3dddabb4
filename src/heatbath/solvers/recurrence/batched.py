"""The scan for accelerators: the reverse pass carries the state alone, and makes the weights' gradients at its end."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from heatbath.core.contracts import NOTHING, Recurrence, Solution, StepHook
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.scan import Scan
from heatbath.solvers.recurrence.shallow import ShallowStep, as_shallow


class BatchedScan(Scan):
    """`Scan` with fewer and larger operations in the reverse pass, on any device.

    With F(z) = A z + W1 phi(z) + h1 and z_t = (1 - alpha) p_t + alpha x_t, p_t = F(z_{t-1}), the gradients
    g_t = dL/dp_t obey

        g_{t-1} = direct_{t-1} + (1 - alpha) (A g_t + W2^T [m_t * W1^T g_t]),

    five operations a step, where m_t are the derivatives of phi; those of the weights are products over all times at
    once, such as dL/dW1 = sum_t g_t phi(z_{t-1})^T, where autograd makes one a step and adds it. The forward pass is
    that of `Scan`, bit by bit.

    It serves a `ShallowStep` without external inputs, free or under a `Forcing` that needs no gradient; all else goes
    to `Scan`. Second derivatives are refused.

    Reference:
        Werbos, Backpropagation through time, Proc. IEEE 78, 1990.

    >>> one = torch.ones(1)
    >>> step = ShallowStep(0.5 * one, one.view(1, 1), one.view(1, 1), one, one, clipped=False)
    >>> BatchedScan(None, None).solve(Recurrence(step, torch.tensor([[2.0]]), 2)).value.flatten().tolist()
    [5.0, 9.5]
    """

    def solve(
        self,
        problem: Recurrence,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        step = as_shallow(problem.transition) if torch.is_grad_enabled() else None
        if step is None or not _fits(problem, on_step):
            return super().solve(problem, record=record, on_step=on_step, generator=generator)
        weights = (step.A, step.W1, step.W2, step.h1, step.h2)
        arguments = (step, problem.length, on_step, problem.initial_state, *weights)
        value, proposal = _Scan.apply(*arguments)  # type: ignore[no-untyped-call]
        trace = {"proposal": proposal} if "proposal" in record else {}
        return Solution(value, stats={"evaluations": problem.length}, trace=trace)


def _fits(problem: Recurrence, hook: StepHook | None) -> bool:
    if problem.inputs is not None or problem.length == 0 or problem.initial_state.dim() != 2:
        return False
    if hook is None:
        return True
    if type(hook) is not Forcing or hook.interval != 1:
        return False
    return isinstance(hook.alpha, float | int) and not hook.signal.requires_grad


class _Scan(torch.autograd.Function):
    """(value, proposal) of shape `(length, batch, dim)`; equal without a hook, but never one tensor."""

    @staticmethod
    def forward(ctx: Any, step: ShallowStep, length: int, hook: Forcing | None, z: Tensor, *weights: Tensor) -> Any:
        before, proposals = [], []
        for index in range(length):
            before.append(z)
            proposals.append(step(z))
            z = proposals[-1]
            if hook is not None and (forced := hook(float(index + 1), z, {"index": index})) is not None:
                z = forced
        proposal, states = torch.stack(proposals), torch.stack([*before, z])
        ctx.save_for_backward(states, *weights)
        ctx.clipped, ctx.kept = step.clipped, 1.0 if hook is None else 1.0 - hook.alpha
        ctx.set_materialize_grads(False)
        return states[1:].clone() if hook is not None else proposal.clone(), proposal

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor | None, by_proposal: Tensor | None) -> Any:
        states, A, W1, W2, _, h2 = ctx.saved_tensors
        z = states[:-1]
        u = functional.linear(z, W2)
        shifted = u + h2
        opened = (shifted > 0).to(u.dtype)
        mask = opened - (u > 0).to(u.dtype) if ctx.clipped else opened
        direct = by_proposal
        if by_value is not None:
            direct = ctx.kept * by_value if direct is None else torch.add(direct, by_value, alpha=ctx.kept)
        if direct is None:
            return (None,) * 9
        gradients, g = [], direct[-1]
        for index in range(len(z) - 1, -1, -1):
            gradients.append(g)
            carried = torch.addmm(g * A, (g @ W1) * mask[index], W2)
            if index > 0:
                g = torch.add(direct[index - 1], carried, alpha=ctx.kept)
        gradient = torch.stack(gradients[::-1]).flatten(0, 1)
        z, hidden = z.flatten(0, 1), torch.relu(shifted)
        if ctx.clipped:
            hidden = hidden - torch.relu(u)
        to_hidden = gradient @ W1
        to_u = to_hidden * mask.flatten(0, 1)
        return (
            None, None, None, carried, (gradient * z).sum(0), gradient.T @ hidden.flatten(0, 1), to_u.T @ z,
            gradient.sum(0), (to_hidden * opened.flatten(0, 1)).sum(0),
        )  # fmt: skip
