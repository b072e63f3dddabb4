"""The exact solver and the lower bounds, against cases worked by hand and a search over all orders."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from heatbath.solvers.coupling import CouplingError, bounds, exact_mec, greedy_mec

OPTIMA = [
    ((0.5, 0.25, 0.25), (0.6, 0.4), 1.742738),
    ((0.5, 0.4, 0.1), (0.6, 0.2, 0.2), 1.760964),
    ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.5), 1.918296),
    ((0.4, 0.3, 0.2, 0.1), (0.5, 0.3, 0.2), 1.846439),
    ((5 / 12, 4 / 12, 3 / 12), (7 / 12, 5 / 12), 1.554585),
    ((11 / 20, 8 / 20, 1 / 20), (8 / 20, 6 / 20, 6 / 20), 1.765957),
]


@pytest.mark.parametrize(("p", "q", "expected"), OPTIMA)
def test_optima_worked_by_hand(p: tuple[float, ...], q: tuple[float, ...], expected: float):
    assert exact_mec(p, q).entropy == pytest.approx(expected, abs=1e-6)


def test_bounds_worked_by_hand():
    assert bounds((0.5, 0.25, 0.25), (0.6, 0.4)) == pytest.approx((1.5, 1.5, 1.5))
    assert bounds((0.5, 0.4, 0.1), (0.6, 0.2, 0.2)) == pytest.approx((1.485475, 1.660964, 1.760964), abs=1e-6)


def test_bounds_do_not_depend_on_the_order_of_symbols():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(9)), rng.dirichlet(np.ones(7))
    assert bounds(rng.permutation(p), rng.permutation(q)) == pytest.approx(bounds(p, q), abs=1e-12)


def all_orders(p: list[int], q: list[int]) -> float:
    """Least entropy over all vertices: every one is reached by choosing pairs and giving each the smaller mass."""
    total = sum(p)

    @functools.cache
    def best(p: tuple[int, ...], q: tuple[int, ...]) -> float:
        return min((cost(p, q, i, j) for i in range(len(p)) for j in range(len(q))), default=0.0)

    def cost(p: tuple[int, ...], q: tuple[int, ...], i: int, j: int) -> float:
        mass = min(p[i], q[j])
        rest = [tuple(sorted(v for v in (*s[:k], s[k] - mass, *s[k + 1 :]) if v)) for s, k in ((p, i), (q, j))]
        return -mass / total * math.log2(mass / total) + best(*rest)

    return best(tuple(sorted(p)), tuple(sorted(q)))


def test_the_tree_recursion_finds_what_a_search_over_all_orders_finds():
    rng = np.random.default_rng(0)
    for _ in range(150):
        p, q = (rng.multinomial(24 - k, rng.dirichlet(np.ones(k))) + 1 for k in rng.integers(1, 5, size=2))
        exact = exact_mec(p / 24, q / 24)
        assert exact.entropy == pytest.approx(all_orders(p.tolist(), q.tolist()), abs=1e-9)
        assert exact.dense().sum(1) == pytest.approx(p / 24, abs=1e-12)
        assert exact.dense().sum(0) == pytest.approx(q / 24, abs=1e-12)
        assert len(exact.mass) <= len(p) + len(q) - 1


def test_zeros_do_not_count():
    p = np.zeros(100)
    p[[3, 50]] = 0.5
    assert exact_mec(p, [0.5, 0.5]).to_dict() == {(3, 0): 0.5, (50, 1): 0.5}


def test_too_many_symbols_are_refused():
    with pytest.raises(CouplingError, match=r"at most 16 symbols of both sides together, got 9 \+ 8; use `greedy_mec`"):
        exact_mec([1 / 9] * 9, [1 / 8] * 8)
    with pytest.raises(CouplingError, match=r"at most 3 symbols of both sides together, got 2 \+ 2"):
        exact_mec([0.5, 0.5], [0.5, 0.5], max_symbols=3)


def test_the_certified_gap_holds():
    rng = np.random.default_rng(3)
    for _ in range(50):
        p, q = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(5))
        greedy = greedy_mec(p, q)
        assert greedy.entropy - exact_mec(p, q).entropy <= greedy.gap + 1e-9
