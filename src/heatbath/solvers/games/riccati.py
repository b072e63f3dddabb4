"""The Riccati equation of a discounted linear-quadratic game, by doubling the horizon.

Symbols, with F = sqrt(gamma) A, and B, D likewise:
    P_j: cost matrix with j steps to go;  P_1 = Q,  P_{j+1} = Q + F^T P_j (I + G P_j)^{-1} F
    G = gamma (B R^{-1} B^T - D D^T / rho)

The disturbance has a best choice at every horizon, and the game a value, if and only if there is a solution P >= 0 with
rho I > gamma D^T P D: then all P_j are below it and grow to the smallest one. So an answer can be checked.

Reference:
    Basar, Bernhard, "H-infinity Optimal Control and Related Minimax Design Problems", 1995 (the game); Chu, Fan, Lin,
    "A structure-preserving doubling algorithm for continuous-time algebraic Riccati equations", 2005 (doubling).
"""

from __future__ import annotations

import numpy as np

from heatbath.solvers.games.payoffs import Array

DOUBLINGS = 60
LARGEST = 1e14
"""A cost above it, in units of Q, counts as unbounded."""
ACCURACY = 1e-10
"""How well, relative to its size, a solution must satisfy the equation. Where the price is all but the least possible
one, the equation has all but a double root, and rounding moves it by the square root of the machine's precision."""


def least_solution(F: Array, G: Array, Q: Array, D: Array, rho: float) -> Array | None:
    """The smallest P >= 0 with P = Q + F^T P (I + G P)^{-1} F and rho I > D^T P D, or None where there is none.

    Args:
        F, G, Q: shapes `(n, n)`.
        D: shape `(n, l)`, scaled by sqrt(gamma).
        rho: price of the disturbance.
    """
    P = _doubled(F, G, Q)
    if P is None:
        return None
    size, unit = len(P), np.eye(len(P))
    with np.errstate(all="ignore"):
        again = Q + F.T @ P @ np.linalg.solve(unit + G @ P, F)
    scale = max(np.abs(P).max(), np.abs(Q).max(), 1e-300)
    solved = np.isfinite(again).all() and np.abs(again - P).max() <= ACCURACY * scale
    floor = -ACCURACY * scale * size
    price = rho * np.eye(D.shape[1]) - D.T @ P @ D
    return P if solved and np.linalg.eigvalsh(P - Q).min() >= floor and np.linalg.eigvalsh(price).min() > 0 else None


def _doubled(F: Array, G: Array, Q: Array) -> Array | None:
    """P_{2^k} until it stands still, or None where it grows without bound."""
    P, unit = Q, np.eye(len(Q))
    scale = max(np.abs(Q).max(), 1e-300)
    for _ in range(DOUBLINGS):
        try:
            both = np.linalg.solve(unit + G @ P, np.hstack([F, G]))
        except np.linalg.LinAlgError:
            return None
        through, spread = both[:, : len(Q)], both[:, len(Q) :]
        grown = P + F.T @ P @ through
        G, F = G + F @ spread @ F.T, F @ through
        grown, G = (grown + grown.T) / 2, (G + G.T) / 2
        if not np.isfinite(grown).all() or np.abs(grown).max() > LARGEST * scale:
            return None
        if np.abs(grown - P).max() <= 1e-15 * np.abs(grown).max() or not F.any():
            return grown
        P = grown
    return P
