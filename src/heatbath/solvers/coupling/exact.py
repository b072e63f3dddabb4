"""The coupling of least entropy of two small marginals.

The joint entropy is concave, so the least lies at a vertex of the couplings, whose atoms form a forest on the symbols
of both sides; with atoms of mass 0 it is a tree. Cut at an edge, a tree falls into two, and the edge carries what one
part has
over: e(W) = |p(W) - q(W)|. So the best tree is found from the best trees of subsets,

    F(W) = min over roots c in W on the side that has mass over, of G(W without c),
    G(X) = min over ways to cut X into subsets W, each with mass over on the other side, of sum F(W) + phi(e(W)),

phi(x) = -x log2 x: 3^(n + m) steps, where trying all orders of assignment takes factorials.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from heatbath.solvers.coupling.joint import Coupling
from heatbath.solvers.coupling.marginals import CouplingError, marginal

MOST_SYMBOLS = 16
"""Of both sides together: two or three seconds of plain Python."""
EVEN = 1e-14
"""Subsets whose masses differ by less have equal masses: the rounding of sums of a few numbers."""


def exact_mec(p: ArrayLike, q: ArrayLike, max_symbols: int = MOST_SYMBOLS) -> Coupling:
    """A coupling of p and q of the least entropy there is.

    Args:
        p: shape `(n,)`.
        q: shape `(m,)`.
        max_symbols: the most symbols of positive mass in p and q together; each one more takes three times as long.

    Raises:
        CouplingError: for a marginal that is none, or too many symbols.

    >>> exact = exact_mec([5 / 12, 4 / 12, 3 / 12], [7 / 12, 5 / 12])
    >>> round(exact.entropy, 6)  # Y is a function of X; the greedy coupling has 1.784159
    1.554585
    """
    marginals = (marginal(p, "p"), marginal(q, "q"))
    symbols = [(side, int(i)) for side, masses in enumerate(marginals) for i in np.flatnonzero(masses)]
    if len(symbols) > max_symbols:
        sizes = " + ".join(str(np.count_nonzero(masses)) for masses in marginals)
        raise CouplingError(
            f"the exact solver takes at most {max_symbols} symbols of both sides together, got {sizes}; "
            "use `greedy_mec`, whose `gap` says how far from the optimum it can be"
        )
    excess = [0.0]
    for side, index in symbols:  # p(W) - q(W) of every subset W, by its bits
        mass = float(marginals[side][index])
        excess += [rest + (mass if side == 0 else -mass) for rest in excess]
    excess = [0.0 if abs(e) < EVEN else e for e in excess]
    whole = len(excess) - 1
    excess[whole] = 0.0
    trees = _Trees(excess, [side for side, _ in symbols])
    atoms = trees.atoms(whole)
    indices = np.array([[symbols[k][1] for k in pair] for pair, _ in atoms], dtype=np.int64).T
    return Coupling(indices, np.array([mass for _, mass in atoms]), marginals)


class _Trees:
    """Least costs of subsets, as bit masks, and how they come about."""

    def __init__(self, excess: list[float], sides: list[int]) -> None:
        self.excess, self.sides = excess, sides
        size = len(excess)
        cost = [0.0 if e == 0.0 else -abs(e) * math.log2(abs(e)) for e in excess]
        # hung[side][W]: F(W) + phi(e(W)), the root on `side`; cut[side][X]: G(X), roots of its parts on `side`
        self.root: list[list[int]] = [[-1] * size, [-1] * size]
        self.part: list[list[int]] = [[0] * size, [0] * size]
        hung = [[math.inf] * size, [math.inf] * size]
        cut = [[0.0] + [math.inf] * (size - 1) for _ in range(2)]
        members = [[1 << k for k, s in enumerate(sides) if s == side] for side in range(2)]
        for W in range(1, size):
            for side, sign in ((0, 1.0), (1, -1.0)):
                over = sign * excess[W]
                if over < 0.0:
                    continue
                best = math.inf
                for c in members[side]:
                    if W & c and cut[1 - side][W ^ c] < best:
                        best, self.root[side][W] = cut[1 - side][W ^ c], c.bit_length() - 1
                hung[side][W] = best + cost[W]
                self._cut(W, hung[side], cut[side], self.part[side])

    def _cut(self, X: int, hung: list[float], cut: list[float], part: list[int]) -> None:
        """G(X): the part with the lowest symbol of X is one of the subsets of X that have it."""
        others = X & (X - 1)
        lowest, rest, best, chosen = X ^ others, others, math.inf, 0
        while True:
            total = hung[rest | lowest] + cut[others ^ rest]
            if total < best:
                best, chosen = total, rest | lowest
            if rest == 0:
                break
            rest = (rest - 1) & others
        cut[X], part[X] = best, chosen

    def atoms(self, whole: int) -> list[tuple[tuple[int, int], float]]:
        """Pairs of symbols, first side first, and their masses, of the best tree of all."""
        found, stack = [], [(whole, 0)]
        while stack:
            W, side = stack.pop()
            root = self.root[side][W]
            rest = W ^ (1 << root)
            while rest:
                part = self.part[1 - side][rest]
                child, mass = self.root[1 - side][part], abs(self.excess[part])
                if mass > 0.0:
                    found.append(((root, child) if side == 0 else (child, root), mass))
                stack.append((part, 1 - side))
                rest ^= part
        return found
