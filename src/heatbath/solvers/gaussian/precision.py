"""Everything here computes in float64, on the device of what it was given."""

from __future__ import annotations

import torch
from torch import Tensor


def float64(value: Tensor | float, like: Tensor | None = None) -> Tensor:
    """A tensor in float64; a number as one of no dimensions, made on the device of `like`, not copied to it."""
    if isinstance(value, Tensor):
        return value.double()
    return torch.full((), value, dtype=torch.float64, device=None if like is None else like.device)
