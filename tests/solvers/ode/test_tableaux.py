"""The coefficients satisfy the equations that define them."""

from __future__ import annotations

import numpy as np
import pytest

from heatbath.solvers.ode.tableaux import ADAPTIVE, RK4, Tableau, dense_weights

ALL = [*ADAPTIVE.values(), RK4]


def matrix(tableau: Tableau) -> np.ndarray:
    a = np.zeros((tableau.stages, tableau.stages))
    for i, row in enumerate(tableau.a):
        a[i, : len(row)] = row
    return a


def residuals(tableau: Tableau, weights: np.ndarray, theta: float, order: int) -> list[float]:
    """Of conditions of all orders up to `order`: those of quadrature, of tall trees, and all others up to 5."""
    a, c, one = matrix(tableau), np.array(tableau.c), np.ones(tableau.stages)
    found = []
    power, factorial = one, 1.0
    for q in range(1, order + 1):
        found.append(weights @ c ** (q - 1) - theta**q / q)
        factorial *= q
        found.append(weights @ power - theta**q / factorial)
        power = a @ power
    bushy = {4: [(c * (a @ c), 8), (a @ c**2, 12)]}
    bushy[5] = [
        (c**2 * (a @ c), 10),
        (c * (a @ c**2), 15),
        (c * (a @ (a @ c)), 30),
        ((a @ c) ** 2, 20),
        (a @ c**3, 20),
        (a @ (c * (a @ c)), 40),
        (a @ (a @ c**2), 60),
    ]
    for q, trees in bushy.items():
        if q <= order:
            found += [weights @ tree - theta**q / gamma for tree, gamma in trees]
    return found


@pytest.mark.parametrize("tableau", ALL, ids=lambda t: t.name)
class TestTableau:
    def test_rows_sum_to_the_abscissas(self, tableau: Tableau) -> None:
        assert np.allclose(matrix(tableau).sum(1), tableau.c, rtol=0, atol=2e-14)

    def test_order_conditions(self, tableau: Tableau) -> None:
        assert max(map(abs, residuals(tableau, np.array(tableau.b), 1.0, tableau.order))) < 1e-13

    def test_the_last_stage_is_the_new_state(self, tableau: Tableau) -> None:
        assert tableau.c[-1] == 1.0
        assert tableau.b[-1] == 0.0
        assert len(tableau.a) == len(tableau.c) == len(tableau.interpolant)

    def test_the_weights_of_the_error_sum_to_zero(self, tableau: Tableau) -> None:
        assert abs(sum(tableau.error)) < 1e-14
        if tableau.error:
            embedded = np.array(tableau.b) - np.array(tableau.error)
            assert max(map(abs, residuals(tableau, embedded, 1.0, min(tableau.order - 1, 5)))) < 1e-13

    @pytest.mark.parametrize("theta", [0.2, 0.5, 0.83])
    def test_the_dense_output_has_its_order(self, tableau: Tableau, theta: float) -> None:
        weights = np.array(dense_weights(tableau, theta))
        order = tableau.interpolation_order
        assert max(map(abs, residuals(tableau, weights, theta, order))) < 1e-13
        assert max(map(abs, residuals(tableau, weights, theta, order + 1))) > 1e-7

    def test_the_dense_output_ends_at_the_new_state(self, tableau: Tableau) -> None:
        assert dense_weights(tableau, 0.0) == (0.0,) * tableau.stages
        assert np.allclose(dense_weights(tableau, 1.0), tableau.b, rtol=0, atol=2e-12)

    def test_the_stability_interval(self, tableau: Tableau) -> None:
        a, one = matrix(tableau), np.ones(tableau.stages)

        def growth(z: float) -> float:
            return float(1 + z * np.array(tableau.b) @ np.linalg.solve(np.eye(tableau.stages) - z * a, one))

        assert all(abs(growth(-z)) <= 1 for z in np.linspace(1e-3, 0.999 * tableau.stability_size, 500))
        assert abs(growth(-1.001 * tableau.stability_size)) > 1
