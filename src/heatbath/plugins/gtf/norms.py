"""Spectral norms of many small matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def spectral_norms(matrices: Tensor) -> Tensor:
    """Largest singular values, from the eigenvalues of J^T J; NaN where J has one, instead of an error.

    Args:
        matrices: shape `(..., rows, columns)`.

    Returns:
        Shape `(...,)`.

    >>> spectral_norms(torch.tensor([[0.0, 2.0], [1.0, 0.0]])).item()
    2.0
    """
    gram = matrices.mT @ matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices @ matrices.mT
    sound = gram.isfinite().all(-1).all(-1)
    eigenvalues: Tensor = torch.linalg.eigvalsh(gram.nan_to_num(0.0, 0.0, 0.0))
    return torch.where(sound, eigenvalues[..., -1].clamp_min(0.0).sqrt(), math.nan)
