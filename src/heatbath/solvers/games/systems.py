"""Many small linear systems at once."""

from __future__ import annotations

import numpy as np

from heatbath.solvers.games.payoffs import Array


def solved(systems: Array, right: Array) -> Array:
    """x with systems x = right, shapes `(batch, n, n)` and `(batch, n, k)`; the shortest x for a system without one.

    A system is singular only by rounding here, where a game has many equilibria and a step in between them is as good
    as none.
    """
    try:
        return np.asarray(np.linalg.solve(systems, right))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(systems) @ right)
