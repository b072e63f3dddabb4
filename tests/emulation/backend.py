"""The device as torch sees it: its name, its module `torch.emu`, and the few kernels that no dispatch mode can see."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from tests.emulation import transfers
from tests.emulation.counts import count, open_counts
from tests.emulation.tensors import TYPE, EmulatedTensor, default_generator


class Backend:
    """What `torch.emu` is, as far as `torch.manual_seed` and `torch.get_device_module` need it."""

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def is_available() -> bool:
        return bool(open_counts)

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed(seed: int) -> None:
        default_generator().manual_seed(seed)

    manual_seed_all = manual_seed

    @staticmethod
    def get_rng_state(device: Any = TYPE) -> Tensor:
        return default_generator().get_state()

    @staticmethod
    def set_rng_state(state: Tensor, device: Any = TYPE) -> None:
        default_generator().set_state(state)

    @staticmethod
    def synchronize(device: Any = None) -> None:
        count("synchronised", "synchronize")


class Hook(torch._C._acc.PrivateUse1Hooks):
    """Whether `torch.accelerator` has this device: only inside `emulated()`, so that other tests see a plain CPU."""

    def is_available(self) -> bool:
        return bool(open_counts)

    def is_built(self) -> bool:
        return True

    def has_primary_context(self, index: int) -> bool:
        return True


_clear_error = ctypes.pythonapi.PyErr_Clear


class Guard(torch._C._acc.DeviceGuard):
    """What kind of device this is. See `dispatch.raising_through_backward` for why it clears the error."""

    def type_(self) -> Any:
        _clear_error()
        return torch._C._autograd.DeviceType.PrivateUse1


def _empty(size, *, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
    return EmulatedTensor(torch.empty(size, dtype=dtype, device="cpu"))


def _empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
    return EmulatedTensor(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _copy_from(source, destination, non_blocking=False):
    return transfers.copy(destination, source, non_blocking)


KERNELS = {"empty.memory_format": _empty, "empty_strided": _empty_strided, "_copy_from": _copy_from}
"""`torch.tensor(..., device="emu")` builds with dispatch modes off, and comes here."""


@cache
def install() -> torch.library.Library:
    """Once a process: torch lets a backend be named only once."""
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

    _setup_privateuseone_for_python_backend(TYPE, backend_module=Backend, hook=Hook(), device_guard=Guard())
    library = torch.library.Library("aten", "IMPL")
    for name, kernel in KERNELS.items():
        library.impl(name, kernel, "PrivateUse1")
    return library
