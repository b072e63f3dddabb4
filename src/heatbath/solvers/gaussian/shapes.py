"""Shapes that broadcast, and what is said of those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.errors import InvalidInput


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that several broadcast to. Raises RuntimeError where they do not.

    Equal and empty shapes, the usual case, are told without `torch.broadcast_shapes`, which takes as long as a dozen
    small kernels.

    >>> broadcast((3, 4), (), (3, 4)), broadcast((3, 1), (4,))
    ((3, 4), (3, 4))
    """
    known = [tuple(shape) for shape in shapes]
    found: tuple[int, ...] = max(known, key=len, default=())
    if all(shape in ((), found) for shape in known):
        return found
    return tuple(torch.broadcast_shapes(*known))


def fitting(**batches: Sequence[int]) -> tuple[int, ...]:
    """The shape that batch axes broadcast to.

    Raises:
        InvalidInput: naming each of them, where they do not.

    >>> fitting(mean=(5, 1), variance=(3,))
    (5, 3)
    """
    try:
        return broadcast(*batches.values())
    except RuntimeError:
        found = ", ".join(f"`{name}` {tuple(shape)}" for name, shape in batches.items())
        raise InvalidInput(
            f"the batch axes do not fit together: {found}; from the last on, they must be equal or 1"
        ) from None


def stacked(above: Tensor, below: Tensor) -> Tensor:
    """Under each other along the last axis but one; the others broadcast."""
    batch = broadcast(above.shape[:-2], below.shape[:-2])
    return torch.cat([part.expand(*batch, *part.shape[-2:]) for part in (above, below)], -2)


def tensor(name: str, value: Any, shape: str, least: int) -> None:
    """Whether `value` is a tensor with `least` axes or more.

    Raises:
        InvalidInput: saying what it is instead.
    """
    if not isinstance(value, Tensor):
        raise InvalidInput(
            f"{name} must be a tensor of shape {shape}, got {type(value).__name__}; use `torch.as_tensor`"
        )
    if value.is_complex():
        raise InvalidInput(f"{name} must be real, got {value.dtype}; condition real and imaginary parts each")
    if value.dim() < least:
        raise InvalidInput(f"{name} must have shape {shape}, got {tuple(value.shape)}")


def seeded(generator: Any) -> None:
    """Whether there is a generator to draw from: torch would fall back to its global one.

    Raises:
        InvalidInput: saying what to pass.
    """
    if not isinstance(generator, Generator):
        raise InvalidInput(
            f"`generator` must be a `torch.Generator`, got {type(generator).__name__}; "
            "`torch.Generator(device).manual_seed(0)` is one"
        )
