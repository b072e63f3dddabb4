"""The symmetric root of a positive semidefinite matrix, with its gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def symmetric_root(matrix: Tensor) -> Tensor:
    """R with R R = `matrix`, symmetric, shape `(..., n, n)`; eigenvalues of round-off are taken as 0.

    The gradient solves R dR + dR R = d(matrix) in the eigenvectors, dR_ij = d_ij / (sqrt(l_i) + sqrt(l_j)), which needs
    no gaps between eigenvalues; where both are 0 it is taken as 0. Once differentiable.

    >>> symmetric_root(torch.tensor([[4.0, 0.0], [0.0, 0.0]])).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    found: Tensor = _SymmetricRoot.apply(matrix)  # type: ignore[no-untyped-call]
    return found


class _SymmetricRoot(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)  # a Cholesky factor of a singular matrix fails
        # What is round-off beside the largest would otherwise move points that have no variance, by its root, 1e-8.
        floor = torch.finfo(values.dtype).eps * values.shape[-1] * values[..., -1:]
        roots = torch.where(values > floor, values, 0.0).clamp_min(0.0).sqrt()
        ctx.save_for_backward(roots, vectors)
        root: Tensor = (vectors * roots.unsqueeze(-2)) @ vectors.mT
        return root

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        roots, vectors = ctx.saved_tensors
        sums = roots.unsqueeze(-1) + roots.unsqueeze(-2)
        inner = vectors.mT @ gradient @ vectors
        inner = torch.where(sums > 0, inner / torch.where(sums > 0, sums, 1.0), 0.0)
        found: Tensor = vectors @ ((inner + inner.mT) / 2) @ vectors.mT
        return found
