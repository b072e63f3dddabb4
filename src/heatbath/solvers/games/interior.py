"""An interior-point method for zero-sum games with entropies, and, at temperature 0, for their linear programs.

Symbols:
    p: both strategies one after the other; t: the temperature of each action's player, likewise.
    K: [[0, A], [-A^T, 0]], so that K p is what each action is worth to who may play it.
    tau: weight of a barrier sum ln p, which goes to 0; z = tau / p, kept as an unknown of its own.

The conditions

    K p - t ln p + z = lambda, one lambda a player;   p z = tau;   each player's p sums to one

are solved by one damped Newton step for each tau. They are monotone, so that every step exists; which actions are worth
playing is found along the way, at any temperature, in about ten steps.
"""

from __future__ import annotations

import numpy as np

from heatbath.solvers.games.payoffs import Array
from heatbath.solvers.games.systems import solved

STEPS = 60
SHARE = 0.99
"""How much of the way to the border of the simplex a step may go."""


def interior_point(A: Array, t1: Array, t2: Array, end: Array) -> tuple[Array, Array]:
    """Strategies close to the equilibria, every probability positive.

    Args:
        A: payoffs in [-1, 1], shape `(batch, m, n)`.
        t1, t2: temperatures of at least 0, shape `(batch,)`.
        end: tau at which to stop, shape `(batch,)`.

    Returns:
        mu and nu, shapes `(batch, m)` and `(batch, n)`.
    """
    batch, m, n = A.shape
    k = m + n
    system, p, t = _system(A), np.empty((batch, k)), np.empty((batch, k))
    p[:, :m], p[:, m:], t[:, :m], t[:, m:] = 1.0 / m, 1.0 / n, t1[:, None], t2[:, None]
    diagonal = _diagonal(system)
    z, right, share = np.ones_like(p), np.zeros((batch, k + 2, 1)), np.full((batch, 1), 0.2)
    found, left, end = np.empty_like(p), np.arange(batch), end[:, None]
    for _ in range(STEPS):
        diagonal[:] = 0.0
        worth = (system[:, :k, :k] @ p[..., None])[..., 0] + t * np.log(p)  # with the sign of a cost
        tau = (p * z).mean(1, keepdims=True)
        going = ((tau > end) | (_imbalance(z - worth, p, m) > 10 * end))[:, 0]
        if not going.all():
            found[left] = p
            parts = (left, system, p, t, z, right, share, end, worth, tau)
            left, system, p, t, z, right, share, end, worth, tau = (part[going] for part in parts)
            diagonal = _diagonal(system)
            if not len(left):
                return found[:, :m], found[:, m:]
        aim = share * tau / p
        diagonal[:] = (t + z) / p
        right[:, :k, 0] = aim - worth
        change = solved(system, right)[:, :k, 0] / p
        slack = aim / z - 1.0 - change
        pace = -np.minimum(change.min(1), slack.min(1))[:, None]
        step = 1.0 / np.maximum(1.0, pace / SHARE)
        p, z = p * (1.0 + step * change), z * (1.0 + step * slack)
        share = np.where(step >= 0.8, 0.03, np.where(step >= 0.5, 0.1, 0.5))
    found[left] = p
    return found[:, :m], found[:, m:]


def _system(A: Array) -> Array:
    """[[-K, E], [E^T, 0]], E the indicators of the players, shape `(batch, m + n + 2, m + n + 2)`; a step fills its
    diagonal."""
    batch, m, n = A.shape
    system = np.zeros((batch, m + n + 2, m + n + 2))
    system[:, :m, m:-2], system[:, m:-2, :m] = -A, A.swapaxes(1, 2)
    system[:, :m, -2] = system[:, -2, :m] = system[:, m:-2, -1] = system[:, -1, m:-2] = 1.0
    return system


def _diagonal(system: Array) -> Array:
    """A view of its first m + n entries, shape `(batch, m + n)`."""
    size = system.shape[1]
    return system.reshape(len(system), size * size)[:, :: size + 1][:, :-2]


def _imbalance(worth: Array, p: Array, m: int) -> Array:
    """By how much the actions of a player differ in worth, weighed by how often they are played, shape `(batch, 1)`."""
    off = np.empty_like(p)
    for side in (slice(m), slice(m, None)):
        off[:, side] = worth[:, side] - (p[:, side] * worth[:, side]).sum(1, keepdims=True)
    return np.asarray(np.abs(p * off).max(1, keepdims=True))
