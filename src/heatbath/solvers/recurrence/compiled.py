"""The scan of shallow steps by compiled kernels, with exact gradients."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd import forward_ad

from heatbath.core.contracts import NOTHING, Recurrence, Solution, StepHook
from heatbath.solvers.recurrence.batched import BatchedScan
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.kernels import kernels, weights_of
from heatbath.solvers.recurrence.scan import Scan
from heatbath.solvers.recurrence.scan_kernels import NativeScan, ScanKernel
from heatbath.solvers.recurrence.shallow import ShallowStep, as_shallow


class CompiledScan:
    """`Scan` for shallow piecewise-linear steps, many times faster; the same answers to rounding.

    It takes transitions that `as_shallow` recognises, in float32 or float64, with no hook or with `Forcing`: on the CPU
    by a kernel in C, on CUDA devices by one in Triton, where there is one.
    All else (other transitions, hooks and precisions, forward-mode and second derivatives) goes to `Scan`, on other
    devices to `BatchedScan`.

    Args:
        options: none.
        setup: unused.
        instruction_set: see `kernels.kernels`.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3, whose forward and backward recursions these are.

    >>> half, zero = torch.full((1,), 0.5), torch.zeros(1)
    >>> step = ShallowStep(half, zero.view(1, 1), zero.view(1, 1), zero, zero, clipped=True)
    >>> CompiledScan(None, None).solve(Recurrence(step, torch.ones(1, 1), 3)).value.flatten().tolist()
    [0.5, 0.25, 0.125]
    """

    records = frozenset({"proposal"})

    def __init__(self, options: None, setup: Any, instruction_set: str | None = None) -> None:
        self.instruction_set = instruction_set
        self._reference, self._elsewhere = Scan(None, None), BatchedScan(None, None)

    def solve(
        self,
        problem: Recurrence,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """As `Scan.solve`."""
        step = as_shallow(problem.transition)
        kernel = None if step is None else self._kernel(problem.initial_state)
        if step is None or kernel is None or not _fits(problem, step, on_step):
            reference = self._reference if problem.initial_state.device.type == "cpu" else self._elsewhere
            return reference.solve(problem, record=record, on_step=on_step, generator=generator)
        strength, signal = _forcing(on_step, problem)
        drive = None
        if problem.inputs is not None and step.C is not None:
            drive = torch.nn.functional.linear(problem.inputs[: problem.length], step.C)
        value, proposal = forced_scan(kernel, step, problem.initial_state, problem.length, strength, signal, drive)
        trace = {"proposal": proposal} if "proposal" in record else {}
        return Solution(value, stats={"evaluations": problem.length}, trace=trace)

    def _kernel(self, start: Tensor) -> ScanKernel | None:
        """For the device and the precision of the states."""
        if start.device.type == "cpu":
            table = kernels(start.dtype, self.instruction_set)
            return None if table is None else NativeScan(table)
        if start.device.type == "cuda" and start.dtype in (torch.float32, torch.float64) and find_spec("triton"):
            from heatbath.solvers.recurrence.triton_scan import TritonScan  # triton is not everywhere

            return TritonScan()
        return None


def _fits(problem: Recurrence, step: ShallowStep, on_step: StepHook | None) -> bool:
    """Whether the kernels can honour all of a problem."""
    start, inputs = problem.initial_state, problem.inputs
    if problem.length < 1 or start.dim() != 2 or start.shape[0] < 1 or forward_ad._current_level >= 0:
        return False
    M, L = start.shape[1], step.h2.shape[0]
    shapes = ((M,), (M, L), (L, M), (M,), (L,))
    tensors = [start, *weights_of(step)]
    if any(tensor.shape != shape for tensor, shape in zip(tensors[1:], shapes, strict=True)):
        return False
    if inputs is not None and step.C is not None:
        if inputs.dim() != 3 or len(inputs) < problem.length or inputs.shape[1] != start.shape[0]:
            return False
        tensors += [inputs, step.C]
    if on_step is not None:
        if type(on_step) is not Forcing or on_step.interval != 1:
            return False
        alpha, signal = on_step.alpha, on_step.signal
        if signal.dim() != 3 or signal.shape[1:] != start.shape or len(signal) < problem.length or signal.requires_grad:
            return False
        tensors.append(signal)
        if isinstance(alpha, Tensor):
            if alpha.requires_grad or alpha.shape not in ((), (M,)):
                return False
            tensors.append(alpha)
    return all(_plain(tensor, start) for tensor in tensors)


def _plain(tensor: Tensor, like: Tensor) -> bool:
    """Whether a tensor is memory on the device, in the precision, of another, and no wrapper."""
    if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.device != like.device or tensor.dtype != like.dtype:
        return False
    wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return not wrapped


def _forcing(hook: StepHook | None, problem: Recurrence) -> tuple[Tensor | None, Tensor | None]:
    """Strength per unit, and the signal."""
    if hook is None:
        return None, None
    assert isinstance(hook, Forcing)
    start = problem.initial_state
    alpha = hook.alpha
    if isinstance(alpha, Tensor):
        strength = alpha.detach().expand(start.shape[1]).contiguous()
    else:
        strength = start.new_full((start.shape[1],), alpha)
    return strength, hook.signal[: problem.length].contiguous()


def forced_scan(
    kernel: ScanKernel,
    step: ShallowStep,
    start: Tensor,
    length: int,
    strength: Tensor | None,
    signal: Tensor | None,
    drive: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """States after and before forcing, both `(length, batch, M)`; one tensor where nothing is forced.

    Args:
        kernel: for the device of the tensors.
        step: F; differentiable in its weights.
        start: z_0, shape `(batch, M)`; differentiable.
        length: number of steps, at least 1.
        strength: shape `(M,)`, or None for a free run.
        signal: shape `(length, batch, M)`, or None.
        drive: added to F, shape `(length, batch, M)`, or None; differentiable.
    """
    inputs: tuple[Any, ...] = (start, drive, *weights_of(step))
    how = (kernel, step.clipped, length, strength, signal)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in inputs):
        value, proposal = _ForcedScan.apply(*how, *inputs)  # type: ignore[no-untyped-call]
    else:
        value, proposal = _forward(*how, *inputs)
    return (proposal, proposal) if signal is None else (value, proposal)


def _forward(
    kernel: ScanKernel, clipped: bool, length: int, strength: Any, signal: Any, start: Tensor, drive: Any, *weights: Any
) -> tuple[Tensor, Tensor]:
    drive = None if drive is None else drive.contiguous()
    held: Any = tuple(weight.contiguous() for weight in weights)
    return kernel.forward(held, clipped, start.contiguous(), length, strength, signal, drive)


class _ForcedScan(torch.autograd.Function):
    """Gradients by the adjoint recursion; a second derivative goes through the reference."""

    @staticmethod
    def forward(ctx: Any, kernel: Any, clipped: bool, length: int, strength: Any, signal: Any, *inputs: Any) -> Any:
        value, proposal = _forward(kernel, clipped, length, strength, signal, *inputs)
        ctx.save_for_backward(strength, signal, value, *inputs)
        ctx.kernel, ctx.clipped, ctx.length = kernel, clipped, length
        ctx.set_materialize_grads(False)
        # One output must not be given twice.
        return proposal.new_empty(0) if signal is None else value, proposal

    @staticmethod
    def backward(ctx: Any, *direct: Any) -> Any:
        strength, signal, value, start, _, *weights = ctx.saved_tensors
        by_value, by_proposal = (None if signal is None else direct[0]), direct[1]
        if by_value is None and by_proposal is None:
            return (None,) * (7 + len(weights))
        if torch.is_grad_enabled():
            return None, None, None, None, None, *_reference_gradients(ctx, by_value, by_proposal)
        held = tuple(weight.contiguous() for weight in weights)
        given = [None if one is None else one.contiguous() for one in (by_value, by_proposal)]
        driven = ctx.needs_input_grad[6]
        how = (held, ctx.clipped, start.contiguous(), value, strength, *given, driven)
        initial, drive, gradients = ctx.kernel.adjoint(*how)
        return None, None, None, None, None, initial, drive, *gradients


def _reference_gradients(ctx: Any, by_value: Tensor | None, by_proposal: Tensor | None) -> tuple[Tensor | None, ...]:
    """The same gradients with a graph, from the plain scan, so that they can be differentiated again."""
    strength, signal, _, *inputs = ctx.saved_tensors
    start, drive, *weights = inputs
    A, W1, W2, h1, h2 = weights
    step = ShallowStep(A, W1, W2, h1, h2, ctx.clipped)
    problem = Recurrence(step, start, ctx.length)
    if drive is not None:
        problem = Recurrence(lambda z, added: step(z) + added, start, ctx.length, drive)
    hook = None if signal is None else Forcing(strength, signal)
    solution = Scan(None, None).solve(problem, record=frozenset({"proposal"}), on_step=hook)
    answers = ((solution.value, by_value), (solution.trace["proposal"], by_proposal))
    outputs, direct = zip(*((out, grad) for out, grad in answers if grad is not None), strict=True)
    wanted = [one for one, need in zip(inputs, ctx.needs_input_grad[5:], strict=True) if need]
    found = iter(torch.autograd.grad(outputs, wanted, direct, create_graph=True, allow_unused=True))
    return tuple(next(found) if need else None for need in ctx.needs_input_grad[5:])
