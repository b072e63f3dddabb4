"""Everything here computes in float64, on the device of what it was given."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput


def float64(value: Tensor | float, like: Tensor | None = None) -> Tensor:
    """A tensor in float64; a number as one of no dimensions, made on the device of `like`, not copied to it.

    Raises:
        InvalidInput: for what is neither.
    """
    if isinstance(value, Tensor):
        if value.is_complex():
            raise InvalidInput("expected real numbers, got complex ones; condition real and imaginary parts each")
        return value.double()
    if not isinstance(value, Real):
        raise InvalidInput(f"expected a tensor or a number, got {type(value).__name__}; use `torch.as_tensor`")
    return torch.full((), value, dtype=torch.float64, device=None if like is None else like.device)
