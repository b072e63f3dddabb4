"""The small matrix S = G Sigma G^T + noise, factorised once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

DEPENDENT = 1e-12
"""Rows, scaled to unit variance, are dependent where less than this part of a row's variance is its own."""


@dataclass(frozen=True)
class Truncated:
    """A singular S: its rows, mixed by `mixing`, `(..., m, m)`, of which those with `kept` 1.0 count, `(..., m)`."""

    mixing: Tensor
    kept: Tensor
    log_det: Tensor


@dataclass(frozen=True)
class Factor:
    """T with S^{-1} = T^T T, on the directions in which S is not singular; T is zero on the others.

    Attributes:
        whitener: T, shape `(..., m, m)`; lower triangular but where the rows were mixed.
        sound: whether S was regular throughout, 0-d bool.
        truncated: what is known more of a singular S.
    """

    whitener: Tensor
    sound: Tensor
    truncated: Truncated | None = None

    def kept(self) -> Tensor:
        """Which rows of T stand for a direction, 0.0 or 1.0, shape `(..., m)`."""
        if self.truncated is not None:
            return self.truncated.kept
        return (self.whitener.diagonal(dim1=-2, dim2=-1) > 0).to(self.whitener.dtype)

    def log_det(self) -> Tensor:
        """log of S's determinant in the kept directions, rows mixed as they are, shape `(...)`."""
        if self.truncated is not None:
            return self.truncated.log_det
        diagonal = self.whitener.diagonal(dim1=-2, dim2=-1)
        positive = diagonal > 0
        return -2 * torch.where(positive, diagonal, 1.0).log().sum(-1)

    def solve(self, r: Tensor) -> Tensor:
        """S^{-1} r, shape `(..., m)`."""
        if self.whitener.shape[-1] == 1:
            return self.whitener.squeeze(-1).square() * r
        return (self.whitener.mT @ (self.whitener @ r.unsqueeze(-1))).squeeze(-1)

    def whiten(self, r: Tensor) -> Tensor:
        """T r: independent and of unit variance where r has covariance S, shape `(..., m)`."""
        if self.whitener.shape[-1] == 1:
            return self.whitener.squeeze(-1) * r
        return (self.whitener @ r.unsqueeze(-1)).squeeze(-1)

    def whiten_columns(self, cross: Tensor) -> Tensor:
        """W = Sigma G^T T^T, shape `(..., n, m)`, so that W W^T is what the observations take from Sigma."""
        return cross * self.whitener if self.whitener.shape[-1] == 1 else cross @ self.whitener.mT


def factorise(S: Tensor) -> Factor:
    """Of S with shape `(..., m, m)`, symmetric. Where `sound` turns out false, `truncate` is the way on for m > 1."""
    return _scalar(S) if S.shape[-1] == 1 else _cholesky(S)


def _scalar(S: Tensor) -> Factor:
    """One row: a number. Where it is 0, the row asks for what has no variance, and nothing is moved."""
    positive = S > 0
    root = torch.where(positive, S, 1.0).rsqrt()
    return Factor(torch.where(positive, root, 0.0), positive.all())


def _cholesky(S: Tensor) -> Factor:
    scale = unit_scale(S)
    lower, info = torch.linalg.cholesky_ex(scale.unsqueeze(-1) * S * scale.unsqueeze(-2))
    pivots = lower.diagonal(dim1=-2, dim2=-1)
    whitener = torch.linalg.solve_triangular(lower, torch.diag_embed(scale), upper=False)
    sound = (info == 0).all() & (pivots.square() > DEPENDENT).all()
    return Factor(whitener, sound)


def truncate(S: Tensor) -> Factor:
    """Dependent rows: keep the eigenvectors of the scaled S whose eigenvalues are not round-off.

    The choice of directions has no gradient; what happens in them has. Gradients in the mean, Sigma and b are right;
    one in G is that for changes of G that keep its rows dependent.
    """
    scale = unit_scale(S)
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(scale.unsqueeze(-1) * S * scale.unsqueeze(-2))
        kept = (values > DEPENDENT * S.shape[-1]).to(S.dtype)
        mixing = (vectors * kept.unsqueeze(-2)).mT * scale.unsqueeze(-2)
    mixed = mixing @ S @ mixing.mT + torch.diag_embed(1.0 - kept)
    lower = torch.linalg.cholesky_ex(mixed)[0]
    log_det = 2 * lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    whitener = torch.linalg.solve_triangular(lower, mixing, upper=False)
    return Factor(whitener, kept.bool().all(), Truncated(mixing, kept, log_det))


def unit_scale(S: Tensor) -> Tensor:
    """1 / sqrt(diag S), and 1 where that is not finite, shape `(..., m)`."""
    diagonal = S.diagonal(dim1=-2, dim2=-1)
    positive = diagonal > 0
    return torch.where(positive, torch.where(positive, diagonal, 1.0).rsqrt(), 1.0)
