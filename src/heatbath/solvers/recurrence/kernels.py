"""The compiled recurrences of shallow piecewise-linear steps, as functions of tensors. See kernel/kernel.h."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from heatbath.core.errors import ConfigError, HeatbathError
from heatbath.solvers import native
from heatbath.solvers.recurrence.shallow import ShallowStep

MODULE = "heatbath.solvers.recurrence._kernel"
INSTRUCTION_SETS = ("baseline", "avx2", "avx512")
SWITCH = "HEATBATH_INSTRUCTION_SET"
"""Names one of them, to repeat on this machine the bits of another; the best that the processor has by default."""


class OutOfMemory(HeatbathError, MemoryError):
    """A kernel could not allocate its work space."""


class Shape(Structure):
    """`struct shape` of kernel.h."""

    _fields_ = (("T", c_int64), ("B", c_int64), ("M", c_int64), ("L", c_int64), ("clipped", c_int32))


class Pointers(Structure):
    """Weights, or their gradients, in the order A, W1, W2, h1, h2."""

    _fields_ = tuple((name, c_void_p) for name in ("A", "W1", "W2", "h1", "h2"))


class Training(Structure):
    """`struct training` of kernel.h."""

    _fields_ = (
        *((name, c_int64) for name in ("models", "steps", "T", "B", "M", "L", "N", "series_stride")),
        *((name, c_int32) for name in ("clipped", "affine", "interval")),
        *((name, c_double) for name in ("beta1", "beta2", "epsilon")),
    )


class Schedules(Structure):
    """`struct schedules` of kernel.h."""

    _fields_ = tuple((name, c_void_p) for name in ("rate", "alpha", "l2", "condition"))


class State(Structure):
    """`struct state` of kernel.h."""

    _fields_ = tuple((name, c_void_p) for name in ("theta", "mean", "variance", "done"))


class LossPointers(Structure):
    """`struct losses` of kernel.h."""

    _fields_ = tuple((name, c_void_p) for name in ("error", "penalty", "condition", "completed"))


_MODEL = (POINTER(Shape), POINTER(Pointers))


class Kernels(Structure):
    """The functions of one instruction set and precision; kernel.h says what they take."""

    _fields_ = (
        ("name", c_char_p),
        ("forward", CFUNCTYPE(c_int, *_MODEL, *[c_void_p] * 6)),
        (
            "adjoint",
            CFUNCTYPE(c_int, *_MODEL, *[c_void_p] * 5, POINTER(Pointers), *[c_void_p] * 2),
        ),
        ("jacobian", CFUNCTYPE(c_int, *_MODEL, c_void_p, c_int64, c_void_p)),
        (
            "train",
            CFUNCTYPE(
                c_int, POINTER(Training), POINTER(Schedules), *[c_void_p] * 3, POINTER(State), POINTER(LossPointers)
            ),
        ),
    )


def kernels(dtype: torch.dtype, instruction_set: str | None = None) -> Kernels | None:
    """The functions for a precision, or None where nothing was built or it is not float32 or float64.

    Args:
        dtype: of all tensors that they will be given.
        instruction_set: one of `INSTRUCTION_SETS`; by default what the environment variable names, else the best.

    Raises:
        ConfigError: for an instruction set that is unknown, or that this processor lacks.
    """
    library = native.library(MODULE)
    if library is None or dtype not in (torch.float32, torch.float64):
        return None
    asked = instruction_set or os.environ.get(SWITCH)
    float64 = dtype == torch.float64
    if not asked:
        return _best(library, float64)
    if asked not in INSTRUCTION_SETS:
        raise ConfigError(f"expected an instruction set among {', '.join(INSTRUCTION_SETS)}, got {asked!r}")
    found = _table(library, INSTRUCTION_SETS.index(asked), float64)
    if found is None:
        raise ConfigError(f"this processor has no {asked}; unset {SWITCH}, or choose from {', '.join(available())}")
    return found


def available() -> list[str]:
    """The instruction sets that this machine can run, the best last; empty where nothing was built."""
    library = native.library(MODULE)
    if library is None:
        return []
    return [name for level, name in enumerate(INSTRUCTION_SETS) if _table(library, level, False)]


@functools.cache
def _best(library: ctypes.CDLL, float64: bool) -> Kernels | None:
    found = [_table(library, level, float64) for level in range(len(INSTRUCTION_SETS))]
    return [table for table in found if table is not None][-1]


@functools.cache
def _table(library: ctypes.CDLL, level: int, float64: bool) -> Kernels | None:
    choose = library.recurrence_kernels
    choose.restype, choose.argtypes = POINTER(Kernels), (c_int, c_int)
    found = choose(level, float64)
    table: Kernels | None = found.contents if found else None
    return table


def call(function: Any, *arguments: Any) -> None:
    """Call a kernel; tensors must be contiguous and on the host, None is a null pointer.

    Raises:
        OutOfMemory: when it could not allocate its work space.
    """
    if function(*map(_argument, arguments)):
        raise OutOfMemory("the kernel could not allocate its work space; reduce the window, the batch or the model")


def _argument(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.data_ptr()
    return byref(value) if isinstance(value, Structure) else value


def pointers(*tensors: Tensor) -> Pointers:
    """Five tensors, in the order A, W1, W2, h1, h2; the caller keeps them alive."""
    return Pointers(*[tensor.data_ptr() for tensor in tensors])


def weights_of(step: ShallowStep) -> tuple[Tensor, ...]:
    """A, W1, W2, h1, h2."""
    return step.A, step.W1, step.W2, step.h1, step.h2
