"""Rows that depend on each other, exactly or almost: mixed into independent ones without squaring anything.

S = G Sigma G^T of the rows w and w + eps v has the eigenvalue eps^2, which is round-off from eps = 1e-8 on. With
Sigma = A A^T the singular values of A^T G^T have eps itself, and its right singular vectors say how to mix the rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.solvers.gaussian.constraint import LinearConstraint
from heatbath.solvers.gaussian.factor import Factor, Mixing
from heatbath.solvers.gaussian.protocol import Covariance, root_times
from heatbath.solvers.gaussian.shapes import stacked

DEPENDENT = 1e-13
"""Rows are dependent where less than this part of a row's deviation is its own: some hundred units of round-off.

What dependent rows ask for beside each other, when they agree, is so at most this part of a row's size, which is why
`checks.CONSISTENT` is a few times this.
"""
SINGULAR = 1e-13
"""Part of the variance that independent points would give a mixture of rows, or of another mixture's, below which what
is computed is round-off."""


def untangled(covariance: Covariance, constraint: LinearConstraint) -> tuple[Tensor, Factor, Tensor]:
    """Sigma (M G)^T, shape `(..., n, k)`, the factor of M S M^T, and its least eigenvalue beside the largest, `(...)`.

    M = V^T / s from A^T G^T = U s V^T, all rows scaled to the same deviation; the noise counts as more variables. A is
    a root of Sigma where one is known, else of its diagonal: then M S M^T is as regular as the correlations let it be.
    It is computed anew, so that it does not matter that M is not exact. O(n m^2).

    M has no gradient, and needs none: mixing rows changes nothing. Where directions were dropped, gradients in the
    rows are those for changes that keep them dependent; all others are right.
    """
    columns = constraint.rows.transposed()
    noise = constraint.noise
    unit = torch.eye(columns.shape[-1], dtype=columns.dtype, device=columns.device)
    with torch.no_grad():
        seen = root_times(covariance, columns)
        if noise is not None:
            seen = stacked(seen, root_times(noise, unit))
        size = seen.norm(dim=-2)
        scale = torch.where(size > 0, size, 1.0).reciprocal()
        _, s, right = torch.linalg.svd(seen * scale.unsqueeze(-2), full_matrices=False)
        inverse = torch.where(s > DEPENDENT, s, torch.inf).reciprocal()
        matrix = inverse.unsqueeze(-1) * right * scale.unsqueeze(-2)
    mixed = columns @ matrix.mT
    cross = covariance.times(mixed)
    S = mixed.mT @ cross
    if noise is not None:
        S = S + matrix @ noise.times(matrix.mT)
    S = (S + S.mT) / 2
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(S)
        largest = values[..., -1:].clamp_min(1.0)  # 1 is what independent points would give
        empty = vectors * (values <= SINGULAR * largest).to(S.dtype).unsqueeze(-2)
        dropped = empty @ empty.mT
        # A projector leaves the other rows as they are: turned into eigenvectors, strong rows would take in the error
        # of weak ones.
        kept = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device) - dropped
    regular = kept @ S @ kept + dropped
    lower, info = torch.linalg.cholesky_ex((regular + regular.mT) / 2)
    whitener = torch.linalg.solve_triangular(lower, torch.eye(S.shape[-1], dtype=S.dtype, device=S.device), upper=False)
    mixing = Mixing(kept @ matrix, mixed @ kept, dropped, (s > DEPENDENT).to(S.dtype).sum(-1))
    factor = Factor(whitener, (info == 0).all(), mixing)
    return cross @ kept, factor, values[..., 0] / largest.squeeze(-1)
