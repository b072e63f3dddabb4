"""Orders of the step, of its error estimate and of the dense output; stiffness."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue
from heatbath.solvers.ode import options as opt
from heatbath.solvers.ode import rk4
from heatbath.solvers.ode.steps import Tolerance, Wanted, inside, stages, take_step
from heatbath.solvers.ode.tableaux import ADAPTIVE, RK4, Tableau
from tests.solvers.ode.problems import slope_of, solve, van_der_pol

UNIT = Tolerance(rtol=0.0, atol=1.0)
ALL = [*ADAPTIVE.values(), RK4]
GRID = {2: (64, 128, 256), 3: (32, 64, 128), 4: (32, 64, 128), 5: (64, 128, 256), 8: (6, 8, 12)}


def fixed(tableau: Tableau, f: Any, u: Tensor, t1: float, n: int) -> Tensor:
    h, k = t1 / n, f(0.0, u)
    for i in range(n):
        slopes, states = stages(tableau, f, i * h, h, u, k)
        u, k = states[-1], slopes[-1]
    return u


def order(errors: list[float], counts: tuple[int, ...]) -> float:
    return math.log(errors[0] / errors[-1]) / math.log(counts[-1] / counts[0])


@pytest.mark.parametrize("tableau", ALL, ids=lambda t: t.name)
def test_a_linear_system_against_the_matrix_exponential(tableau: Tableau) -> None:
    generator = torch.Generator().manual_seed(1)
    matrix = 0.4 * torch.randn(6, 6, generator=generator, dtype=torch.float64)
    u0 = torch.randn(8, 6, generator=generator, dtype=torch.float64)
    exact = u0 @ torch.linalg.matrix_exp(4 * matrix).T
    counts = GRID[tableau.order]
    errors = [float((fixed(tableau, lambda t, u: u @ matrix.T, u0, 4.0, n) - exact).abs().max()) for n in counts]
    # On linear equations the leading term of dopri8 is small, and the next one shows: it seems of a higher order.
    assert -0.2 < order(errors, counts) - tableau.order < (0.2 if tableau.order < 8 else 0.6), errors


@pytest.mark.parametrize("tableau", ALL, ids=lambda t: t.name)
def test_an_equation_that_depends_on_time(tableau: Tableau) -> None:
    """y' = cos(t) y, y = exp(sin t)."""
    one, last = torch.ones(1, dtype=torch.float64), 2.0 if tableau.order == 8 else 3.0
    counts, end = (32, 64, 128) if tableau.order == 5 else GRID[tableau.order], math.exp(math.sin(last))
    errors = [abs(float(fixed(tableau, lambda t, u: math.cos(t) * u, one, last, n)) - end) for n in counts]
    assert order(errors, counts) == pytest.approx(tableau.order, abs=0.2), errors


@pytest.mark.parametrize("tableau", ADAPTIVE.values(), ids=lambda t: t.name)
def test_the_error_estimate_has_the_order_of_the_controller(tableau: Tableau) -> None:
    one = torch.ones(1, dtype=torch.float64)

    def f(t: float, u: Tensor) -> Tensor:
        return math.cos(t) * u

    sizes = (0.1, 0.05, 0.025) if tableau.order < 8 else (0.4, 0.2, 0.1)
    errors = [float(take_step(tableau, f, UNIT, 0.3, h, one, f(0.3, one), Wanted()).error) for h in sizes]
    assert slope_of(errors) == pytest.approx(tableau.order, abs=0.2), errors


@pytest.mark.parametrize("tableau", ALL, ids=lambda t: t.name)
def test_the_dense_output_recovers_a_polynomial_of_its_degree(tableau: Tableau) -> None:
    """y' = p'(t): quartics for the methods of order 5, cubics for those of order 3."""
    degree = tableau.interpolation_order
    coefficients = [0.3, -1.0, 0.7, 2.0, -0.4, 0.9][: degree + 1]

    def p(t: float) -> float:
        return sum(a * t**i for i, a in enumerate(coefficients))

    def f(t: float, u: Tensor) -> Tensor:
        return torch.full_like(u, sum(i * a * t ** (i - 1) for i, a in enumerate(coefficients) if i))

    u, h = torch.full((1,), p(0.4), dtype=torch.float64), 0.9
    slopes, _ = stages(tableau, f, 0.4, h, u, f(0.4, u))
    for theta in (0.1, 0.5, 0.9):
        assert float(inside(tableau, theta, h, u, slopes)) == pytest.approx(p(0.4 + theta * h), abs=1e-12)


@pytest.mark.parametrize("tableau", ADAPTIVE.values(), ids=lambda t: t.name)
@pytest.mark.parametrize("rate", [-1.0, -50.0, 3.0])
def test_the_stiffness_of_a_linear_equation_is_its_rate(tableau: Tableau, rate: float) -> None:
    u = torch.ones(4, dtype=torch.float64)
    step = take_step(tableau, lambda t, u: rate * u, UNIT, 0.0, 0.01, u, rate * u, Wanted(stiffness=True))
    assert step.stiffness is not None
    assert float(step.stiffness) == pytest.approx(abs(rate), rel=1e-8)


def test_rest_has_no_error_and_no_stiffness_and_gives_no_nan() -> None:
    u = torch.ones(4, dtype=torch.float64, requires_grad=True)
    step = take_step(
        ADAPTIVE["tsit5"], lambda t, u: 0 * u, UNIT, 0.0, 0.1, u, 0 * u, Wanted(error=True, stiffness=True)
    )
    assert step.stiffness is not None
    assert float(step.error.detach()) == float(step.stiffness.detach()) == 0.0
    (gradient,) = torch.autograd.grad(step.error + step.stiffness + step.state.sum(), u)
    assert torch.equal(gradient, torch.ones_like(u))


def test_the_stiffness_of_van_der_pol_is_its_spectral_radius() -> None:
    """In the slow phase, where the fast direction has decayed: |d(y')/dy| = mu |1 - x^2|."""
    mu, y0 = 60.0, torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    solution = solve("tsit5", van_der_pol(mu), y0, (0.0, 10.0), {"stiffness", "h", "proposal"}, rtol=1e-5, atol=1e-5)
    x = solution.trace["proposal"][-40:, 0, 0]
    radius, found = float((mu * (1 - x**2).abs()).mean()), solution.trace["stiffness"][-40:]
    assert float(found.median()) == pytest.approx(radius, rel=0.1)
    reach = (found * solution.trace["h"][-40:]).max()
    assert 1.0 < float(reach) < 2 * ADAPTIVE["tsit5"].stability_size  # the step is held at the edge of stability


def test_the_solver_rk4_takes_the_steps_of_rk4_step() -> None:
    y = torch.tensor([1.0, 0.5], dtype=torch.float64)

    def f(t: float, y: Tensor) -> Tensor:
        return torch.cos(y) * math.cos(t)

    found = rk4.RK4(opt.RK4(step=0.25), None).solve(InitialValue(f, y, (0.0, 0.5, 1.0))).value
    by_hand = [y]
    for i in range(4):
        y = rk4.rk4_step(f, 0.25 * i, y, 0.25)
        by_hand.append(y)
    torch.testing.assert_close(found, torch.stack([by_hand[0], by_hand[2], by_hand[4]]), rtol=0, atol=1e-15)
