"""Exact solutions against known values, the balance of fluxes, and a solver that knows only the equation."""

import math

import pytest
import torch

from heatbath.core.errors import InvalidInput
from heatbath.envs.conservation import options as opt
from heatbath.envs.conservation.diffusion import Heat, PorousMedium, Stefan, stefan_root
from heatbath.envs.conservation.finite_volume import FiniteVolume
from heatbath.envs.conservation.sampling import contexts, grid, parameters, slices, targets
from heatbath.envs.conservation.transport import Advection, Burgers
from heatbath.solvers.ode import options as ode_options
from heatbath.solvers.ode.rk4 import RK4

LAWS = {
    "heat": (Heat(), (0.5, 1.0, 5.0)),
    "porous medium": (PorousMedium(), (0.5, 1.0, 2.5, 6.0, 50.0)),
    "Stefan": (Stefan(), (0.05, 0.5, 0.6, 0.9)),
    "slow Stefan": (Stefan(opt.Stefan(diffusivity=0.2)), (0.3, 0.6)),
    "advection": (Advection(), (0.3, 1.0, 5.0)),
    "Burgers": (Burgers(), (0.4, 1.0, 4.0)),
}
DRAWS = torch.Generator()
CASES = [(name, p) for name, (_, tests) in LAWS.items() for p in tests]


def times(law, p):
    until = float(law.valid_until(torch.tensor(p, dtype=torch.float64)))
    return [share * min(law.end, until) for share in (0.1, 0.35, 0.5, 0.9, 1.0)]


def integral(values, x):
    return float(torch.trapezoid(values, x))


@pytest.mark.parametrize(("name", "p"), CASES)
def test_the_mass_is_the_integral_of_the_solution(name, p):
    law = LAWS[name][0]
    x = grid(law, 100_001)
    for t in times(law, p):
        u = law.solution(p, t, x)
        jump = float(u.max() * (x[1] - x[0]))  # one inside of an interval costs half of that
        assert float(law.mass(p, t)) == pytest.approx(integral(u, x), abs=1e-6 + jump)


@pytest.mark.parametrize(("name", "p"), CASES)
def test_the_mass_changes_by_what_crosses_the_ends(name, p):
    """U(t) = U(0) + integral of F(left) - F(right); t = s^2 takes the singular flux of Stefan away."""
    law = LAWS[name][0]
    for t in times(law, p)[:-1]:
        s = torch.linspace(0, math.sqrt(t), 40_001, dtype=torch.float64)[1:] - math.sqrt(t) / 80_000
        left, right = (law.flux(p, s.square(), end) * 2 * s for end in law.domain)
        if name == "porous medium":  # the formula holds on both sides of the front
            right = 0 * left
        balance = float(law.mass(p, 0.0)) + float((left - right).mean()) * math.sqrt(t)
        jump = float((left - right).abs().max() * (s[1] - s[0]))
        assert float(law.mass(p, t)) == pytest.approx(balance, abs=1e-6 + jump)


@pytest.mark.parametrize(("name", "p"), [(n, p) for n, p in CASES if n not in ("advection", "Burgers")])
def test_the_flux_is_that_of_the_diffusion(name, p):
    """F = -(integral of k)_x, by differences, away from the front."""
    law, h = LAWS[name][0], 1e-5
    t = times(law, p)[2]
    x = grid(law, 41)[1:-1]
    potential = [law.potential(torch.tensor(p), law.solution(p, t, x + side * h)) for side in (1, -1)]
    slope = -(potential[0] - potential[1]) / (2 * h)
    smooth = (law.solution(p, t, x - h) - law.solution(p, t, x + h)).abs() < 0.01
    flux = law.flux(p, t, x)
    assert smooth.sum() > 30
    torch.testing.assert_close(flux[smooth], slope[smooth], rtol=1e-4, atol=5e-6)


FINITE_VOLUME = [
    (Heat(), 1.0, 0.5, 2e-3, 1.5, (20, 60)),
    (PorousMedium(), 1.0, 0.5, 3e-3, 0.8, (15, 45)),
    (PorousMedium(), 2.5, 0.5, 8e-3, 0.8, (12, 36)),
    (Stefan(), 0.6, 0.05, 1e-2, 0.5, (25, 100)),
    (Stefan(opt.Stefan(diffusivity=0.2)), 0.3, 0.1, 1e-2, 0.5, (25, 100)),
    (Advection(), 1.0, 0.1, 6e-2, 0.3, (25, 100)),
    (Burgers(), 1.0, 0.5, 2e-2, 0.6, (25, 100)),
    (Burgers(), 4.0, 0.5, 6e-2, 0.6, (25, 100)),
    (Burgers(), 4.0, 1.0, 1e-2, None, (50,)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("law", "p", "t", "tolerance", "order", "cells"), FINITE_VOLUME)
def test_a_finite_volume_solver_arrives_at_the_exact_solution(law, p, t, tolerance, order, cells):
    """The mean absolute difference of cell averages falls with the cells, and is small."""
    begin, errors = (t / 20 if isinstance(law, Stefan) else 0.0), []
    for count in cells:
        scheme = FiniteVolume(law, p, count)
        solver = RK4(ode_options.RK4(step=scheme.stable_step), None)
        found = solver.solve(scheme.problem(begin, t)).value[-1]
        errors.append(float((found - scheme.exact(t)).abs().mean()))
        assert float(found.sum()) * scheme.width == pytest.approx(float(law.mass(p, t)), abs=2 * tolerance)
    assert errors[-1] < tolerance
    if order:
        assert math.log(errors[0] / errors[1]) / math.log(cells[1] / cells[0]) > order


def test_the_finite_volume_solver_conserves_to_round_off():
    for law, p in ((Heat(), 1.0), (PorousMedium(), 3.0), (Stefan(), 0.6), (Advection(), 1.0), (Burgers(), 2.0)):
        scheme = FiniteVolume(law, p, 40)
        u = torch.rand(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        fluxes = scheme.face_fluxes(0.05, u)
        change = float(scheme.derivative(0.05, u).sum()) * scheme.width
        assert change == pytest.approx(float(fluxes[0] - fluxes[-1]), abs=1e-12)


def test_spot_values():
    assert float(PorousMedium().mass(3.0, 0.5)) == pytest.approx(3 ** (4 / 3) / 4 * 0.5 ** (4 / 3), rel=1e-14)
    assert float(Stefan().front(0.6, 0.05)) == pytest.approx(0.2351, abs=5e-5)
    assert float(Stefan().front(0.5, 0.05)) == pytest.approx(0.2773, abs=5e-5)
    law, x = PorousMedium(), grid(PorousMedium(), 201)
    for m, floor in ((1.0, 0.0), (3.0, -3.4e-4), (6.0, -1.03e-3)):
        assert integral(law.solution(m, 0.5, x), x) - float(law.mass(m, 0.5)) == pytest.approx(floor, abs=1e-5)
    stefan, x = Stefan(), grid(Stefan(), 201)
    for u, floor in ((0.5, 1.05e-4), (0.55, 9.0e-4), (0.6, 1.45e-3), (0.7, -1.22e-3)):
        assert integral(stefan.solution(u, 0.05, x), x) - float(stefan.mass(u, 0.05)) == pytest.approx(floor, abs=1e-5)


def test_the_stefan_root_solves_its_equation_and_the_jump_moves_as_it_must():
    u = torch.tensor([1e-6, 1e-3, 0.1, 0.5, 0.6, 0.9, 0.999, 1 - 1e-6], dtype=torch.float64)
    z = stefan_root(u)
    torch.testing.assert_close(
        u * torch.erf(z) * z * torch.exp(z.square()) * math.sqrt(math.pi), 1 - u, rtol=1e-9, atol=0
    )
    law, t, h = Stefan(), torch.tensor(1e-3, dtype=torch.float64), 1e-7
    for p in (0.3, 0.6, 0.9):  # Rankine-Hugoniot: speed times jump is the flux at the front
        speed = (law.front(p, t + h) - law.front(p, t - h)) / (2 * h)
        assert float(speed * p) == pytest.approx(float(law.flux(p, t, law.front(p, t) * (1 - 1e-12))), rel=1e-6)
        assert float(law.solution(p, t, law.front(p, t) * (1 - 1e-12))) == pytest.approx(p, abs=1e-6)


def test_initial_values():
    x = torch.tensor([0.0, 0.25, 1.0])
    assert Stefan().solution(0.6, 0.0, x).tolist() == [1.0, 0.0, 0.0]
    assert PorousMedium().solution(3.0, 0.0, x).tolist() == [0.0, 0.0, 0.0]
    assert Burgers().solution(2.0, 0.0, torch.tensor([-1.0, -0.5, 0.5])).tolist() == [2.0, 1.0, 0.0]
    assert Burgers().solution(4.0, 1.0, torch.tensor([-1.0, 1.0])).tolist() == [4.0, 4.0]  # the shock has left


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PorousMedium().solution(0.0, 0.5, 0.5), "parameter m must lie between 0 and inf .* got 0"),
        (lambda: PorousMedium().solution(1.0, 1.5, 0.5), "until its front leaves the domain, at t = 1 for m = 1; got"),
        (lambda: PorousMedium().mass(1.0, -0.1), "t must be at least 0, got -0.1"),
        (lambda: Stefan().mass(1.2, 0.1), "parameter u must lie between 0 and 1"),
        (
            lambda: Stefan().solution(torch.tensor([0.6, 0.55]), 0.9, 0.5),
            "Stefan: the exact .* for u = 0.55; got t = 0.9",
        ),
        (lambda: Heat().solution(1.0, 0.5, 7.0), r"x must lie in \[0, 6.28319\], got 7"),
        (lambda: Burgers().solution(-1.0, 0.5, 0.0), "parameter a must lie"),
        (lambda: Advection().flux(float("nan"), 0.5, 0.0), "parameter beta must lie .* got nan"),
        (lambda: FiniteVolume(Heat(), 1.0, 1), "`cells` must be at least 2"),
        (lambda: FiniteVolume(Heat(), -1.0, 9), "parameter k must lie between 0 and inf .* got -1"),
        (lambda: FiniteVolume(Stefan(), 1.5, 9), "parameter u must lie between 0 and 1 .* got 1.5"),
        (lambda: FiniteVolume(PorousMedium(), 2.0, 9).problem(0.0, 1.5), "at t = 1 for m = 2; got t = 1.5"),
        (lambda: FiniteVolume(Heat(), 1.0, 9).problem(), "needs the times at which the answer is wanted, got none"),
        (lambda: contexts(Heat(), torch.tensor([1.0, -1.0]), DRAWS), "parameter k must lie between .* from -1 to 1"),
        (lambda: targets(Stefan(), torch.tensor([1.0]), DRAWS), "parameter u must lie between 0 and 1 .* got 1"),
        (lambda: slices(Burgers(), torch.tensor([float("nan")]), DRAWS, 9), "parameter a must lie between"),
        (lambda: slices(Stefan(), torch.tensor([0.01]), DRAWS, 9), "until its front leaves the domain, at t = 0.0"),
        (lambda: contexts(Heat(), torch.ones(2, 2), DRAWS), r"shape \(fields,\), got \(2, 2\)"),
        (lambda: contexts(Heat(), 1.0, DRAWS), "must be a tensor of shape .* got float"),
        (lambda: targets(Heat(), torch.ones(2), DRAWS, times=0), "too few `times`: 1 more are the least"),
        (lambda: slices(Heat(), torch.ones(2), DRAWS, 1), "too few `points`: 2 more are the least"),
    ],
)
def test_outside_of_its_range_a_formula_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_options_are_checked():
    with pytest.raises(ValueError, match="`diffusivity` must be positive, got 0"):
        opt.Stefan(diffusivity=0)


@pytest.mark.parametrize("name", LAWS)
def test_samples_lie_where_they_should(name):
    law = LAWS[name][0]
    generator = torch.Generator().manual_seed(0)
    p = parameters(law, 64, generator)
    assert law.training[0] <= float(p.min()) < float(p.max()) <= law.training[1]
    given = contexts(law, p, generator, times=10, points=7)
    assert given.u.shape == (64, 10, 7)
    bins = torch.arange(10) / 10 * law.end
    assert (given.t >= bins).all()
    assert (given.t <= bins + law.end / 10).all()
    asked = targets(law, p, generator)
    for fields in (given, asked):
        assert (fields.x.diff() >= 0).all()
        assert (fields.t.diff() >= 0).all()
        law._check(p[:, None], fields.t, fields.x)
        torch.testing.assert_close(fields.u[3, 2, 5], law.solution(p[3], fields.t[3, 2], fields.x[3, 5]))
    whole = slices(law, p, generator, 33)
    assert whole.u.shape == (64, 1, 33)
    assert (whole.x[:, 0] == law.domain[0]).all()
    assert whole.x[:, -1].tolist() == pytest.approx([law.domain[1]] * 64)
    assert (whole.x.diff() >= 0).all()


def test_laws_are_registered(host):
    from heatbath.testing import build

    assert set(host.names("envs", "conservation-law")) == {"heat", "porous-medium", "stefan", "advection", "burgers"}
    assert build(host, "envs", "stefan", diffusivity=0.5).diffusivity == 0.5


def test_the_stefan_flux_at_time_0():
    """Its limit: what flows in is infinite at first, away from the end there is nothing yet. Neither is NaN."""
    law = Stefan()
    x = torch.tensor([0.0, 1e-12, 0.5, 1.0], dtype=torch.float64)
    assert law.flux(0.6, 0.0, x).tolist() == [float("inf"), 0.0, 0.0, 0.0]
    early = law.flux(0.6, 1e-200, x)
    assert early[0] > 1e99
    assert early[1:].tolist() == [0.0, 0.0, 0.0]
    p = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(law.flux(p, 0.0, x)[1:].sum(), p)
    assert float(gradient) == 0.0


@pytest.mark.parametrize("law", [PorousMedium(), Stefan()], ids=lambda law: law.name)
def test_gradients_are_numbers_on_both_sides_of_the_front(law):
    """Ahead of it the solution is 0 whatever the parameter is."""
    value = 3.0 if isinstance(law, PorousMedium) else 0.6
    p = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.5 * law.end], dtype=torch.float64, requires_grad=True)
    x = torch.linspace(*law.domain, 41, dtype=torch.float64)
    for found in (law.solution(p, t, x), law.flux(p, t, x)):
        for wanted in (p, t):
            (whole,) = torch.autograd.grad(found.sum(), wanted, retain_graph=True)
            (ahead,) = torch.autograd.grad(found[-1], wanted, retain_graph=True)
            assert torch.isfinite(whole).all()
            assert float(ahead) == 0.0
    behind = x[x < 0.1]

    def near(p, t):
        return law.solution(p, t, behind)

    assert torch.autograd.gradcheck(near, (p, t))


@pytest.mark.parametrize("kind", ["array", "list", "tuple", "numpy number"])
def test_arguments_of_other_kinds_are_numbers_too(kind):
    numpy = pytest.importorskip("numpy")
    places = [0.1, 0.2, 0.7]
    made = {
        "array": numpy.array(places), "list": places, "tuple": tuple(places), "numpy number": numpy.float64(0.2)
    }[kind]  # fmt: skip
    expected = PorousMedium().solution(2.0, 0.5, torch.as_tensor(made, dtype=torch.float64))
    assert torch.equal(PorousMedium().solution(2.0, 0.5, made), expected)


@pytest.mark.parametrize("wrong", ["a", None, ["a"], [[1.0], [1.0, 2.0]], 1j])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(InvalidInput, match="`x` must be a number or a tensor of them"):
        PorousMedium().solution(2.0, 0.5, wrong)
