"""What is known about a field: some linear functionals of it, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import quadrature
from heatbath.solvers.gaussian import rows as operators
from heatbath.solvers.gaussian.covariance import Dense, Diagonal
from heatbath.solvers.gaussian.precision import float64
from heatbath.solvers.gaussian.protocol import Covariance
from heatbath.solvers.gaussian.rows import batch_of
from heatbath.solvers.gaussian.shapes import broadcast, fitting, tensor

Noise: TypeAlias = "float | Tensor | Covariance"


@dataclass(frozen=True)
class LinearConstraint:
    """b = G u + e, e ~ N(0, noise); without noise G u = b holds exactly.

    Made by the class methods. Everything is held in float64, on the device of what it was made of; all that has a
    gradient keeps it.

    Attributes:
        rows: G, m by n, as an operator.
        rhs: b, shape `(..., m)`.
        noise: covariance of e, or None for the hard limit.

    >>> both = LinearConstraint.stack(
    ...     LinearConstraint.quadrature(torch.arange(5.0), mass=8.0),
    ...     LinearConstraint.points([0, 4], torch.tensor([4.0, 0.0]), n=5),
    ... )
    >>> both.shape, both.residual(torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0])).tolist()
    ((3, 5), [0.0, 0.0, 0.0])
    """

    rows: operators.Rows
    rhs: Tensor
    noise: Covariance | None = None

    def __post_init__(self) -> None:
        tensor("`rhs`", self.rhs, f"(..., {self.rows.m})", 0)
        if self.rhs.dim() == 0 or self.rhs.shape[-1] not in (1, self.rows.m):
            raise InvalidInput(f"`rhs` must have shape (..., {self.rows.m}), one value a row, got {_shape(self.rhs)}")
        if self.noise is not None and self.noise.n != self.rows.m:
            raise InvalidInput(f"`noise` must be of {self.rows.m} rows, got {self.noise.n}")
        self.batch  # noqa: B018 - raises where they do not fit

    @property
    def batch(self) -> tuple[int, ...]:
        """Batch axes of rows, right-hand side and noise together."""
        noise = () if self.noise is None else self.noise.variance().shape[:-1]
        return fitting(rows=batch_of(self.rows), rhs=self.rhs.shape[:-1], noise=noise)

    @classmethod
    def quadrature(
        cls, x: Tensor | Sequence[Tensor], mass: Tensor | float, rule: str = "trapezoid", noise: Noise = 0.0
    ) -> LinearConstraint:
        """The integral of a field, slice by slice: one row, with the batch (fields, times) in the leading axes.

        Args:
            x: a grid that rises, shape `(n,)` or `(..., n)`; or two grids `(x, y)` for fields on their product, whose
                last axis runs over the points with y fastest (`field.flatten(-2)`). For the rule `cells` the edges.
            mass: the integral, shape `(...)`.
            rule: `trapezoid`, `left`, `right`, `simpson` or `cells` (averages over finite volumes).
            noise: variance of the known mass, a number or of shape `(...)`.

        Raises:
            InvalidInput: for an unknown rule or a grid that is too short. A grid that does not rise is found by
                `condition`.
        """
        given: list[Any] = list(x) if isinstance(x, list | tuple) else [x]
        if not given:
            raise InvalidInput("`x` must be a grid or a pair of grids, got none")
        for grid in given:
            tensor("the grid", grid, "(..., n)", 1)
        grids = [float64(grid) for grid in given]
        fitting(**{f"grid {k}": grid.shape[:-1] for k, grid in enumerate(grids)})
        weights = quadrature.weights(rule, grids[0])
        for grid in grids[1:]:
            weights = (weights.unsqueeze(-1) * quadrature.weights(rule, grid).unsqueeze(-2)).flatten(-2)
        rising = torch.stack([(grid.diff() > 0).all() for grid in grids]).all()
        return cls.weighted(weights, mass, noise, rising)

    @classmethod
    def weighted(
        cls, weights: Tensor, mass: Tensor | float, noise: Noise = 0.0, rising: Tensor | None = None
    ) -> LinearConstraint:
        """w . u = mass, for weights of one's own, shape `(n,)` or `(..., n)`; mass and noise as for `quadrature`."""
        tensor("`weights`", weights, "(..., n)", 1)
        weights = float64(weights)
        rhs = float64(mass, weights).unsqueeze(-1)
        noise = noise.unsqueeze(-1) if isinstance(noise, Tensor) and noise.dim() > 0 else noise
        return cls(operators.Quadrature(weights, rising), rhs, _noise(noise, 1, rhs))

    @classmethod
    def dense(cls, matrix: Tensor, rhs: Tensor, noise: Noise = 0.0) -> LinearConstraint:
        """Any rows, shape `(m, n)` or `(..., m, n)`; `rhs` of shape `(..., m)`; `noise` a number, variances or a law.

        Raises:
            InvalidInput: for shapes that do not fit.
        """
        tensor("`matrix`", matrix, "(..., m, n)", 2)
        return cls._of(operators.Matrix(float64(matrix)), rhs, noise, matrix)

    @classmethod
    def sparse(cls, matrix: Any, rhs: Tensor, noise: Noise = 0.0) -> LinearConstraint:
        """Rows of a sparse matrix of torch or scipy, `(m, n)`, moved to where `rhs` is. Raises as `dense` does."""
        tensor("`rhs`", rhs, "(..., m)", 0)
        made = operators.sparse(matrix, rhs.device)
        return cls._of(made, rhs, noise, made.values)

    @classmethod
    def stencil(cls, coefficients: Tensor, n: int, rhs: Tensor | float = 0.0, noise: Noise = 0.0) -> LinearConstraint:
        """The same `k` coefficients at each k neighbours of n points, m = n - k + 1 rows. Raises as `dense` does."""
        tensor("`coefficients`", coefficients, "(k,)", 0)
        coefficients = float64(coefficients)
        if coefficients.dim() != 1 or not 0 < coefficients.shape[0] <= n:
            raise InvalidInput(
                f"`coefficients` must have shape (k,) with k of 1 to {n} points, got {_shape(coefficients)}"
            )
        return cls._of(operators.Stencil(coefficients, n), rhs, noise, coefficients)

    @classmethod
    def second_difference(cls, n: int, noise: Noise = 0.0, like: Tensor | None = None) -> LinearConstraint:
        """u_{i-1} - 2 u_i + u_{i+1} = 0 at the n - 2 inner points: no curvature. `like` says on which device."""
        device = None if like is None else like.device
        # Made of numbers on the device: a copy from the host would be waited for.
        ones = torch.ones(3, dtype=torch.float64, device=device)
        coefficients = ones - 3 * (torch.arange(3, device=device) == 1)
        return cls.stencil(coefficients, n, noise=noise)

    @classmethod
    def divergence(
        cls, cells: tuple[int, int], spacing: Tensor, rhs: Tensor | float = 0.0, noise: Noise = 0.0
    ) -> LinearConstraint:
        """What flows out of each of `(nx, ny)` cells of a staggered grid with spacings `(dx, dy)`; see `Divergence`."""
        if len(cells) != 2 or min(cells) < 1:
            raise InvalidInput(f"`cells` must be (nx, ny), both at least 1, got {cells}")
        tensor("`spacing`", spacing, "(2,)", 0)
        if _shape(spacing) != (2,):
            raise InvalidInput(f"`spacing` must have shape (2,), dx and dy, got {_shape(spacing)}")
        return cls._of(operators.Divergence(*cells, float64(spacing)), rhs, noise, spacing)

    @classmethod
    def points(
        cls, index: Tensor | Sequence[int], values: Tensor | float, n: int, noise: Noise = 0.0
    ) -> LinearConstraint:
        """u = values at some of n points, such as a boundary. `index`: shape `(m,)`; `values`: `(..., m)`.

        Raises:
            InvalidInput: for an index that is no list of integers, or outside of -n .. n - 1. One on an accelerator is
                not read here: `condition` finds it.
        """
        if not isinstance(n, int) or n < 1:
            raise InvalidInput(f"`n`, the number of points, must be at least 1, got {n}")
        on_device = isinstance(index, Tensor) and index.device.type != "cpu"
        if not on_device:
            listed = index.tolist() if isinstance(index, Tensor) else list(index)
            if not isinstance(listed, list) or not listed or not all(isinstance(i, int) for i in listed):
                raise InvalidInput(f"`index` must be a list of integers, one a row, got {listed}")
            if not all(-n <= i < n for i in listed):
                raise InvalidInput(f"`index` must name points from 0 to {n - 1}, got {listed}")
            device = values.device if isinstance(values, Tensor) else None
            made = operators.Points(torch.tensor([i % n for i in listed], device=device), n)
        else:
            given = index if isinstance(index, Tensor) else torch.tensor(index)
            if given.dim() != 1 or given.is_floating_point() or given.dtype == torch.bool:
                raise InvalidInput(f"`index` must be integers of shape (m,), got {given.dtype} of {_shape(given)}")
            within = torch.where(given < 0, given + n, given).clamp(0, n - 1)
            made = operators.Points(within, n, valid=((given >= -n) & (given < n)).all())
        return cls._of(made, values, noise, values if isinstance(values, Tensor) else made.index)

    @classmethod
    def stack(cls, *parts: LinearConstraint) -> LinearConstraint:
        """All of several constraints on the same field, together.

        Raises:
            InvalidInput: when they are on different numbers of points, their batch axes do not fit, or there is none.
        """
        for part in parts:
            if not isinstance(part, LinearConstraint):
                raise InvalidInput(f"`stack` takes constraints, got {type(part).__name__}")
        sizes = sorted({part.rows.n for part in parts})
        if len(sizes) != 1:
            raise InvalidInput(f"stacked constraints must be on the same number of points, got {sizes or 'none'}")
        fitting(**{f"part {k}": part.batch for k, part in enumerate(parts)})
        batch = broadcast(*(part.rhs.shape[:-1] for part in parts))
        rhs = torch.cat([part.rhs.expand(*batch, part.rows.m) for part in parts], -1)
        return cls(operators.Stack(parts=[part.rows for part in parts]), rhs, _stacked_noise(parts))

    @classmethod
    def on(cls, made: operators.Rows, rhs: Tensor, noise: Noise | None = 0.0) -> LinearConstraint:
        """Rows that are made already, as `solvers.gaussian.rows` has them. Raises as `dense` does."""
        return cls._of(made, rhs, 0.0 if noise is None else noise, rhs)

    @classmethod
    def _of(cls, made: operators.Rows, rhs: Tensor | float, noise: Noise, like: Tensor) -> LinearConstraint:
        values = float64(rhs, like)
        if values.dim() > 0 and values.shape[-1] not in (1, made.m):
            raise InvalidInput(f"`rhs` must have shape (..., {made.m}), one value a row, got {_shape(values)}")
        return cls(made, values.expand(made.m) if values.dim() == 0 else values, _noise(noise, made.m, like))

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.rows.m, self.rows.n

    def matvec(self, u: Tensor) -> Tensor:
        """G u, `(..., n)` to `(..., m)`."""
        return self.rows.matvec(u)

    def rmatvec(self, y: Tensor) -> Tensor:
        """G^T y, `(..., m)` to `(..., n)`."""
        return self.rows.rmatvec(y)

    def residual(self, u: Tensor) -> Tensor:
        """G u - b, shape `(..., m)`."""
        tensor("the field", u, f"(..., {self.rows.n})", 1)
        if u.shape[-1] != self.rows.n:
            raise InvalidInput(f"the constraint is over {self.rows.n} points, the field over {u.shape[-1]}")
        return self.rows.matvec(u.double()) - self.rhs


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _noise(noise: Noise, m: int, like: Tensor) -> Covariance | None:
    """As a law of m errors; a number that is 0 is no law."""
    if isinstance(noise, int | float):
        if not noise >= 0.0 or noise == float("inf"):
            raise InvalidInput(f"`noise` is a variance, finite and at least 0, got {noise}")
        if noise == 0.0:
            return None
        return Diagonal(float64(noise, like).expand(m))
    if isinstance(noise, Tensor):
        if noise.dim() > 0 and noise.shape[-1] not in (1, m):
            raise InvalidInput(
                f"`noise` must be a variance a row, shape (..., {m}), got {_shape(noise)}; a matrix goes into `Dense`"
            )
        return Diagonal(noise.double().expand(*noise.shape[:-1], m))
    if not hasattr(noise, "variance"):
        raise InvalidInput(f"`noise` must be a number, variances or a covariance, got {type(noise).__name__}")
    return noise.double()


def _stacked_noise(parts: Sequence[LinearConstraint]) -> Covariance | None:
    if all(part.noise is None for part in parts):
        return None
    if all(part.noise is None or isinstance(part.noise, Diagonal) for part in parts):
        variances = [_variances(part) for part in parts]
        batch = broadcast(*(v.shape[:-1] for v in variances))
        return Diagonal(torch.cat([v.expand(*batch, v.shape[-1]) for v in variances], -1))
    blocks = [_matrix(part) for part in parts]
    if any(block.dim() > 2 for block in blocks):
        raise InvalidInput("constraints with a matrix as noise can be stacked where it is the same for the whole batch")
    return Dense(torch.block_diag(*blocks))


def _variances(part: LinearConstraint) -> Tensor:
    if part.noise is None:
        return part.rhs.new_zeros(part.rows.m)
    return part.noise.variance()


def _matrix(part: LinearConstraint) -> Tensor:
    if part.noise is None:
        return part.rhs.new_zeros(part.rows.m, part.rows.m)
    return part.noise.times(torch.eye(part.rows.m, dtype=part.rhs.dtype, device=part.rhs.device))
