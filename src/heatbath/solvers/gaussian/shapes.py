"""Shapes that broadcast."""

from __future__ import annotations

from collections.abc import Sequence

import torch


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
