"""A coupling: a joint law with few atoms, kept as a list of them, and what can be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heatbath.solvers.coupling.lower_bounds import Bounds, bounds
from heatbath.solvers.coupling.marginals import CouplingError, Masses, entropy, marginal

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Coupling:
    """A joint law of two or more variables with given marginals.

    Args:
        indices: which symbol of each marginal an atom joins, shape `(marginals, atoms)`, int64.
        mass: of each atom, shape `(atoms,)`, positive.
        marginals: what was coupled, shapes `(n_k,)`.

    >>> from heatbath.solvers.coupling import greedy_mec
    >>> coupling = greedy_mec([0.5, 0.5], [0.5, 0.25, 0.25])
    >>> coupling.to_dict()
    {(0, 0): 0.5, (1, 1): 0.25, (1, 2): 0.25}
    >>> coupling.mutual_information  # all of H(X)
    1.0
    """

    indices: Indices
    mass: Masses
    marginals: tuple[Masses, ...]

    @classmethod
    def of(cls, joint: ArrayLike) -> Coupling:
        """A joint law given as an array, whose sums are the marginals.

        Raises:
            CouplingError: when it is no law.
        """
        law = np.asarray(joint, dtype=np.float64)
        if law.ndim < 2:
            raise CouplingError(
                f"joint: expected an array with an axis for each of two variables or more, got shape {law.shape}"
            )
        law = marginal(law.ravel(), "joint").reshape(law.shape)
        axes = range(law.ndim)
        marginals = tuple(law.sum(tuple(other for other in axes if other != axis)) for axis in axes)
        indices = np.array(np.nonzero(law), dtype=np.int64)
        return cls(indices, law[tuple(indices)], marginals)

    @classmethod
    def of_answer(cls, answer: Any, marginals: tuple[Masses, ...]) -> Coupling:
        """What a solver of `coupling` answered about these marginals: anything with `indices` and `mass`."""
        return cls(np.asarray(answer.indices, dtype=np.int64), np.asarray(answer.mass, dtype=np.float64), marginals)

    @property
    def rows(self) -> Indices:
        """Symbols of the first marginal, shape `(atoms,)`."""
        first: Indices = self.indices[0]
        return first

    @property
    def cols(self) -> Indices:
        """Symbols of the second marginal, shape `(atoms,)`."""
        second: Indices = self.indices[1]
        return second

    def dense(self) -> Masses:
        """The joint law as an array of shape `(n_1, ..., n_K)`."""
        joint = np.zeros(tuple(map(len, self.marginals)))
        np.add.at(joint, tuple(self.indices), self.mass)
        return joint

    def to_dict(self) -> dict[tuple[int, ...], float]:
        """Atoms as `{(i, j, ...): mass}`, in the order of their assignment."""
        return dict(zip(map(tuple, self.indices.T.tolist()), self.mass.tolist(), strict=True))

    @cached_property
    def entropy(self) -> float:
        """Joint entropy in bits."""
        return entropy(self.mass)

    @cached_property
    def mutual_information(self) -> float:
        """H(X_1) + ... + H(X_K) - H(X_1, ..., X_K), in bits: for two variables their mutual information."""
        return max(sum(map(entropy, self.marginals)) - self.entropy, 0.0)

    @cached_property
    def bounds(self) -> Bounds:
        """Lower bounds on the entropy of any coupling of these marginals."""
        return bounds(*self.marginals)

    @property
    def gap(self) -> float:
        """A certificate: no coupling of these marginals has an entropy lower by more than this, in bits."""
        return max(self.entropy - max(self.bounds), 0.0)


def independent(*marginals: ArrayLike) -> Coupling:
    """The product law, the coupling of largest entropy.

    Args:
        marginals: shapes `(n_k,)`.

    Raises:
        CouplingError: for a marginal that is none.

    >>> independent([0.5, 0.5], [0.5, 0.5]).entropy
    2.0
    """
    checked = tuple(marginal(p, f"marginal {k}") for k, p in enumerate(marginals))
    joint = checked[0]
    for p in checked[1:]:
        joint = np.multiply.outer(joint, p)
    indices = np.array(np.nonzero(joint), dtype=np.int64)
    return Coupling(indices, joint[tuple(indices)], checked)
