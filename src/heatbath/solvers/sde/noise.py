"""Brownian motion in pieces: what was drawn for a step that is rejected is kept, and refined where it is needed."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Piece(NamedTuple):
    """Brownian motion W over an interval of some length, begun at 0.

    Args:
        length: h.
        end: W(h), shaped like the state.
        area: integral of W over the interval, shaped like the state.
    """

    length: float
    end: Tensor
    area: Tensor


class BrownianPath:
    """A path ahead of the time that an integration has reached, drawn as far as was ever looked.

    Rejection sampling with memory: an attempt looks at the path over its step; where it is rejected, nothing drawn is
    lost, and a shorter attempt sees the same path, refined by a bridge. So rejections do not bias the law.

    Deviation: the reference implementation bridges dW and a second motion dZ on their own; here W and its integral are
    refined together, so that pieces add up to what they were cut from, exactly.

    Args:
        like: the state, whose shape, dtype and device the noise has.
        generator: what it is drawn from, on that device.

    Reference:
        Rackauckas and Nie, Discrete and Continuous Dynamical Systems B 22, 2017 (rejection sampling with memory, 3).
    """

    def __init__(self, like: Tensor, generator: Generator) -> None:
        self._like, self._generator = like.detach(), generator
        self._ahead: list[Piece] = []

    def look(self, length: float) -> Piece:
        """The path over the next `length`, which stays ahead."""
        self._cut(length)
        covered, piece = 0, self._ahead[0]
        while piece.length < length * (1 - 1e-12):
            covered += 1
            piece = joined(piece, self._ahead[covered])
        return Piece(length, piece.end, piece.area)

    def go(self, length: float) -> None:
        """Leave the next `length`, over which was looked, behind."""
        gone = 0.0
        while self._ahead and gone < length * (1 - 1e-12):
            gone += self._ahead.pop(0).length

    def _cut(self, length: float) -> None:
        """Make a piece end where the look does: draw on, or refine."""
        known = 0.0
        for index, piece in enumerate(self._ahead):
            if known + piece.length > length * (1 + 1e-12):
                if length - known > 1e-12 * length:
                    self._ahead[index : index + 1] = self._bridged(piece, length - known)
                return
            known += piece.length
        if length - known > 1e-12 * length:
            self._ahead.append(self._fresh(length - known))

    def _normal(self) -> Tensor:
        like = self._like
        return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=self._generator)

    def _fresh(self, h: float) -> Piece:
        """W(h) = sqrt(h) x, its integral h/2 (W(h) + sqrt(h/3) y), x and y standard normal."""
        end = math.sqrt(h) * self._normal()
        return Piece(h, end, h / 2 * (end + math.sqrt(h / 3) * self._normal()))

    def _bridged(self, piece: Piece, a: float) -> list[Piece]:
        """Both parts of a piece, cut at a, from the Gaussian law of W(a) and its integral, given those at h."""
        h = piece.length
        (m00, m01, m10, m11), (l00, l10, l11) = bridge(a / h)
        root, x, y = math.sqrt(h), self._normal(), self._normal()
        end = m00 * piece.end + (m01 / h) * piece.area + (root * l00) * x
        area = (h * m10) * piece.end + m11 * piece.area + (h * root) * (l10 * x + l11 * y)
        rest = Piece(h - a, piece.end - end, piece.area - area - (h - a) * end)
        return [Piece(a, end, area), rest]


def joined(first: Piece, second: Piece) -> Piece:
    """Two pieces, one after the other."""
    area = first.area + second.area + second.length * first.end
    return Piece(first.length + second.length, first.end + second.end, area)


def bridge(a: float) -> tuple[tuple[float, float, float, float], tuple[float, float, float]]:
    """For W on [0, 1]: (W(a), A(a)) given (W(1), A(1)), A the integral of W, has mean M (W(1), A(1)) and root L.

    Returns:
        M by rows, and the lower triangle of L, where L L^T is the covariance.

    >>> (m00, m01, m10, m11), _ = bridge(1.0)
    >>> [round(m, 12) + 0.0 for m in (m00, m01, m10, m11)]
    [1.0, 0.0, 0.0, 1.0]
    """
    # Covariances of (W(a), A(a)) with themselves and with (W(1), A(1)), whose own is ((1, 1/2), (1/2, 1/3)).
    own = a, a * a / 2, a**3 / 3
    with_end = a, a * a / 2
    with_area = a - a * a / 2, a * a / 2 - a**3 / 6
    mean = [(4 * e - 6 * s, 12 * s - 6 * e) for e, s in zip(with_end, with_area, strict=True)]
    (m00, m01), (m10, m11) = mean
    c00 = own[0] - m00 * with_end[0] - m01 * with_area[0]
    c01 = own[1] - m10 * with_end[0] - m11 * with_area[0]
    c11 = own[2] - m10 * with_end[1] - m11 * with_area[1]
    l00 = math.sqrt(max(c00, 0.0))
    l10 = c01 / l00 if l00 > 0 else 0.0
    return (m00, m01, m10, m11), (l00, l10, math.sqrt(max(c11 - l10 * l10, 0.0)))
