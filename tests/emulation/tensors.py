"""Tensors and generators that claim to be on the device."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from tests.emulation.counts import count

TYPE = "emu"


def inner(leaf: Any) -> Any:
    """The CPU tensor inside, or what was given."""
    return leaf.inner if isinstance(leaf, EmulatedTensor) else leaf


class EmulatedTensor(Tensor):
    """A tensor that claims to be on the device; `inner` does the work."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> EmulatedTensor:
        wrapper = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device(TYPE, 0),
        )  # fmt: skip
        wrapper.inner = inner
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        from tests.emulation.dispatch import dispatch  # which needs this class

        return dispatch(operation, args, kwargs or {})

    def __repr__(self) -> str:
        count("synchronised", "print")
        return f"{self.inner!r} on {self.device}"

    def __setitem__(self, index: Any, value: Any) -> None:
        # CUDA keeps an assigned number on the host (THPVariable_setitem), which spares a masked fill its nonzero.
        if isinstance(value, bool | int | float | complex):
            value = torch.tensor(value, dtype=self.dtype)
        super().__setitem__(index, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> EmulatedTensor:
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        copied._is_param = getattr(self, "_is_param", False)
        return memo.setdefault(id(self), copied)

    def __reduce_ex__(self, protocol: int) -> Any:
        """Saved as the CPU tensor that `torch.save` would copy to the host."""
        count("synchronised", "save")
        return self.inner.detach().clone().__reduce_ex__(protocol)

    def tolist(self) -> Any:
        count("synchronised", "tolist")
        return self.inner.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"can't convert {self.device} tensor to numpy; use Tensor.cpu() first")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, EmulatedTensor) or value.shape != self.shape or value.dtype != self.dtype:
            raise NotImplementedError("the emulation sets `data` only to a tensor of its own, of one shape and type")
        self.inner = value.inner


class EmulatedGenerator(torch.Generator):
    """A CPU generator that belongs to the device.

    torch hands a dispatched operation another Python object around the same C++ generator, so that it is known by its
    address.
    """

    def __init__(self) -> None:
        emulated_generators[self._cdata] = self

    @property
    def device(self) -> torch.device:
        return torch.device(TYPE, 0)


emulated_generators: weakref.WeakValueDictionary[int, EmulatedGenerator] = weakref.WeakValueDictionary()


class _GeneratorType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, torch._C.Generator)

    def __call__(cls, device: Any = "cpu") -> torch.Generator:
        return EmulatedGenerator() if torch.device(device).type == TYPE else torch._C.Generator(device=device)


class AnyGenerator(metaclass=_GeneratorType):
    """Stands for `torch.Generator` inside `emulated()`: torch lets no Python backend make a generator."""


_default: list[EmulatedGenerator] = []


def default_generator() -> EmulatedGenerator:
    """What a draw on the device takes that was given no generator."""
    if not _default:
        _default.append(EmulatedGenerator())
        _default[0].manual_seed(0)
    return _default[0]
