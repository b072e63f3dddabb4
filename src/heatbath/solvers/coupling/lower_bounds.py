"""Lower bounds, in bits, on the joint entropy of any coupling of given marginals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from heatbath.solvers.coupling.marginals import CouplingError, Masses, entropy, marginal


class Bounds(NamedTuple):
    """Three lower bounds in bits; `cap` is the largest."""

    majorisation: float
    profile: float
    cap: float


def bounds(*marginals: ArrayLike) -> Bounds:
    """All three lower bounds on the joint entropy of a coupling.

    Args:
        marginals: two or more, shapes `(n_k,)`.

    Raises:
        CouplingError: for a marginal that is none, or fewer than two.

    >>> [round(bound, 6) for bound in bounds([0.5, 0.4, 0.1], [0.6, 0.2, 0.2])]
    [1.485475, 1.660964, 1.760964]
    """
    if len(marginals) < 2:
        raise CouplingError(f"expected at least two marginals, got {len(marginals)}")
    checked = [marginal(p, f"marginal {k}") for k, p in enumerate(marginals)]
    return Bounds(majorisation(*checked), profile(*checked), cap(*checked))


def majorisation(*marginals: Masses) -> float:
    """H of the greatest lower bound of the marginals in the order of majorisation.

    Its partial sums are the smallest partial sums of the marginals sorted from large to small.

    Reference:
        Cicalese, Gargano, Vaccaro, "Minimum-entropy couplings and their applications", IEEE T-IT 65, 2019.
    """
    sums = np.ones((len(marginals), max(map(len, marginals))))
    for row, p in zip(sums, marginals, strict=True):
        row[: len(p)] = np.cumsum(np.sort(p)[::-1])
    return entropy(np.diff(sums.min(axis=0), prepend=0.0))


def _ascending(p: Masses) -> tuple[Masses, Masses]:
    """Positive masses from small to large and their partial sums, the last set to 1."""
    mass = np.sort(p)
    mass = mass[mass > 0]
    position = np.minimum(np.cumsum(mass), 1.0)
    position[-1] = 1.0
    return mass, position


def profile(*marginals: Masses) -> float:
    """The integral of log2(1 / f(x)) over (0, 1].

    f(x) is the smallest, over the marginals sorted from small to large, of the masses that cover position x: the atom
    of the coupling there can be no larger.

    Reference:
        Compton, Katz, Qi, Greenewald, Kocaoglu, "Minimum-entropy coupling approximation guarantees beyond the
        majorization barrier", AISTATS 2023.
    """
    ascending = [_ascending(p) for p in marginals]
    edges = np.unique(np.concatenate([position for _, position in ascending]))
    cover = [mass[np.searchsorted(position, edges)] for mass, position in ascending]
    return float(-(np.diff(edges, prepend=0.0) * np.log2(np.min(cover, axis=0))).sum()) + 0.0


def cap(*marginals: Masses) -> float:
    """Entropy of the most concentrated atoms that both other bounds allow; it dominates them.

    A marginal with mass x in symbols of size at most y forces every coupling to hold mass x in atoms of size at most y.
    With `left` mass to place, the largest atom that respects all such vertices (x, y) is

        z = min over vertices of max(y, left - x),

    where (0, 0) stands for z <= left; take it and repeat until nothing is left.

    Reference:
        The combination of the two bounds above, as in the code beside Compton et al. 2023.
    """
    vertices = [np.stack([position, mass], axis=1) for mass, position in map(_ascending, marginals)]
    x, y = np.concatenate([np.zeros((1, 2)), *vertices]).T
    order = np.lexsort((y, -x))
    x, y = x[order], y[order]
    staircase = y < np.minimum.accumulate(np.concatenate([[np.inf], y[:-1]]))
    corners = list(zip(x[staircase].tolist(), y[staircase].tolist(), strict=True))

    # Both terms are monotone along the staircase: the minimum is where they cross.
    atoms, left, corner = [], 1.0, 0
    while left > 1e-13:
        while corner < len(corners) - 1 and sum(corners[corner]) > left:
            corner += 1
        below = corners[corner - 1][1] if corner else np.inf
        atoms.append(min(below, left - corners[corner][0]))
        left -= atoms[-1]
    return entropy(atoms)
