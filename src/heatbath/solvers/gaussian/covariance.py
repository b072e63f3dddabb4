"""Covariance matrices by what is known of their form. Conditioning only multiplies with them, so none is ever inverted.

Leading axes `...` are batches (fields, times) and broadcast against those of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import Gaussian
from heatbath.core.errors import InvalidInput

LOG_2PI = math.log(2 * math.pi)


class Covariance(Protocol):
    """What conditioning asks of Sigma, n by n."""

    @property
    def n(self) -> int: ...

    def double(self) -> Covariance:
        """The same in float64."""

    def times(self, vectors: Tensor) -> Tensor:
        """Sigma V, shape `(..., n, m)`, for V of that shape."""

    def variance(self) -> Tensor:
        """diag Sigma, shape `(..., n)`."""

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Independent draws from N(0, Sigma), of `shape`, which ends in n."""

    def log_prob(self, deviation: Tensor) -> Tensor:
        """log N(deviation; 0, Sigma), `(..., n)` to `(...)`; nats."""


@dataclass(frozen=True)
class Diagonal:
    """Sigma = diag(d), the law of a model that gives a variance at each point. `d`: shape `(..., n)`."""

    d: Tensor

    @property
    def n(self) -> int:
        return self.d.shape[-1]

    def double(self) -> Diagonal:
        return Diagonal(self.d.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.d.unsqueeze(-1) * vectors

    def variance(self) -> Tensor:
        return self.d

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        return self.d.sqrt() * _normal(shape, self.d, generator)

    def log_prob(self, deviation: Tensor) -> Tensor:
        return -0.5 * (deviation.square() / self.d + self.d.log() + LOG_2PI).sum(-1)


@dataclass(frozen=True)
class DiagonalPlusLowRank:
    """Sigma = diag(d) + F F^T: noise at each point and a few directions in which points move together.

    Args:
        d: shape `(..., n)`.
        factor: F, shape `(..., n, k)`.
    """

    d: Tensor
    factor: Tensor

    @property
    def n(self) -> int:
        return self.d.shape[-1]

    def double(self) -> DiagonalPlusLowRank:
        return DiagonalPlusLowRank(self.d.double(), self.factor.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.d.unsqueeze(-1) * vectors + self.factor @ (self.factor.mT @ vectors)

    def variance(self) -> Tensor:
        return self.d + self.factor.square().sum(-1)

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        own = self.d.sqrt() * _normal(shape, self.d, generator)
        common = _normal((*shape[:-1], self.factor.shape[-1], 1), self.d, generator)
        return own + (self.factor @ common).squeeze(-1)

    def log_prob(self, deviation: Tensor) -> Tensor:
        """By the Woodbury identity; d must be positive."""
        scaled = self.factor / self.d.unsqueeze(-1)
        inner = self.factor.mT @ scaled + torch.eye(self.factor.shape[-1], dtype=self.d.dtype, device=self.d.device)
        lower = torch.linalg.cholesky_ex(inner)[0]
        seen = torch.linalg.solve_triangular(lower, scaled.mT @ deviation.unsqueeze(-1), upper=False).squeeze(-1)
        explained = 0.5 * seen.square().sum(-1) - lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found: Tensor = Diagonal(self.d).log_prob(deviation) + explained
        return found


@dataclass(frozen=True)
class Dense:
    """Any covariance. `matrix`: symmetric, positive semidefinite, shape `(..., n, n)`; draws have no gradient in it."""

    matrix: Tensor

    @property
    def n(self) -> int:
        return self.matrix.shape[-1]

    def double(self) -> Dense:
        return Dense(self.matrix.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.matrix @ vectors

    def variance(self) -> Tensor:
        return self.matrix.diagonal(dim1=-2, dim2=-1)

    def draw(self, shape: Sequence[int], generator: Generator) -> Tensor:
        values, vectors = torch.linalg.eigh(self.matrix.detach())  # a Cholesky factor of a singular matrix fails
        root = vectors * values.clamp_min(0.0).sqrt().unsqueeze(-2)
        found: Tensor = (root @ _normal(shape, self.matrix, generator).unsqueeze(-1)).squeeze(-1)
        return found

    def log_prob(self, deviation: Tensor) -> Tensor:
        lower = torch.linalg.cholesky_ex(self.matrix)[0]
        white = torch.linalg.solve_triangular(lower, deviation.unsqueeze(-1), upper=False).squeeze(-1)
        log_det = 2 * lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found: Tensor = -0.5 * (white.square().sum(-1) + log_det + self.n * LOG_2PI)
        return found


@dataclass(frozen=True)
class BlockDiagonal:
    """Independent blocks, such as the times of a field that is flattened to `(..., times * points)`.

    For constraints that bind times together (a total over time). One that holds time by time is cheaper with the times
    in the batch.

    Args:
        blocks: a covariance over the points of one time, its last batch axis the times: `(..., times, points)`.
    """

    blocks: Covariance

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

    def variance(self) -> Tensor:
        return self.blocks.variance().flatten(-2)

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

    @property
    def n(self) -> int:
        return self.base.n

    def double(self) -> Downdated:
        return Downdated(self.base.double(), self.factor.double())

    def times(self, vectors: Tensor) -> Tensor:
        return self.base.times(vectors) - self.factor @ (self.factor.mT @ vectors)

    def variance(self) -> Tensor:
        return (self.base.variance() - self.factor.square().sum(-1)).clamp_min(0.0)

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
    return torch.randn(tuple(shape), dtype=like.dtype, device=like.device, generator=generator)
