"""What conditioning asks of a covariance, and what it uses where a covariance has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Generator, Tensor


class Covariance(Protocol):
    """What conditioning asks of Sigma, n by n.

    Four methods more are used where a class has them: `root_times(vectors)`, A^T V for a root A A^T = Sigma, shape
    `(..., k, m)`, and `magnitude()`, the variances that round-off is measured by, where `variance()` is a difference;
    `given()`, the numbers that must not be negative, where they are not `variance()`; `others()`, a tuple of
    all other numbers that it was made of, which must be finite.
    """

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
        """log N(deviation; 0, Sigma), `(..., n)` to `(...)`; nats. NaN where a singular Sigma has no density."""


def root_times(covariance: Covariance, vectors: Tensor) -> Tensor:
    """A^T V with A A^T = Sigma where a covariance knows a root of it, else with that of its diagonal."""
    known = getattr(covariance, "root_times", None)
    if known is None:
        return magnitude(covariance).sqrt().unsqueeze(-1) * vectors
    found: Tensor = known(vectors)
    return found


def magnitude(covariance: Covariance) -> Tensor:
    """Variances that the round-off of `covariance` is measured by, shape `(..., n)`."""
    found: Tensor = getattr(covariance, "magnitude", covariance.variance)()
    return found


def given(covariance: Covariance) -> Tensor:
    """The numbers of `covariance` that must not be negative."""
    found: Tensor = getattr(covariance, "given", covariance.variance)()
    return found


def others(covariance: Covariance, cross: Tensor) -> tuple[Tensor, ...]:
    """The numbers of `covariance` beside `given`; Sigma G^T, `cross`, stands for one that does not tell."""
    known = getattr(covariance, "others", None)
    found: tuple[Tensor, ...] = (cross,) if known is None else known()
    return found
