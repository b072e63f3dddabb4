"""The rows G of a linear constraint, as operators: G u, G^T y, and the few columns of G^T themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian.shapes import broadcast


class Rows(Protocol):
    """What conditioning asks of G, with m rows and n columns. Leading axes `...` are batches and broadcast."""

    @property
    def m(self) -> int: ...

    @property
    def n(self) -> int: ...

    def matvec(self, u: Tensor) -> Tensor:
        """G u, `(..., n)` to `(..., m)`."""

    def rmatvec(self, y: Tensor) -> Tensor:
        """G^T y, `(..., m)` to `(..., n)`."""

    def transposed(self) -> Tensor:
        """G^T, shape `(n, m)` or `(..., n, m)`."""

    def sound(self) -> Tensor | None:
        """Whether this is what it says (a grid rises), 0-d bool; None where there is nothing to ask.

        Operators with batches also have these as `batch`, a shape, and those that may be unsound a `complaint`.
        """


class _Always:
    """Operators that are what they say whatever their numbers are."""

    def sound(self) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Matrix(_Always):
    """Any few rows. `rows`: shape `(m, n)` or `(..., m, n)`."""

    rows: Tensor

    @property
    def batch(self) -> tuple[int, ...]:
        return tuple(self.rows.shape[:-2])

    @property
    def m(self) -> int:
        return self.rows.shape[-2]

    @property
    def n(self) -> int:
        return self.rows.shape[-1]

    def matvec(self, u: Tensor) -> Tensor:
        if self.rows.dim() == 2:
            return u @ self.rows.mT
        return (self.rows @ u.unsqueeze(-1)).squeeze(-1)

    def rmatvec(self, y: Tensor) -> Tensor:
        if self.rows.dim() == 2:
            return y @ self.rows
        return (self.rows.mT @ y.unsqueeze(-1)).squeeze(-1)

    def transposed(self) -> Tensor:
        return self.rows.mT


@dataclass(frozen=True)
class Quadrature:
    """One row: an integral.

    Args:
        weights: shape `(n,)` or `(..., n)`.
        rising: whether the grid rises, 0-d bool, or None where that is not asked.
    """

    weights: Tensor
    rising: Tensor | None = None

    m = 1
    complaint = "the constraint's grid does not rise from each point to the next; sort it"

    @property
    def batch(self) -> tuple[int, ...]:
        return tuple(self.weights.shape[:-1])

    @property
    def n(self) -> int:
        return self.weights.shape[-1]

    def matvec(self, u: Tensor) -> Tensor:
        if self.weights.dim() == 1:
            return (u @ self.weights).unsqueeze(-1)
        return (u * self.weights).sum(-1, keepdim=True)

    def rmatvec(self, y: Tensor) -> Tensor:
        return y * self.weights

    def transposed(self) -> Tensor:
        return self.weights.unsqueeze(-1)

    def sound(self) -> Tensor | None:
        return self.rising


@dataclass(frozen=True)
class Points:
    """Values at some of n points, such as those of a boundary.

    Args:
        index: from 0 to n - 1, shape `(m,)`, int64.
        n: how many points there are.
        dtype: of the rows as numbers.
        valid: whether the index was in range before it was brought there, 0-d bool, or None where that is not asked.
    """

    index: Tensor
    n: int
    dtype: torch.dtype = torch.float64
    valid: Tensor | None = None

    @property
    def complaint(self) -> str:
        return f"the constraint's `index` must name points from 0 to {self.n - 1}; some are outside"

    def sound(self) -> Tensor | None:
        return self.valid

    @property
    def m(self) -> int:
        return self.index.shape[0]

    def matvec(self, u: Tensor) -> Tensor:
        return u.index_select(-1, self.index)

    def rmatvec(self, y: Tensor) -> Tensor:
        return y.new_zeros(*y.shape[:-1], self.n).index_add(-1, self.index, y)

    def transposed(self) -> Tensor:
        return _transposed(self, self.index.device, self.dtype)


@dataclass(frozen=True)
class Stencil(_Always):
    """Row i has `coefficients` at columns i .. i + k - 1; m = n - k + 1. `coefficients`: shape `(k,)`."""

    coefficients: Tensor
    n: int

    @property
    def m(self) -> int:
        return self.n - self.coefficients.shape[0] + 1

    def matvec(self, u: Tensor) -> Tensor:
        return u.unfold(-1, self.coefficients.shape[0], 1) @ self.coefficients

    def rmatvec(self, y: Tensor) -> Tensor:
        k = self.coefficients.shape[0]
        return pad(y, (k - 1, k - 1)).unfold(-1, k, 1) @ self.coefficients.flip(0)

    def transposed(self) -> Tensor:
        return _transposed(self, self.coefficients.device, self.coefficients.dtype)


@dataclass(frozen=True)
class Divergence(_Always):
    """Outflow of each cell of a plane staggered grid, per area.

    u holds the velocities through the `(nx + 1) ny` faces across x, then through the `nx (ny + 1)` faces across y; row
    (i, j) is (ux[i+1, j] - ux[i, j]) / dx + (uy[i, j+1] - uy[i, j]) / dy.
    """

    nx: int
    ny: int
    spacing: Tensor
    """(dx, dy), shape `(2,)`"""

    @property
    def m(self) -> int:
        return self.nx * self.ny

    @property
    def n(self) -> int:
        return (self.nx + 1) * self.ny + self.nx * (self.ny + 1)

    def matvec(self, u: Tensor) -> Tensor:
        split = (self.nx + 1) * self.ny
        across_x = u[..., :split].unflatten(-1, (self.nx + 1, self.ny))
        across_y = u[..., split:].unflatten(-1, (self.nx, self.ny + 1))
        found: Tensor = (across_x.diff(dim=-2) / self.spacing[0] + across_y.diff(dim=-1) / self.spacing[1]).flatten(-2)
        return found

    def rmatvec(self, y: Tensor) -> Tensor:
        y = y.unflatten(-1, (self.nx, self.ny))
        across_x = -pad(y, (0, 0, 1, 1)).diff(dim=-2) / self.spacing[0]
        across_y = -pad(y, (1, 1)).diff(dim=-1) / self.spacing[1]
        return torch.cat([across_x.flatten(-2), across_y.flatten(-2)], -1)

    def transposed(self) -> Tensor:
        return _transposed(self, self.spacing.device, self.spacing.dtype)


@dataclass(frozen=True)
class Sparse(_Always):
    """Rows by their entries: `values[k]` stands in row `row[k]`, column `column[k]`. All of shape `(entries,)`."""

    row: Tensor
    column: Tensor
    values: Tensor
    m: int
    n: int

    def matvec(self, u: Tensor) -> Tensor:
        return self._gather(u, self.column, self.row, self.m)

    def rmatvec(self, y: Tensor) -> Tensor:
        return self._gather(y, self.row, self.column, self.n)

    def _gather(self, u: Tensor, source: Tensor, goal: Tensor, size: int) -> Tensor:
        parts = u.index_select(-1, source) * self.values
        return u.new_zeros(*u.shape[:-1], size).index_add(-1, goal, parts)

    def transposed(self) -> Tensor:
        flat = self.values.new_zeros(self.n * self.m).index_add(0, self.column * self.m + self.row, self.values)
        found: Tensor = flat.unflatten(0, (self.n, self.m))
        return found


@dataclass(frozen=True)
class Stack:
    """Rows under each other."""

    parts: Sequence[Rows]

    @property
    def batch(self) -> tuple[int, ...]:
        return broadcast(*(batch_of(part) for part in self.parts))

    @property
    def complaint(self) -> str:
        """That of the first part which is not sound; reads from the device."""
        unsound = (part for part in self.parts if (flag := part.sound()) is not None and not bool(flag))
        return complaint_of(next(unsound))

    @property
    def m(self) -> int:
        return sum(part.m for part in self.parts)

    @property
    def n(self) -> int:
        return self.parts[0].n

    def matvec(self, u: Tensor) -> Tensor:
        return _joined([part.matvec(u) for part in self.parts])

    def rmatvec(self, y: Tensor) -> Tensor:
        pieces = y.split([part.m for part in self.parts], -1)
        found = [part.rmatvec(piece) for part, piece in zip(self.parts, pieces, strict=True)]
        return torch.stack(torch.broadcast_tensors(*found)).sum(0)

    def transposed(self) -> Tensor:
        return _joined([part.transposed() for part in self.parts], keep=2)

    def sound(self) -> Tensor | None:
        known = [flag for part in self.parts if (flag := part.sound()) is not None]
        return torch.stack(known).all() if known else None


def batch_of(rows: Rows) -> tuple[int, ...]:
    """Batch axes of the rows, `()` where they are the same throughout."""
    found: tuple[int, ...] = getattr(rows, "batch", ())
    return found


def complaint_of(rows: Rows) -> str:
    """What to say of rows that are not sound."""
    found: str = getattr(rows, "complaint", "the constraint's rows are not sound")
    return found


def _joined(parts: Sequence[Tensor], keep: int = 1) -> Tensor:
    """Concatenated along the last axis; all axes but the last `keep` broadcast."""
    batch = broadcast(*(part.shape[:-keep] for part in parts))
    return torch.cat([part.expand(*batch, *part.shape[-keep:]) for part in parts], -1)


def _transposed(rows: Rows, device: torch.device, dtype: torch.dtype) -> Tensor:
    """G^T by applying it to the columns of the unit matrix."""
    return rows.rmatvec(torch.eye(rows.m, device=device, dtype=dtype)).mT


def sparse(matrix: object, device: torch.device) -> Sparse:
    """Entries of a sparse matrix of torch (any layout) or scipy, in float64 on the device.

    Raises:
        InvalidInput: for anything else.
    """
    if isinstance(matrix, Tensor) and matrix.layout != torch.strided:
        entries = matrix.to_sparse_coo().coalesce()
        (row, column), values, (m, n) = entries.indices(), entries.values(), entries.shape
    elif hasattr(matrix, "tocoo"):
        found = matrix.tocoo()
        row, column = (torch.as_tensor(index, dtype=torch.int64) for index in (found.row, found.col))
        values, (m, n) = torch.as_tensor(found.data), found.shape
    else:
        kind = type(matrix).__name__
        raise InvalidInput(f"expected a sparse matrix of torch or scipy, got {kind}; use `dense` for others")
    return Sparse(row.to(device), column.to(device), values.to(device).double(), m, n)
