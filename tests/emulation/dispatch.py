"""One operation on the device: refused where CUDA refuses it, counted, computed on the tensors inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tests.emulation import fused_cells, transfers
from tests.emulation.counts import count, open_counts
from tests.emulation.facts import FREE, KERNELS, LEAVES, SYNCHRONISING
from tests.emulation.tensors import TYPE, EmulatedTensor, default_generator, emulated_generators, inner

_ALIASES = ("CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")
_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key


def dispatch(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operation; what it raises is remembered for `raising_through_backward`."""
    try:
        return _dispatch(operation, args, kwargs)
    except BaseException as error:
        _raised[:] = [error]
        raise


_raised: list[BaseException] = []


@contextmanager
def raising_through_backward() -> Iterator[None]:
    """Let errors out of a backward pass.

    On the way out the autograd engine asks the device's guard, in Python, for its type, and that with a Python error
    set would end the process. So the guard clears it (`backend.Guard`), the engine returns nothing, and here the error
    is raised again.
    """
    run = torch.autograd.graph._engine_run_backward

    def guarded(*args: Any, **kwargs: Any) -> Any:
        _raised.clear()
        try:
            return run(*args, **kwargs)
        except SystemError:
            if _raised:
                raise _raised.pop() from None
            raise

    torch.autograd._engine_run_backward = torch.autograd.graph._engine_run_backward = guarded
    try:
        yield
    finally:
        torch.autograd._engine_run_backward = torch.autograd.graph._engine_run_backward = run


def _dispatch(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = operation._schema.name.removeprefix("aten::")
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    emulated = any(isinstance(tensor, EmulatedTensor) for tensor in tensors)
    device = kwargs.get("device")
    target = device.type if device is not None else TYPE if emulated else "cpu"
    _check_generator(args, kwargs, target)
    if name in ("is_pinned", "_pin_memory"):
        return transfers.pinning(name, args[0])
    if not emulated and target != TYPE:
        return operation(*args, **kwargs)
    if name == "_to_copy":
        return transfers.to_copy(*args, **kwargs)
    if name == "copy_":
        return transfers.copy(*args, **kwargs)
    if _changes_shape(operation):
        raise _Resized(f"{operation}: the emulation cannot change a tensor's shape in place")
    _check_devices(operation, name, args, kwargs, tensors)
    if name in ("_index_put_impl_", "index"):
        args = _indexing(name, *args)
    if (kernel := _composed(operation)) and operation not in _resizing:
        before = [counts.copied() for counts in open_counts]
        try:
            with Mode():  # factories inside it would not be seen otherwise
                return operation._op_dk(kernel, *args, **kwargs)
        except _Resized:
            _resizing.add(operation)
            for counts, old in zip(open_counts, before, strict=True):
                vars(counts).update(vars(old))
    return _launch(operation, name, args, kwargs)


class _Resized(NotImplementedError):
    """An output that grew, as in `empty(0)` and an operation into it: a wrapper's shape is fixed."""


_resizing: set[Any] = set()
"""Composed operations in which that happens; they count one launch."""


@cache
def _changes_shape(operation: Any) -> bool:
    return torch.Tag.inplace_view in operation.tags and operation._schema.name != "aten::detach_"


@cache
def _composed(operation: Any) -> Any:
    """The dispatch key of the kernel that makes an operation of others, or None."""
    full, name = operation.name(), operation._schema.name.removeprefix("aten::")
    known = name in LEAVES or name in FREE or name.startswith(("_foreach_", "empty", "new_empty"))
    if known or operation.is_view or _has_kernel(full, "CPU") or name in fused_cells.KERNELS:
        return None
    found = next((alias for alias in _ALIASES if _has_kernel(full, alias)), None)
    return getattr(torch._C.DispatchKey, found) if found else None


def _launch(operation: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Count, compute on the inner tensors, and give back wrapped ones, the same where an operation is in place."""
    free = operation.is_view or name in FREE or name.startswith(("empty", "new_empty"))
    times = sum(args[-1]) if name == "convolution_backward" else 0 if free else KERNELS.get(name, 1)
    waits = SYNCHRONISING.get(name, 0)
    if name == "repeat_interleave" and kwargs.get("output_size") is not None:
        times, waits = 2, 0  # nothing is checked then
    count("launched", name, times)
    count("synchronised", name, waits)
    wrappers = {id(leaf.inner): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, EmulatedTensor)}
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": torch.device("cpu"), "pin_memory": False}
    kernel: Callable[..., Any] = fused_cells.KERNELS.get(name, operation)
    out = kernel(*tree_map(inner, _drawing(operation, args)), **tree_map(inner, _drawing(operation, kwargs)))
    if operation._schema.is_mutable:
        for wrapper in wrappers.values():
            if wrapper.shape != wrapper.inner.shape or wrapper.stride() != wrapper.inner.stride():
                raise _Resized(f"{operation}: the emulation cannot change a tensor's shape in place")
    return tree_map(lambda leaf: _outer(leaf, wrappers), out)


def _outer(leaf: Any, wrappers: dict[int, EmulatedTensor]) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    return wrappers[id(leaf)] if id(leaf) in wrappers else EmulatedTensor(leaf)


class Mode(TorchDispatchMode):
    """Shows factories and operations on CPU tensors to the emulation, which no emulated tensor takes part in."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return dispatch(operation, args, kwargs or {})


def _is_generator(leaf: Any) -> bool:
    return isinstance(leaf, torch._C.Generator)


def _check_generator(args: Any, kwargs: Any, target: str) -> None:
    for leaf in (*args, *kwargs.values()):
        if _is_generator(leaf):
            found = TYPE if leaf._cdata in emulated_generators else "cpu"
            if found != target:
                raise RuntimeError(f"Expected a '{target}' device type for generator but found '{found}'")


def _drawing(operation: Any, given: Any) -> Any:
    """The device's default generator, where a draw was given none."""
    if not isinstance(given, dict) or given.get("generator") is not None:
        return given
    if any(argument.name == "generator" for argument in operation._schema.arguments):
        return {**given, "generator": default_generator()}
    return given


def _check_devices(operation: Any, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
    """A CPU tensor may meet a CUDA tensor where it has no dimensions, is no output and no member of a list."""

    def refuse(tensor: Tensor) -> None:
        if isinstance(tensor, Tensor) and not isinstance(tensor, EmulatedTensor):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {TYPE}:0 and cpu! "
                f"({operation} met a CPU tensor of shape {tuple(tensor.shape)})"
            )

    if not any(isinstance(tensor, EmulatedTensor) for tensor in tensors):
        return
    for tensor in tensors:
        if tensor.dim() > 0 or name in ("index_select", "gather", "scatter", "scatter_add", "mm", "bmm", "addmm"):
            refuse(tensor)
    for value, argument in zip(args, operation._schema.arguments, strict=False):
        if argument.is_write or name in ("cat", "stack"):
            for leaf in tree_leaves(value):
                refuse(leaf)
    if "out" in kwargs:
        refuse(kwargs["out"])


def _indexing(name: str, x: Tensor, indices: Any, *rest: Any) -> tuple[Any, ...]:
    """A mask becomes indices by `nonzero`, for which the host waits, unless a number is written: a masked fill."""
    masks = [index for index in indices if index is not None and index.dtype in (torch.bool, torch.uint8)]
    if name != "index":
        value, accumulate = rest[0], len(rest) > 1 and rest[1]
        number = not isinstance(value, EmulatedTensor)
        if number and not accumulate and len(masks) == sum(index is not None for index in indices) == 1:
            return x, indices, *rest
        if number:
            rest = (transfers.to_copy(value, device=torch.device(TYPE, 0)), *rest[1:])
    count("synchronised", f"{name} by a mask", len(masks))
    count("launched", "nonzero", len(masks))
    return x, indices, *rest
