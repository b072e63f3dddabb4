"""Copies between host and device: which of them the host waits for."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from tests.emulation.counts import count
from tests.emulation.tensors import EmulatedTensor, inner


def _waits(host: Tensor, non_blocking: bool) -> bool:
    """cudaMemcpyAsync may wait for pageable memory, and torch does for a copy that is not `non_blocking`."""
    return not (non_blocking and _pinned_by_id.get(id(host)) is host)


_pinned_by_id: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()


def pinning(name: str, tensor: Tensor) -> Any:
    if name == "is_pinned":
        return _pinned_by_id.get(id(tensor)) is tensor
    if isinstance(tensor, EmulatedTensor):
        raise RuntimeError(f"cannot pin {tensor.device} memory: only dense CPU tensors can be pinned")
    pinned = tensor.clone()
    _pinned_by_id[id(pinned)] = pinned
    return pinned


def _upload(name: str, host: Tensor, non_blocking: bool) -> None:
    count("uploaded", name)
    if _waits(host, non_blocking):
        count("synchronised", f"{name} from the host")


def to_copy(x: Tensor, *, dtype=None, device=None, non_blocking=False, memory_format=None, **_: Any) -> Tensor:
    """`to` and what is built on it."""
    to_host = device is not None and device.type == "cpu"
    kwargs = {} if memory_format is None else {"memory_format": memory_format}
    out = torch.ops.aten._to_copy.default(inner(x), dtype=dtype, device=torch.device("cpu"), **kwargs)
    if not isinstance(x, EmulatedTensor):
        _upload("to", x, non_blocking)
        return EmulatedTensor(out)
    if not to_host:
        count("launched", "_to_copy")
        return EmulatedTensor(out)
    if out.dtype != x.dtype or not x.inner.is_contiguous():
        count("launched", "_to_copy")  # made ready on the device
    if not non_blocking:
        count("synchronised", "to the host")
    return out


def copy(destination: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    inner(destination).copy_(inner(source))
    match isinstance(destination, EmulatedTensor), isinstance(source, EmulatedTensor):
        case True, True:
            count("launched", "copy_")
        case True, False:
            _upload("copy_", source, non_blocking)
        case _ if _waits(destination, non_blocking):
            count("synchronised", "copy_ to the host")
    return destination
