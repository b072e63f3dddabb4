"""Couplers."""

from __future__ import annotations

import numpy as np

from heatbath.core.contracts import Solution
from heatbath.solvers.coupling import Coupling

NOTHING_LEFT = 1e-15


class NorthWest:
    """The north-west corner rule: pair the first symbols that have mass left, and give them the smaller one."""

    records = frozenset()

    def __init__(self, options, setup): ...

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        p, q = (np.array(masses, dtype=float) for masses in problem.masses)
        atoms, i, j = [], 0, 0
        while i < len(p) and j < len(q):
            mass = min(p[i], q[j])
            if mass > NOTHING_LEFT:
                atoms.append((i, j, mass))
            p[i], q[j] = p[i] - mass, q[j] - mass
            i, j = i + (p[i] <= NOTHING_LEFT), j + (q[j] <= NOTHING_LEFT)
        indices = np.array([atom[:2] for atom in atoms], dtype=np.int64).T
        return Solution(Coupling(indices, np.array([atom[2] for atom in atoms]), problem.masses))
