"""Zero-seeking greedy: against the search over all pairs at every step."""

from __future__ import annotations

import numpy as np

from heatbath.solvers.coupling import zero_seeking_mec


def all_pairs(p: np.ndarray, q: np.ndarray) -> list[tuple[int, int, float]]:
    p, q, atoms = p.copy(), q.copy(), []
    while p.max() > 1e-12:
        distance = np.abs(p[:, None] - q[None, :])
        distance[p <= 1e-12, :] = distance[:, q <= 1e-12] = np.inf
        i, j = np.unravel_index(distance.argmin(), distance.shape)
        mass = min(p[i], q[j])
        atoms.append((int(i), int(j), float(mass)))
        p[i] -= mass
        q[j] -= mass
    return atoms


def test_neighbours_are_the_nearest_of_all_pairs():
    rng = np.random.default_rng(0)
    for _ in range(100):
        p, q = (rng.dirichlet(np.ones(k)) for k in rng.integers(1, 25, size=2))
        got, expected = zero_seeking_mec(p, q), all_pairs(p, q)
        assert got.indices.T.tolist() == [[i, j] for i, j, _ in expected]
        assert np.abs(got.mass - [mass for _, _, mass in expected]).max() < 1e-12
