"""Bounds and monotone profiles with their mass kept, against enumeration and general optimisers."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import Diagonal, LinearConstraint, condition, monotone_fill, water_fill


def problem(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    mean, d, w = (torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(3))
    return mean, 0.1 + d.abs(), 0.1 + w.abs().reshape(-1, shape[-1])[0]


def enumerated(mean, d, w, mass, lower, upper):
    """The minimiser by trying every set of points held at a bound."""
    best = None
    for held in itertools.product((-1, 0, 1), repeat=len(mean)):
        state = torch.tensor(held)
        free = state == 0
        y = torch.where(free, mean, torch.where(state < 0, lower, upper))
        if free.any():
            s = torch.where(free, d * w, 0.0)
            y = y - s * ((w @ y) - mass) / (w @ s)
        if abs(float(w @ y - mass)) > 1e-9 or (y < lower - 1e-12).any() or (y > upper + 1e-12).any():
            continue
        cost = float(((y - mean).square() / d).sum())
        if best is None or cost < best[0]:
            best = (cost, y)
    return best[1]


@pytest.mark.parametrize("seed", range(12))
def test_water_filling_is_the_best_of_all_active_sets(seed):
    mean, d, w = problem(seed, 6)
    lower, upper = torch.full((6,), -0.2, dtype=torch.float64), torch.full((6,), 0.9, dtype=torch.float64)
    share = torch.rand((), generator=torch.Generator().manual_seed(seed + 100), dtype=torch.float64)
    mass = w.sum() * (-0.2 + 1.1 * share)
    filled = water_fill(mean, d, w, mass, lower, upper)
    torch.testing.assert_close(filled, enumerated(mean, d, w, mass, lower, upper), rtol=0, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 60), st.floats(0.0, 1.0), st.booleans())
def test_mass_and_bounds_hold(seed, n, share, bounded):
    mean, d, w = problem(seed, 4, n)
    top = 1.0 if bounded else float("inf")
    mass = w.sum() * share * (1.0 if bounded else 3.0)
    y = water_fill(mean, d, w, mass, 0.0, top)
    assert (y >= 0).all()
    assert (y <= top).all()
    assert ((y @ w) - mass).abs().max() < 1e-12 * max(1.0, float(mass))


def test_without_bounds_it_is_conditioning():
    mean, d, w = problem(0, 5, 40)
    y = water_fill(mean, d, w, 2.0, -float("inf"), float("inf"))
    posterior = condition(mean, Diagonal(d), LinearConstraint.weighted(w, 2.0))
    torch.testing.assert_close(y, posterior.mean, rtol=0, atol=1e-12)


def test_points_without_variance_or_weight_only_obey_the_bounds():
    mean = torch.tensor([0.5, -1.0, 0.4, 2.0], dtype=torch.float64)
    d = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    w = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    assert water_fill(mean, d, w, 1.2, 0.0, 1.0).tolist() == pytest.approx([0.5, 0.0, 0.7, 1.0])


def test_negative_weights_are_weights():
    """Simpson's rule on uneven grids has some."""
    mean, d, _ = problem(3, 5)
    w = torch.tensor([1.0, -0.5, 1.0, 2.0, 0.5], dtype=torch.float64)
    lower, upper = torch.zeros(5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    for mass in (-0.3, 0.5, 3.0):
        filled = water_fill(mean, d, w, mass)
        assert float(w @ filled) == pytest.approx(mass, abs=1e-12)
        if mass < 3:
            expected = enumerated(mean, d, w, mass, lower, upper)
            torch.testing.assert_close(water_fill(mean, d, w, mass, 0.0, 1.0), expected, rtol=0, atol=1e-10)


def test_water_filling_has_gradients():
    mean, d, w = problem(1, 3, 8)
    mass = torch.tensor([0.4, 1.0, 2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(water_fill, [item.requires_grad_() for item in (mean, d, w, mass)])


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_monotone_profiles_are_those_of_a_quadratic_programme(seed, rising):
    optimize = pytest.importorskip("scipy.optimize")
    mean, d, w = problem(seed, 12)
    y = monotone_fill(mean, d, w, 1.5, rising=rising)
    sign = 1.0 if rising else -1.0
    found = optimize.minimize(
        lambda z: (((z - mean.numpy()) ** 2) / d.numpy()).sum(),
        y.numpy() * 0 + 1.5 / float(w.sum()),
        jac=lambda z: 2 * (z - mean.numpy()) / d.numpy(),
        method="SLSQP",
        constraints=[
            {"type": "eq", "fun": lambda z: z @ w.numpy() - 1.5},
            {"type": "ineq", "fun": lambda z: sign * (z[1:] - z[:-1])},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert (sign * y.diff() >= 0).all()
    assert float(w @ y) == pytest.approx(1.5, abs=1e-13)
    cost = float(((y - mean).square() / d).sum())
    assert cost <= found.fun * (1 + 1e-7)
    assert cost == pytest.approx(found.fun, rel=1e-6)


def closest_monotone(mean, d, w, mass):
    """The rising minimiser by trying every division into pools of neighbours: the best of those that rise."""
    n, best = len(mean), (float("inf"), None)
    for cuts in itertools.product((0, 1), repeat=n - 1):
        pool = torch.tensor([0, *itertools.accumulate(cuts)])
        members = torch.nn.functional.one_hot(pool).double()
        precision, share, pull = members.T @ (1 / d), members.T @ w, members.T @ (mean / d)
        value = (pull - share * ((share @ (pull / precision) - mass) / (share @ (share / precision)))) / precision
        cost = float(((value[pool] - mean).square() / d).sum())
        if bool((value.diff() >= 0).all()) and cost < best[0]:
            best = cost, value[pool]
    return best[1]


def test_a_level_far_from_the_first_one_is_found():
    """At level 0 one pool holds both points; at the right level each is its own."""
    mean, d = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([1.0, 0.01], dtype=torch.float64)
    y = monotone_fill(mean, d, torch.ones(2), 6.05)
    assert y.tolist() == pytest.approx([5.0, 1.05], abs=1e-12)
    assert float(((y - mean).square() / d).sum()) == pytest.approx(25.25, abs=1e-10)


@pytest.mark.parametrize("rising", [False, True])
def test_monotone_profiles_are_the_best_of_all_pools(rising):
    """Unsorted and sorted means either way, variances over decades, totals near and far."""
    for seed in range(150):
        generator = torch.Generator().manual_seed(seed)
        n = 2 + seed % 6
        mean, d, w = torch.randn(3, n, generator=generator, dtype=torch.float64)
        mean = mean if seed % 3 == 0 else mean.sort(descending=seed % 3 == 1).values
        d, w = (2 * d).exp(), 0.1 + w.abs()
        mass = float(w @ mean) + (0.0, 1.0, -10.0, 100.0, -1000.0)[seed % 5]
        turned = (lambda z: z) if rising else (lambda z: z.flip(-1))
        expected = turned(closest_monotone(turned(mean), turned(d), turned(w), mass))
        y = monotone_fill(mean, d, w, mass, rising=rising)
        torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-9, msg=lambda text, seed=seed: f"{seed}: {text}")


def test_long_monotone_profiles_meet_the_conditions_of_the_optimum():
    """Necessary and sufficient for a convex problem: a level, and forces between neighbours that never pull.

    With g_i = (y_i - mu_i) / d_i + level w_i, cumulative sums of g are the forces: 0 in all, at most 0 throughout, and
    0 where the profile rises.
    """
    for seed in range(400):
        generator = torch.Generator().manual_seed(seed)
        n = 2 + seed % 18
        mean, d, w = torch.randn(3, n, generator=generator, dtype=torch.float64)
        mean = mean.sort(descending=seed % 2 == 0).values if seed % 3 else mean
        d, w = (2 * d).exp(), 0.1 + w.abs()
        mass = w @ mean + (0.0, 1.0, -10.0, 100.0, -1000.0)[seed % 5]
        y = monotone_fill(mean, d, w, mass, rising=True)
        gap = (y - mean) / d
        level = -gap.sum() / w.sum()
        force = (gap + level * w).cumsum(0)[:-1]
        scale = float(((y.abs() + mean.abs()) / d).sum())
        assert bool((y.diff() >= 0).all()), seed
        assert abs(float(w @ y - mass)) < 1e-11 * (1 + abs(float(mass))), seed
        assert bool((force <= 1e-12 * scale).all()), (seed, force)
        assert bool((force.abs()[y.diff() > 0] < 1e-12 * scale).all()), (seed, force)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(2, 80), st.floats(-3.0, 3.0))
def test_monotone_profiles_keep_their_mass(seed, n, mass):
    mean, d, w = problem(seed, 2, n)
    y = monotone_fill(mean, d, w, mass)
    assert (y.diff() <= 0).all()
    assert ((y @ w) - mass).abs().max() < 1e-11


def test_a_monotone_mean_is_only_conditioned():
    mean, d, w = torch.linspace(2, 0, 9, dtype=torch.float64), torch.ones(9, dtype=torch.float64), torch.full((9,), 0.1)
    y = monotone_fill(mean, d, w, 1.0)
    torch.testing.assert_close(y, mean + (1.0 - mean.mean() * 0.9) / 0.9, rtol=0, atol=1e-7)


def test_monotone_filling_has_gradients():
    mean, d, w = problem(5, 2, 7)
    mass = torch.tensor([0.4, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(monotone_fill, [item.requires_grad_() for item in (mean, d, w, mass)])


ONES = torch.ones(3, dtype=torch.float64)
INFINITE = torch.tensor([1.0, float("inf"), 1.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: water_fill(ONES, ONES, ONES, -1.0),
            "no field within the bounds has the mass -1: `lower` alone makes it 0",
        ),
        (lambda: water_fill(ONES, ONES, ONES, 4.0, 0.0, 1.0), "mass 4: `upper` alone makes it 3"),
        (lambda: water_fill(ONES, -ONES, ONES, 1.0), "negative or NaN: the least is -1"),
        (lambda: water_fill(ONES, ONES * float("nan"), ONES, 1.0), "negative or NaN"),
        (lambda: water_fill(ONES, ONES, ONES, 1.0, 2.0, 1.0), "`lower` must not exceed `upper`, got 2 and 1"),
        (lambda: water_fill(ONES * float("nan"), ONES, ONES, 1.0), "NaN or infinite"),
        (lambda: monotone_fill(ONES, 0 * ONES, ONES, 1.0), "positive `variance`, got 3 zeros"),
        (lambda: monotone_fill(ONES, -2 * ONES, ONES, 1.0), "to be positive, got .* the least is -2"),
        (lambda: monotone_fill(ONES, float("nan") * ONES, ONES, 1.0), "3 are NaN"),
        (lambda: monotone_fill(ONES, INFINITE, ONES, 1.0), "`variance` has 1 infinite values; a flat prior"),
        (lambda: monotone_fill(ONES, ONES, INFINITE, 1.0), "`weights` has 1 values that are NaN or infinite"),
        (lambda: water_fill(ONES, INFINITE, ONES, 1.0), "`variance` has 1 infinite values; a flat prior"),
        (lambda: water_fill(ONES, INFINITE, 0 * ONES, 0.0), "`variance` has 1 infinite values; a flat prior"),
        (lambda: water_fill(ONES, ONES, ONES, float("inf")), "`mass` has 1 values that are NaN or infinite"),
        (lambda: water_fill(ONES, ONES, ONES, 1.0, float("nan")), "must not exceed `upper`, got nan and inf"),
        (lambda: water_fill([1.0], ONES, ONES, 1.0), "`mean` must be a tensor .* got list"),
        (
            lambda: water_fill(ONES, ONES[:2], ONES, 1.0),
            r"same number of points .* `variance` \(2,\), `weights` \(3,\)",
        ),
        (
            lambda: water_fill(ONES.expand(2, 3), ONES.expand(4, 3), ONES, 1.0),
            r"`mean` \(2,\), `variance` \(4,\), `weights` \(\)",
        ),
        (
            lambda: water_fill(ONES, ONES, ONES, torch.ones(2)),
            r"`mass` must be a number or have shape \(\), one a field, got \(2,\)",
        ),
        (lambda: water_fill(ONES, ONES, ONES, 1.0, torch.zeros(2)), r"same number of points .* `lower` \(2,\)"),
        (lambda: monotone_fill(ONES, ONES[:2], ONES, 1.0), "same number of points"),
        (lambda: monotone_fill(ONES, ONES, ONES, torch.ones(2)), "`mass` must be a number or have shape"),
        (lambda: monotone_fill(ONES, ONES, 0 * ONES, 1.0), "positive sum, got 0"),
    ],
)
def test_what_cannot_be_filled_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
