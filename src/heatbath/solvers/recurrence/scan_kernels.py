"""What a kernel for the forced scan is, and the one for the CPU."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from heatbath.solvers.recurrence.kernels import Kernels, Shape, call, pointers

Weights = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""A, W1, W2, h1, h2, contiguous."""


class ScanKernel(Protocol):
    """Forward and adjoint of z_t = F(~z_{t-1}) + drive_t, ~z_t = (1 - strength) z_t + strength signal_t, ~z_0 given.

    All tensors are contiguous, of one device and precision; `strength` has shape `(M,)`, sequences have shape
    `(length, batch, M)`.
    """

    def forward(
        self,
        weights: Weights,
        clipped: bool,
        start: Tensor,
        length: int,
        strength: Tensor | None,
        signal: Tensor | None,
        drive: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """~z and z; one tensor where there is no signal."""

    def adjoint(
        self,
        weights: Weights,
        clipped: bool,
        start: Tensor,
        values: Tensor,
        strength: Tensor | None,
        by_value: Tensor | None,
        by_proposal: Tensor | None,
        driven: bool,
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Gradients of the start, of the drive if `driven`, and of the weights, from those of ~z and z."""


class NativeScan:
    """The C kernel."""

    def __init__(self, table: Kernels) -> None:
        self._table = table

    def forward(
        self,
        weights: Weights,
        clipped: bool,
        start: Tensor,
        length: int,
        strength: Tensor | None,
        signal: Tensor | None,
        drive: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """See `ScanKernel`."""
        proposal = start.new_empty((length, *start.shape))
        value = None if signal is None else torch.empty_like(proposal)
        shape = Shape(length, *start.shape, len(weights[4]), clipped)
        call(self._table.forward, shape, pointers(*weights), start, strength, signal, drive, proposal, value)
        return proposal if value is None else value, proposal

    def adjoint(
        self,
        weights: Weights,
        clipped: bool,
        start: Tensor,
        values: Tensor,
        strength: Tensor | None,
        by_value: Tensor | None,
        by_proposal: Tensor | None,
        driven: bool,
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """See `ScanKernel`."""
        gradients = tuple(torch.empty_like(weight) for weight in weights)
        initial, drive = torch.empty_like(start), torch.empty_like(values) if driven else None
        shape = Shape(len(values), *start.shape, len(weights[4]), clipped)
        given = (start, values, strength, by_proposal, by_value)
        call(self._table.adjoint, shape, pointers(*weights), *given, pointers(*gradients), initial, drive)
        return initial, drive, gradients
