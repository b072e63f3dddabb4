"""A code T of a source X, and what it tells about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from heatbath.solvers.coupling.joint import Indices
from heatbath.solvers.coupling.marginals import CouplingError, Masses, entropy, entropy_rows, marginal


@dataclass(frozen=True, eq=False)
class Code:
    """p(t | x) for a source p(x), by labels where it is deterministic.

    Args:
        source: p(x), shape `(n,)`.
        labels: the code of every symbol, shape `(n,)`, int64, for a map; else None.
        channel: p(t | x), shape `(n, codes)`, for a stochastic code; else None.

    >>> code = Code.of([0, 0, 1], [0.5, 0.25, 0.25])
    >>> code.masses.tolist(), round(code.entropy, 6), code.information == code.entropy
    ([0.75, 0.25], 0.811278, True)
    """

    source: Masses
    labels: Indices | None = None
    channel: Masses | None = None

    @classmethod
    def of(cls, answer: ArrayLike, source: ArrayLike) -> Code:
        """What an encoder answered about a source: labels, shape `(n,)`, or p(t | x), shape `(n, codes)`.

        Raises:
            CouplingError: when it is neither.
        """
        p, given = marginal(source, "the source"), np.asarray(answer)
        if given.shape == p.shape and np.issubdtype(given.dtype, np.integer):
            if given.min() < 0:
                raise CouplingError(f"an encoder's labels count from 0, got {given.min()}")
            return cls(p, labels=given.astype(np.int64, copy=False))
        if given.ndim != 2 or len(given) != len(p):
            raise CouplingError(
                f"an encoder of {len(p)} symbols answers with as many integer labels or with p(t | x), "
                f"shape ({len(p)}, codes); got {given.dtype} of shape {given.shape}"
            )
        channel = given.astype(np.float64, copy=False)
        if not (channel.min() >= 0.0 and np.abs(channel.sum(1) - 1.0).max() <= 1e-9):
            raise CouplingError("an encoder's p(t | x) must be of at least 0 and have rows that sum to 1")
        return cls(p, channel=channel)

    @cached_property
    def masses(self) -> Masses:
        """p(t), shape `(codes,)`."""
        if self.labels is not None:
            masses: Masses = np.bincount(self.labels, weights=self.source).astype(np.float64, copy=False)
            return masses
        assert self.channel is not None
        return np.asarray(self.source @ self.channel)

    @cached_property
    def entropy(self) -> float:
        """H(T) in bits."""
        return entropy(self.masses)

    @cached_property
    def information(self) -> float:
        """I(X; T) = H(T) - H(T | X), in bits."""
        if self.channel is None:
            return self.entropy
        return max(self.entropy - float(self.source @ entropy_rows(self.channel)), 0.0)

    def through(self, joint: Masses) -> Masses:
        """p(x, y) = sum_t p(t | x) p(x) p(t, y) / p(t), of a joint law p(t, y), shape `(codes, m)`: shape `(n, m)`."""
        if self.labels is not None:
            return np.asarray(_share(self.source, self.masses[self.labels])[:, None] * joint[self.labels])
        assert self.channel is not None
        return np.asarray(_share(self.source[:, None] * self.channel, self.masses) @ joint)


def _share(part: Masses, whole: Masses) -> Masses:
    """part / whole, 0 where the whole is 0; exactly 1 for a symbol that is a code of its own."""
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
