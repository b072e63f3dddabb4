"""The small matrix S = G Sigma G^T + noise, factorised once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

REGULAR = 1e-5
"""Rows are factorised as they are while more than this part of each row's variance is its own, given all others.

S is a square: what is 3e-3 of a row's deviation is 1e-5 of its variance, and a Cholesky factor's round-off is 1e-11 of
that. Beyond, `dependent` takes over, which never squares.
"""


@dataclass(frozen=True)
class Mixing:
    """Rows that were mixed to be as good as independent: M G in the place of G.

    Attributes:
        matrix: M, shape `(..., k, m)`, zero in the directions that were dropped.
        columns: (M G)^T, shape `(..., n, k)`.
        dropped: the projector on those directions, shape `(..., k, k)`.
        independent: how many rows depend on no other, whatever the law makes of them, shape `(...)`, float64.
    """

    matrix: Tensor
    columns: Tensor
    dropped: Tensor
    independent: Tensor


@dataclass(frozen=True)
class Factor:
    """T with S^{-1} = T^T T, of the rows as they are or mixed.

    Attributes:
        whitener: T, lower triangular, shape `(..., k, k)`; one row without variance has T = 0.
        sound: whether S was regular throughout, 0-d bool.
        mixing: of the rows, where S is that of mixed ones; else None and k = m.
    """

    whitener: Tensor
    sound: Tensor
    mixing: Mixing | None = None

    def freedom(self) -> Tensor:
        """How many independent rows there are, shape `(...)`, float64."""
        if self.mixing is not None:
            return self.whitener.shape[-1] - self.mixing.dropped.diagonal(dim1=-2, dim2=-1).sum(-1).round()
        return (self.whitener.diagonal(dim1=-2, dim2=-1) > 0).to(self.whitener.dtype).sum(-1)

    def log_det(self) -> Tensor:
        """log of S's determinant in the kept directions, rows mixed as they are, shape `(...)`."""
        diagonal = self.whitener.diagonal(dim1=-2, dim2=-1)
        positive = diagonal > 0
        return -2 * torch.where(positive, diagonal, 1.0).log().sum(-1)

    def mixed(self, r: Tensor) -> Tensor:
        """M r, `(..., m)` to `(..., k)`."""
        return r if self.mixing is None else (self.mixing.matrix @ r.unsqueeze(-1)).squeeze(-1)

    def unmixed(self, v: Tensor) -> Tensor:
        """M^T v, `(..., k)` to `(..., m)`."""
        return v if self.mixing is None else (self.mixing.matrix.mT @ v.unsqueeze(-1)).squeeze(-1)

    def solve(self, r: Tensor) -> Tensor:
        """S^{-1} M r, shape `(..., k)`."""
        r = self.mixed(r)
        if self.whitener.shape[-1] == 1:
            return self.whitener.squeeze(-1).square() * r
        return (self.whitener.mT @ (self.whitener @ r.unsqueeze(-1))).squeeze(-1)

    def whiten(self, r: Tensor) -> Tensor:
        """T M r: independent and of unit variance where r has the covariance of the rows, shape `(..., k)`."""
        r = self.mixed(r)
        if self.whitener.shape[-1] == 1:
            return self.whitener.squeeze(-1) * r
        return (self.whitener @ r.unsqueeze(-1)).squeeze(-1)

    def whiten_columns(self, cross: Tensor) -> Tensor:
        """W = Sigma (M G)^T T^T, shape `(..., n, k)`, so that W W^T is what the observations take from Sigma."""
        return cross * self.whitener if self.whitener.shape[-1] == 1 else cross @ self.whitener.mT


def factorise(S: Tensor) -> Factor:
    """Of S with shape `(..., m, m)`, symmetric. Where `sound` turns out false, `dependent` is the way on for m > 1."""
    return _scalar(S) if S.shape[-1] == 1 else _cholesky(S)


def _scalar(S: Tensor) -> Factor:
    """One row: a number. Where it is 0, the row asks for what has no variance, and nothing is moved."""
    positive = S > 0
    root = torch.where(positive, S, 1.0).rsqrt()
    return Factor(torch.where(positive, root, 0.0), positive.all())


def _cholesky(S: Tensor) -> Factor:
    scale = unit_scale(S)
    lower, info = torch.linalg.cholesky_ex(scale.unsqueeze(-1) * S * scale.unsqueeze(-2))
    unit = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)
    inverse = torch.linalg.solve_triangular(lower, unit, upper=False)
    # The squares in a column of the inverse factor sum to 1 / the part that is a row's own. NaN is not less.
    sound = (info == 0).all() & (inverse.detach().square().sum(-2) < 1 / REGULAR).all()
    return Factor(inverse * scale.unsqueeze(-2), sound)


def unit_scale(S: Tensor) -> Tensor:
    """1 / sqrt(diag S), and 1 where that is not finite, shape `(..., m)`."""
    diagonal = S.diagonal(dim1=-2, dim2=-1)
    positive = diagonal > 0
    return torch.where(positive, torch.where(positive, diagonal, 1.0).rsqrt(), 1.0)
