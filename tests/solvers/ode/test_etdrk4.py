from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from heatbath.solvers.ode.etdrk4 import etdrk4_coefficients, etdrk4_step


def phi(k: int, z: complex) -> complex:
    """phi_k(z) by its power series, exact for moderate z."""
    return sum(z**n / math.factorial(n + k) for n in range(60))


@pytest.mark.parametrize("z", [0.0, 1e-9, -1e-4, -0.5, -4.0, 2.0])
def test_coefficients_equal_power_series_where_the_formulas_lose_their_digits(z: float) -> None:
    c = etdrk4_coefficients(torch.tensor([z], dtype=torch.float64), 1.0)
    p1, p2, p3 = (complex(phi(k, z)).real for k in (1, 2, 3))
    assert float(c.E) == pytest.approx(math.exp(z), rel=1e-13)
    assert float(c.E2) == pytest.approx(math.exp(z / 2), rel=1e-13)
    assert float(c.Q) == pytest.approx(0.5 * complex(phi(1, z / 2)).real, rel=1e-12)
    assert float(c.f1) == pytest.approx(p1 - 3 * p2 + 4 * p3, rel=1e-11)
    assert float(c.f2) == pytest.approx(p2 - 2 * p3, rel=1e-11)
    assert float(c.f3) == pytest.approx(4 * p3 - p2, rel=1e-11)


def test_large_negative_modes_stay_finite() -> None:
    c = etdrk4_coefficients(torch.tensor([-1e6], dtype=torch.float64), 0.25)
    assert float(c.E) == 0.0
    assert float(c.Q) == pytest.approx(1e-6, rel=1e-5)


def test_complex_modes() -> None:
    L = torch.tensor([2j], dtype=torch.complex128)
    v = torch.ones(1, dtype=torch.complex128)
    stepped = etdrk4_step(etdrk4_coefficients(L, 0.5), lambda v: 0 * v, v)
    assert complex(stepped) == pytest.approx(complex(math.cos(1.0), math.sin(1.0)))


def test_a_constant_forcing_is_integrated_exactly() -> None:
    L = torch.tensor([-3.0], dtype=torch.float64)
    stepped = etdrk4_step(etdrk4_coefficients(L, 0.7), lambda v: torch.full_like(v, 6.0), torch.zeros(1).double())
    assert float(stepped) == pytest.approx(2 * (1 - math.exp(-2.1)), rel=1e-13)


def test_without_a_linear_part_it_is_runge_kutta_of_order_four() -> None:
    """y' = -y^2, y = 1 / (1 + t)."""

    def error(steps: int) -> float:
        c = etdrk4_coefficients(torch.zeros(1, dtype=torch.float64), 1.0 / steps)
        y = torch.ones(1, dtype=torch.float64)
        for _ in range(steps):
            y = etdrk4_step(c, lambda y: -y.square(), y)
        return abs(float(y) - 0.5)

    errors = [error(n) for n in (10, 20, 40)]
    assert [math.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([4, 4], abs=0.2)


def test_a_stiff_problem_of_order_four() -> None:
    """y' = -50 y + 50 sin t + cos t, y = sin t, the forcing through a second variable t' = 1."""

    def error(steps: int) -> float:
        L = torch.tensor([-50.0, 0.0], dtype=torch.float64)
        c = etdrk4_coefficients(L, 1.0 / steps)
        y = torch.zeros(2, dtype=torch.float64)
        for _ in range(steps):
            y = etdrk4_step(c, lambda y: torch.stack([50 * y[1].sin() + y[1].cos(), torch.ones_like(y[1])]), y)
        return abs(float(y[0]) - math.sin(1.0))

    errors = [error(n) for n in (200, 400, 800)]
    assert [math.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([4, 4], abs=0.4)
