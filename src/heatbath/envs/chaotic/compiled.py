"""The compiled trajectories: the same bits as the reference, some hundred times as fast."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ctypes import CDLL, POINTER, c_double, c_int, c_long, cast
from typing import Any

import torch
from torch import Tensor

from heatbath.solvers import native

FIELDS = ("lorenz63", "rossler", "chua", "lorenz96")
"""What the kernel knows, in its order."""
_Numbers = POINTER(c_double)


@functools.cache
def _kernel() -> CDLL | None:
    found = native.library("heatbath.envs.chaotic._kernel")
    if found is not None:
        found.heatbath_flow.restype = c_int
        found.heatbath_flow.argtypes = [
            *(c_int, _Numbers, c_long, c_double, c_long),
            *(c_long, c_long, c_long, _Numbers, _Numbers),
        ]
        found.heatbath_mackey_glass.restype = None
        found.heatbath_mackey_glass.argtypes = [_Numbers, c_long, c_double, c_long, c_long, _Numbers, _Numbers]
    return found


def fits(state: Tensor) -> bool:
    """Whether there is a kernel, and it can work on this state: float64 on the CPU, no gradient asked for."""
    return state.device.type == "cpu" and state.dtype == torch.float64 and _kernel() is not None


def flow(
    system: str, parameters: Sequence[float], h: float, substeps: int, start: Tensor, points: int, skip: int
) -> Tensor:
    """Runge-Kutta trajectories.

    Args:
        system: one of `FIELDS`.
        parameters: its own.
        h: length of a step.
        substeps: steps between two points.
        start: shape `(batch, dim)`.
        points: kept.
        skip: points left out before them.

    Returns:
        Shape `(batch, points, dim)`.
    """
    kernel, start = _kernel(), start.detach().contiguous()
    assert kernel is not None
    batch, dim = start.shape
    out = start.new_empty(batch, points, dim)
    numbers = (c_double * len(parameters))(*parameters)
    failed = kernel.heatbath_flow(
        FIELDS.index(system), numbers, dim, h, substeps, batch, skip, points, _address(start), _address(out)
    )
    if failed:
        raise MemoryError(f"no memory for a trajectory of {dim} variables")
    return out


def mackey_glass(parameters: Sequence[float], lag: int, h: float, values: Tensor, slopes: Tensor) -> None:
    """Fill in a delay equation's values `(batch, lag + 1 + steps)` and slopes `(batch, lag + steps)`, in place."""
    kernel = _kernel()
    assert kernel is not None
    assert values.is_contiguous()
    assert slopes.is_contiguous()
    batch, length = values.shape
    numbers = (c_double * len(parameters))(*parameters)
    kernel.heatbath_mackey_glass(numbers, lag, h, batch, length - lag - 1, _address(values), _address(slopes))


def _address(numbers: Tensor) -> Any:
    return cast(numbers.data_ptr(), _Numbers)
