"""Covariance matrices by what is known of their form. Conditioning only multiplies with them, so none is ever inverted.

Leading axes `...` are batches (fields, times) and broadcast against those of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import Gaussian
from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian.protocol import Covariance, given, magnitude, others, root_times
from heatbath.solvers.gaussian.root import symmetric_root
from heatbath.solvers.gaussian.shapes import fitting, seeded, stacked, tensor

LOG_2PI = math.log(2 * math.pi)
ROUND_OFF = 1e-14
"""A matrix is singular where less than this part of a point's variance is its own."""


@dataclass(frozen=True)
class Diagonal:
    """Sigma = diag(d), the law of a model that gives a variance at each point. `d`: shape `(..., n)`."""

    d: Tensor

    def __post_init__(self) -> None:
        tensor("the variances of `Diagonal`", self.d, "(..., n)", 1)

    @property
    def n(self) -> int:
        return self.d.shape[-1]

    def double(self) -> Diagonal:
        return Diagonal(self.d.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.d.unsqueeze(-1) * vectors

    def root_times(self, vectors: Tensor) -> Tensor:
        return self.d.sqrt().unsqueeze(-1) * vectors

    def others(self) -> tuple[Tensor, ...]:
        return ()

    def variance(self) -> Tensor:
        return self.d

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        return self.d.sqrt() * _normal(shape, self.d, generator)

    def log_prob(self, deviation: Tensor) -> Tensor:
        """Points without variance are known, and add nothing."""
        random = self.d != 0
        d = torch.where(random, self.d, 1.0)
        found: Tensor = -0.5 * torch.where(random, deviation.square() / d + d.log() + LOG_2PI, 0.0).sum(-1)
        return found


@dataclass(frozen=True)
class DiagonalPlusLowRank:
    """Sigma = diag(d) + F F^T: noise at each point and a few directions in which points move together.

    Args:
        d: at least 0, shape `(..., n)`.
        factor: F, shape `(..., n, k)`.

    Raises:
        InvalidInput: for shapes that do not fit.
    """

    d: Tensor
    factor: Tensor

    def __post_init__(self) -> None:
        tensor("`d` of `DiagonalPlusLowRank`", self.d, "(..., n)", 1)
        tensor("`factor` of `DiagonalPlusLowRank`", self.factor, "(..., n, k)", 2)
        if self.factor.shape[-2] != self.d.shape[-1]:
            raise InvalidInput(
                f"`factor` of `DiagonalPlusLowRank` must have shape (..., n, k) with the n = {self.n} of `d`, "
                f"got {tuple(self.factor.shape)}; directions are columns"
            )
        fitting(d=self.d.shape[:-1], factor=self.factor.shape[:-2])

    @property
    def n(self) -> int:
        return self.d.shape[-1]

    def double(self) -> DiagonalPlusLowRank:
        return DiagonalPlusLowRank(self.d.double(), self.factor.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.d.unsqueeze(-1) * vectors + self.factor @ (self.factor.mT @ vectors)

    def root_times(self, vectors: Tensor) -> Tensor:
        return stacked(self.d.sqrt().unsqueeze(-1) * vectors, self.factor.mT @ vectors)

    def variance(self) -> Tensor:
        return self.d + self.factor.square().sum(-1)

    def given(self) -> Tensor:
        return self.d

    def others(self) -> tuple[Tensor, ...]:
        return (self.factor,)

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        own = self.d.sqrt() * _normal(shape, self.d, generator)
        common = _normal((*shape[:-1], self.factor.shape[-1], 1), self.d, generator)
        return own + (self.factor @ common).squeeze(-1)

    def log_prob(self, deviation: Tensor) -> Tensor:
        """By the Woodbury identity; where d is 0, F must be 0 too."""
        known = (self.d == 0) & (self.factor == 0).all(-1)
        scaled = self.factor / torch.where(known, 1.0, self.d).unsqueeze(-1)
        inner = self.factor.mT @ scaled + torch.eye(self.factor.shape[-1], dtype=self.d.dtype, device=self.d.device)
        lower = torch.linalg.cholesky_ex(inner)[0]
        seen = torch.linalg.solve_triangular(lower, scaled.mT @ deviation.unsqueeze(-1), upper=False).squeeze(-1)
        explained = 0.5 * seen.square().sum(-1) - lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found: Tensor = Diagonal(self.d).log_prob(deviation) + explained
        return found


@dataclass(frozen=True)
class Dense:
    """Any covariance. `matrix`: symmetric, positive semidefinite, shape `(..., n, n)`.

    Neither is looked for beyond what a constraint's rows see of it. Draws go through the symmetric root, n^3
    operations.

    Raises:
        InvalidInput: for a matrix that is not square.
    """

    matrix: Tensor

    def __post_init__(self) -> None:
        tensor("the matrix of `Dense`", self.matrix, "(..., n, n)", 2)
        if self.matrix.shape[-1] != self.matrix.shape[-2]:
            raise InvalidInput(
                f"the matrix of `Dense` must be square, shape (..., n, n), got {tuple(self.matrix.shape)}; "
                "variances of independent points go into `Diagonal`"
            )

    @property
    def n(self) -> int:
        return self.matrix.shape[-1]

    def double(self) -> Dense:
        return Dense(self.matrix.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.matrix @ vectors

    def variance(self) -> Tensor:
        return self.matrix.diagonal(dim1=-2, dim2=-1)

    def others(self) -> tuple[Tensor, ...]:
        return (self.matrix,)

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        noise = _normal(shape, self.matrix, generator).unsqueeze(-1)
        found: Tensor = (symmetric_root(self.matrix) @ noise).squeeze(-1)
        return found

    def log_prob(self, deviation: Tensor) -> Tensor:
        """Points whose row is 0 are known, and add nothing; NaN where the matrix is singular beyond that."""
        variance = self.variance()
        random = variance != 0
        lower, info = torch.linalg.cholesky_ex(self.matrix + torch.diag_embed((~random).to(self.matrix.dtype)))
        white = torch.linalg.solve_triangular(lower, (deviation * random).unsqueeze(-1), upper=False).squeeze(-1)
        pivots = lower.diagonal(dim1=-2, dim2=-1)
        regular = (info == 0) & (pivots.square() > ROUND_OFF * variance).all(-1)
        size = random.to(variance.dtype).sum(-1) * LOG_2PI
        found: Tensor = -0.5 * (white.square().sum(-1) + 2 * pivots.log().sum(-1) + size)
        return torch.where(regular, found, torch.nan)


@dataclass(frozen=True)
class BlockDiagonal:
    """Independent blocks, such as the times of a field that is flattened to `(..., times * points)`.

    For constraints that bind times together (a total over time). One that holds time by time is cheaper with the times
    in the batch.

    Args:
        blocks: a covariance over the points of one time, its last batch axis the times: `(..., times, points)`.

    Raises:
        InvalidInput: for blocks without an axis of times.
    """

    blocks: Covariance

    def __post_init__(self) -> None:
        if isinstance(self.blocks, Tensor) or not hasattr(self.blocks, "variance"):
            raise InvalidInput(
                f"`blocks` must be a covariance such as `Diagonal` or `Dense`, got {type(self.blocks).__name__}"
            )
        found = tuple(self.blocks.variance().shape)
        if len(found) < 2:
            raise InvalidInput(
                f"`blocks` must have an axis of times, variances of shape (..., times, points), got {found}; "
                "one block alone needs no `BlockDiagonal`"
            )

    @property
    def count(self) -> int:
        """How many blocks."""
        return self.blocks.variance().shape[-2]

    @property
    def n(self) -> int:
        return self.count * self.blocks.n

    def double(self) -> BlockDiagonal:
        return BlockDiagonal(self.blocks.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.blocks.times(vectors.unflatten(-2, (self.count, self.blocks.n))).flatten(-3, -2)

    def root_times(self, vectors: Tensor) -> Tensor:
        return root_times(self.blocks, vectors.unflatten(-2, (self.count, self.blocks.n))).flatten(-3, -2)

    def variance(self) -> Tensor:
        return self.blocks.variance().flatten(-2)

    def magnitude(self) -> Tensor:
        return magnitude(self.blocks).flatten(-2)

    def given(self) -> Tensor:
        return given(self.blocks).flatten(-2)

    def others(self) -> tuple[Tensor, ...]:
        return others(self.blocks, self.blocks.variance())

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        return self.blocks.draw((*shape[:-1], self.count, self.blocks.n), generator).flatten(-2)

    def log_prob(self, deviation: Tensor) -> Tensor:
        return self.blocks.log_prob(deviation.unflatten(-1, (self.count, self.blocks.n))).sum(-1)


@dataclass(frozen=True)
class Operator:
    """Anything with `matmul` and `diagonal`, such as a `linear_operator.LinearOperator` of gpytorch.

    Conditioning needs its products only. Draws also need `root_decomposition`, and densities `inv_quad_logdet`, both of
    which linear_operator has; those are as exact as its own Cholesky factors, whose jitter does not touch the
    constraint.
    """

    operator: Any

    def __post_init__(self) -> None:
        lacking = [name for name in ("matmul", "diagonal", "shape", "double") if not hasattr(self.operator, name)]
        if lacking:
            kind = type(self.operator).__name__
            raise InvalidInput(f"`Operator` takes what has matmul, diagonal, shape and double; {kind} lacks {lacking}")
        if isinstance(self.operator, Tensor):
            raise InvalidInput("`Operator` takes an operator, got a tensor; a matrix goes into `Dense`")

    @property
    def n(self) -> int:
        return int(self.operator.shape[-1])

    def double(self) -> Operator:
        return Operator(self.operator.double())

    def times(self, vectors: Tensor) -> Tensor:
        product: Tensor = self.operator.matmul(vectors)
        return product

    def variance(self) -> Tensor:
        found: Tensor = self.operator.diagonal(dim1=-2, dim2=-1)
        return found

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        root = self.operator.root_decomposition().root.to_dense()
        noise = _normal((*shape[:-1], root.shape[-1], 1), root, generator)
        drawn: Tensor = (root @ noise).squeeze(-1)
        return drawn

    def log_prob(self, deviation: Tensor) -> Tensor:
        quadratic, log_det = self.operator.inv_quad_logdet(deviation.unsqueeze(-1), logdet=True)
        found: Tensor = -0.5 * (quadratic + log_det + self.n * LOG_2PI)
        return found


@dataclass(frozen=True)
class Downdated:
    """Sigma - W W^T, what is left of a covariance after observations. `factor`: W, shape `(..., n, m)`.

    Draws go through the whole matrix: where they are wanted, keep the `ConditionedGaussian`, which draws in linear
    time.
    """

    base: Covariance
    factor: Tensor

    def __post_init__(self) -> None:
        tensor("`factor` of `Downdated`", self.factor, "(..., n, m)", 2)
        if self.factor.shape[-2] != self.base.n:
            raise InvalidInput(
                f"`factor` of `Downdated` must have shape (..., n, m) with the n = {self.base.n} of `base`, "
                f"got {tuple(self.factor.shape)}"
            )

    @property
    def n(self) -> int:
        return self.base.n

    def double(self) -> Downdated:
        return Downdated(self.base.double(), self.factor.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.base.times(vectors) - self.factor @ (self.factor.mT @ vectors)

    def variance(self) -> Tensor:
        return (self.base.variance() - self.factor.square().sum(-1)).clamp_min(0.0)

    def magnitude(self) -> Tensor:
        return magnitude(self.base)

    def given(self) -> Tensor:
        return given(self.base)

    def others(self) -> tuple[Tensor, ...]:
        return (*others(self.base, self.base.variance()), self.factor)

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        return Dense(dense(self)).draw(shape, generator)

    def log_prob(self, deviation: Tensor) -> Tensor:
        raise InvalidInput(
            "a law that was conditioned has no density on the whole space; stack the constraints and condition once"
        )


def of_gaussian(belief: Gaussian) -> Covariance:
    """The covariance of a `Gaussian` of the contracts.

    >>> of_gaussian(Gaussian(torch.zeros(3), torch.ones(3))).variance().tolist()
    [1.0, 1.0, 1.0]
    """
    plain: Covariance = Diagonal(belief.variance)
    if belief.spread is not None:
        plain = DiagonalPlusLowRank(belief.variance, belief.spread)
    return plain if belief.factor is None else Downdated(plain, belief.factor)


def dense(covariance: Covariance) -> Tensor:
    """Sigma as a matrix, shape `(..., n, n)`: n^2 numbers a field, for tests and small fields."""
    like = covariance.variance()
    unit = torch.eye(covariance.n, dtype=like.dtype, device=like.device)
    return covariance.times(unit.expand(*like.shape[:-1], *unit.shape))


def _normal(shape: Sequence[int], like: Tensor, generator: Generator) -> Tensor:
    seeded(generator)
    return torch.randn(tuple(shape), dtype=like.dtype, device=like.device, generator=generator)
