"""The forced scan for CUDA devices, in Triton: one launch in either direction, instead of a dozen a step.

Needs the package `triton`, which torch brings along on Linux with CUDA.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor
from torch.nn import functional

from heatbath.solvers.recurrence import triton_kernels
from heatbath.solvers.recurrence.scan_kernels import Weights

TILE = 8192
"""Numbers of a weight matrix that a program holds at once."""
ELEMENTS = 1 << 24
"""Numbers in a matrix of hidden units that the gradients of the weights make at once."""


class TritonScan:
    """See `ScanKernel`. Gradients of the weights are matrix products over all states at once, the same every time."""

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
        A, W1, W2, h1, h2 = weights
        batch, M = start.shape
        proposal = start.new_empty((length, batch, M))
        value = proposal if signal is None else torch.empty_like(proposal)
        forced, driven = signal is not None, drive is not None
        # Triton wants a pointer everywhere; one that stands for nothing is never read.
        given = [start if one is None else one for one in (strength, signal, drive)]
        sizes = (length, batch, M, len(h2))
        flags = {"CLIPPED": clipped, "FORCED": forced, "DRIVEN": driven}
        tensors = (start, *given, A, W1, W2, h1, h2, proposal, value)
        triton_kernels.forward[(batch,)](*tensors, *sizes, **tiling(M, len(h2)), **flags)
        return value, proposal

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
        A, W1, W2, _, h2 = weights
        length, batch, M = values.shape
        gradient, initial = torch.empty_like(values), torch.empty_like(start)
        given = [start if one is None else one for one in (strength, by_value, by_proposal)]
        flags: dict[str, Any] = {"CLIPPED": clipped, "FORCED": strength is not None}
        flags |= {"BY_VALUE": by_value is not None, "BY_PROPOSAL": by_proposal is not None}
        sizes = (length, batch, M, len(h2))
        visited = torch.cat([start.unsqueeze(0), values[:-1]])
        tensors = (visited, *given, A, W1, W2, h2, gradient, initial)
        triton_kernels.adjoint[(batch,)](*tensors, *sizes, **tiling(M, len(h2)), **flags)
        found = weight_gradients(weights, clipped, visited.view(-1, M), gradient.view(-1, M))
        return initial, gradient if driven else None, found


def weight_gradients(weights: Weights, clipped: bool, z: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    """Gradients of A, W1, W2, h1, h2 from states z and gradients g of F(z), both of shape `(rows, M)`.

    With q = W1' g: sum g z, sum g r', sum (mask q) z', sum g, sum 1[u + h2 > 0] q.
    """
    _, W1, W2, _, h2 = weights
    by_W1, by_W2, by_h2 = (torch.zeros_like(one) for one in (W1, W2, h2))
    rows = max(1, ELEMENTS // len(h2))
    for states, gradients in zip(z.split(rows), g.split(rows), strict=True):
        u, q = functional.linear(states, W2), gradients @ W1
        r, on = torch.relu(u + h2), q * (u + h2 > 0)
        d = on
        if clipped:
            r, d = r - torch.relu(u), on - q * (u > 0)
        by_W1 += gradients.T @ r
        by_W2 += d.T @ states
        by_h2 += on.sum(0)
    return (g * z).sum(0), by_W1, by_W2, g.sum(0), by_h2


def tiling(M: int, L: int) -> dict[str, int]:
    """Sizes of a program's tiles, powers of 2, and options of the compiler."""
    latent = triton.next_power_of_2(M)
    units = min(triton.next_power_of_2(L), max(32, TILE // latent))
    warps = min(8, max(1, latent * units // 1024))
    return {"MP": latent, "LP": units, "CHUNKS": triton.cdiv(L, units), "num_warps": warps, "enable_fp_fusion": True}
