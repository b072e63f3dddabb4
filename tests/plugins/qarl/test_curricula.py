"""The curricula. Check 1: divergence, golden trajectory, binding example, threshold, trust region."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Gamma, kl_divergence

from heatbath.core.contracts import Clock
from heatbath.core.errors import InvalidInput
from heatbath.plugins.qarl import curricula
from heatbath.plugins.qarl import options as opt
from heatbath.plugins.qarl.gamma_law import crossing, gamma_kl, sample_gamma
from heatbath.plugins.qarl.self_paced import gamma_log_weights, next_shape, trust_region_edge
from heatbath.testing import build, check_schedule

NOW = Clock(5, 100)
GOLDEN = (43.294, 37.081, 31.361, 26.134, 21.398, 17.153, 13.398, 10.131, 7.350, 5.052, 3.232, 1.881, 1.0)
DIVERGENCES = (46.632, 39.998, 33.864, 28.230, 23.096, 18.463, 14.333, 10.707, 7.588, 4.980, 2.892, 1.338, 0.348, 0.0)
ALPHAS = np.linspace(0.035, 0.065, 30)
STEEP = 10 * (ALPHAS / 0.05) ** 8
"""Returns that fall with the temperature: the mean is 20.3."""


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def heard(temperatures=ALPHAS, returns=STEEP):
    return {"temperatures": torch.as_tensor(temperatures), "returns": torch.as_tensor(returns)}


@pytest.mark.parametrize("name", ["gamma", "single", "linear", "point", "fixed"])
def test_the_curricula_conform(host, name):
    check_schedule(host, f"qarl.{name}", feedback=heard())


@pytest.mark.parametrize("options", [{"self_normalised": True}, {"target": 90.0}, {"threshold": 9.0}, {"pairs": 50}])
def test_the_gamma_law_conforms_with_other_options(host, options):
    check_schedule(host, "qarl.gamma", feedback=heard(), **options)


def test_the_force_conforms(host):
    check_schedule(host, "qarl.force", feedback=heard(np.linspace(0, 3, 30)), force=3.0)


# The law


@pytest.mark.parametrize("k", [0.01, 0.3, 1.0, 7.5, 50.0, 400.0])
@pytest.mark.parametrize("k0", [0.05, 1.0, 50.0])
def test_the_divergence_is_torchs(k, k0):
    laws = (
        Gamma(torch.tensor(shape, dtype=torch.float64), torch.tensor(1e3, dtype=torch.float64)) for shape in (k, k0)
    )
    known = float(kl_divergence(*laws))
    assert gamma_kl(k, k0) == pytest.approx(known, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("shape", [0.05, 0.3, 0.999, 1.0, 1.5, 7.0, 50.0, 1000.0])
def test_draws_have_the_law(shape):
    """Kolmogorov-Smirnov: a false alarm once in 10^4 laws, and the seed is fixed."""
    stats = pytest.importorskip("scipy.stats")
    drawn = sample_gamma(shape, 1000.0, 20_000, seeded(1))
    assert (drawn.dtype, tuple(drawn.shape)) == (torch.float64, (20_000,))
    assert float(drawn.min()) > 0
    assert stats.kstest(drawn.numpy(), stats.gamma(shape, scale=1e-3).cdf).pvalue > 1e-4


def test_draws_follow_the_generator():
    assert torch.equal(sample_gamma(2.0, 1.0, 9, seeded(3)), sample_gamma(2.0, 1.0, 9, seeded(3)))
    generator = seeded(3)
    assert not torch.equal(sample_gamma(2.0, 1.0, 9, generator), sample_gamma(2.0, 1.0, 9, generator))


def test_drawing_makes_no_host_wait(accelerator):
    with accelerator.counting() as drawing:
        drawn = sample_gamma(0.5, 10.0, 30, accelerator.generator())
    assert drawn.device == accelerator.device
    assert (drawing.syncs, drawing.uploads) == (0, 0), drawing


@pytest.mark.parametrize(("good", "bad"), [(0.0, 3.0), (3.0, 0.0)])
def test_a_crossing_is_found_from_its_good_side(good, bad):
    root, sign = 1.7, 1.0 if good < bad else -1.0

    def f(x):
        return sign * (root**5 - x**5)

    found = crossing(f, good, bad)
    assert found == pytest.approx(root, rel=1e-14)
    assert f(found) >= 0


# The update


def test_the_golden_trajectory(host):
    schedule = build(host, "schedules", "qarl.gamma", threshold=0.0)
    shapes, divergences = [], [gamma_kl(50.0, 1.0)]
    while schedule.shape > 1.0:
        before = schedule.shape
        schedule.observe(heard(returns=np.ones(30)))
        assert gamma_kl(schedule.shape, before) <= 0.5
        shapes.append(schedule.shape)
        divergences.append(gamma_kl(schedule.shape, 1.0))
    np.testing.assert_allclose(shapes, GOLDEN, rtol=0, atol=1e-3)
    np.testing.assert_allclose(divergences, DIVERGENCES, rtol=0, atol=1e-3)
    schedule.observe(heard(returns=np.ones(30)))
    assert schedule.shape == 1.0
    assert schedule.value(NOW) == pytest.approx(1e-3)


def test_the_binding_example(host):
    schedule = build(host, "schedules", "qarl.gamma", threshold=9.0)
    schedule.observe(heard())
    assert schedule.shape == pytest.approx(45.600, abs=1e-3)
    weights = np.exp(gamma_log_weights(ALPHAS, 1000.0, 50.0)(schedule.shape))
    assert np.mean(weights * STEEP) == pytest.approx(9.0, abs=1e-9)


def test_weights_that_are_not_normalised_hide_what_binds(host):
    """At the edge of the trust region their mean is 1.329 here, so that flat returns seem to grow by a third."""
    edge = trust_region_edge(50.0, 1.0, 0.5)
    assert np.exp(gamma_log_weights(ALPHAS, 1000.0, 50.0)(edge)).mean() == pytest.approx(1.329, abs=1e-3)
    careless, careful = (
        build(host, "schedules", "qarl.gamma", threshold=9.0, self_normalised=how) for how in (False, True)
    )
    for schedule in (careless, careful):
        schedule.observe(heard())
    assert careless.shape < careful.shape < 50.0
    weights = np.exp(gamma_log_weights(ALPHAS, 1000.0, 50.0)(careful.shape))
    assert weights @ STEEP / weights.sum() == pytest.approx(9.0, abs=1e-9)


def test_it_stands_still_below_the_threshold_and_forgets(host):
    schedule = build(host, "schedules", "qarl.gamma", threshold=STEEP.mean() + 1e-9)
    schedule.observe(heard())
    assert schedule.shape == 50.0
    assert schedule.state_dict() == {"shape": 50.0, "temperatures": [], "returns": []}


def test_it_waits_for_enough_pairs(host):
    schedule = build(host, "schedules", "qarl.gamma", threshold=0.0)
    schedule.observe(heard(ALPHAS[:29], STEEP[:29]))
    assert schedule.shape == 50.0
    again = build(host, "schedules", "qarl.gamma", threshold=0.0)
    again.load_state_dict(schedule.state_dict())
    for one in (schedule, again):
        one.observe(heard(ALPHAS[29:], STEEP[29:]))
    assert schedule.shape == again.shape == pytest.approx(43.294, abs=1e-3)


def test_a_target_above_is_reached_too(host):
    schedule = build(host, "schedules", "qarl.gamma", shape=1.0, target=50.0, threshold=0.0)
    for _ in range(40):
        before = schedule.shape
        schedule.observe(heard(returns=np.ones(30)))
        assert before <= schedule.shape <= 50.0
        assert gamma_kl(schedule.shape, before) <= 0.5
    assert schedule.shape == 50.0


returns_of_a_batch = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=20)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-1.5, 2.3),
    st.floats(-1.5, 2.3),
    st.floats(-3, 1),
    st.floats(-25, 25),
    returns_of_a_batch,
    st.integers(0, 10),
    st.booleans(),
)
def test_the_update_is_the_best_that_the_constraints_allow(log_k, log_target, log_eps, threshold, returns, seed, norm):
    """Never beyond trust region, threshold or target; and nothing nearer to the target is allowed."""
    k, target, eps, returns = 10.0**log_k, 10.0**log_target, 10.0**log_eps, np.array(returns)
    alphas = np.maximum(np.random.default_rng(seed).gamma(k, 1e-3, len(returns)), 1e-300)
    weights = gamma_log_weights(alphas, 1000.0, k)
    found = next_shape(k, target, eps, threshold, weights, returns, norm)
    if returns.mean() < threshold:
        assert found == k
        return

    def earned(shape):
        w = np.exp(np.minimum(weights(shape), 700.0))
        return w @ returns / (w.sum() if norm else len(w))

    assert min(k, target) <= found <= max(k, target)
    assert gamma_kl(found, k) <= eps * (1 + 1e-12) + 1e-12
    assert earned(found) >= threshold - 1e-9 * (1 + abs(threshold))
    edge = trust_region_edge(k, target, eps)
    for part in np.arange(0, 64) / 64:  # towards the edge of the trust region
        nearer = edge + (k - edge) * part
        if abs(nearer - target) < abs(found - target) * (1 - 1e-9):
            assert earned(nearer) < threshold + 1e-9 * (1 + abs(threshold))


@settings(max_examples=100, deadline=None)
@given(st.floats(-2, 3), st.floats(-2, 3), st.floats(-4, 1))
def test_the_trust_region_is_never_left(log_k, log_target, log_eps):
    k, target, eps = 10.0**log_k, 10.0**log_target, 10.0**log_eps
    edge = trust_region_edge(k, target, eps)
    assert gamma_kl(edge, k) <= eps
    if edge != target:
        assert gamma_kl(edge, k) == pytest.approx(eps, rel=1e-6, abs=1e-9)


# Its variants


def test_one_draw_serves_all(host):
    drawn = build(host, "schedules", "qarl.single").sample(NOW, 5, seeded())
    assert len(set(drawn.tolist())) == 1
    assert float(drawn[0]) == float(build(host, "schedules", "qarl.gamma").sample(NOW, 1, seeded())[0])


def test_the_line_ends_after_two_thirds(host):
    schedule = build(host, "schedules", "qarl.linear")
    assert [schedule.value(Clock(step, 300)) for step in (0, 100, 200, 300)] == pytest.approx(
        [0.05, 0.0255, 1e-3, 1e-3]
    )


def test_the_point_falls_when_returns_are_good(host):
    schedule = build(host, "schedules", "qarl.point", pairs=2, threshold=1.0, end=0.0485)
    for returns, expected in (([2.0, 2.0], 0.049), ([1.0, 1.0], 0.049), ([3.0, 0.0], 0.0485), ([9.0, 9.0], 0.0485)):
        schedule.observe({"temperatures": [0.05, 0.05], "returns": returns})
        assert schedule.value(NOW) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [50.0, 13.0, 1.5])
def test_the_mean_force_is_in_closed_form(host, shape):
    """Against 2 10^5 draws: four standard errors, a false alarm once in 16 000 seeds."""
    schedule = build(host, "schedules", "qarl.force", force=3.0)
    schedule.shape = shape
    drawn = schedule.sample(NOW, 200_000, seeded())
    error = float(drawn.std()) / math.sqrt(len(drawn))
    assert abs(float(drawn.mean()) - schedule.value(NOW)) <= 4 * error
    assert 0.0 <= float(drawn.min()) <= float(drawn.max()) <= 3.0


def test_forces_are_weighed_by_their_own_law(host):
    """E_old[w f] is the mean force of the new law, where many forces are clipped at either end."""
    schedule = build(host, "schedules", "qarl.force", force=3.0, shape=2.0, target=1.0, rate=40.0)
    schedule.m0, schedule.m1 = 0.05, 0.03
    drawn = schedule.sample(NOW, 200_000, seeded())
    assert float((drawn == 0).double().mean()) > 0.1
    assert float((drawn == 3).double().mean()) > 0.1
    weighed = np.exp(schedule._log_weights(drawn.numpy())(1.6)) * drawn.numpy()
    schedule.shape = 1.6
    assert abs(weighed.mean() - schedule.value(NOW)) <= 4 * weighed.std() / math.sqrt(len(drawn))


def test_the_force_grows_to_its_limit(host):
    schedule = build(host, "schedules", "qarl.force", threshold=0.0)
    means = [schedule.value(NOW)]
    for step in range(13):
        schedule.observe({"temperatures": schedule.sample(NOW, 30, seeded(step)), "returns": np.ones(30)})
        means.append(schedule.value(NOW))
    assert (np.diff(means) > 0).all()
    assert schedule.shape == 1.0
    assert means[-1] == pytest.approx(0.99, abs=0.01)


# Bad input


@pytest.mark.parametrize(
    ("temperatures", "returns", "message"),
    [
        ([0.05, 0.05], [1.0], "a return for every temperature, got 1 for 2"),
        ([0.05], [math.nan], "`feedback:returns`: expected finite numbers, got nan"),
        ([math.inf], [1.0], "`feedback:temperatures`: expected finite numbers, got inf"),
        ([0.0], [1.0], "expected positive temperatures, got 0"),
        ([-0.1], [1.0], "expected positive temperatures, got -0.1"),
    ],
)
def test_pairs_that_are_none_are_refused(host, temperatures, returns, message):
    with pytest.raises(InvalidInput, match=message):
        build(host, "schedules", "qarl.gamma").observe({"temperatures": temperatures, "returns": returns})


def test_forces_out_of_range_are_refused(host):
    with pytest.raises(InvalidInput, match=r"expected forces in \[0, 1\], got \[1.5\]"):
        build(host, "schedules", "qarl.force").observe({"temperatures": [1.5], "returns": [1.0]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (lambda: opt.Gamma(shape=0.0), "`shape` must be positive and finite, got 0.0"),
        (lambda: opt.Gamma(rate=math.inf), "`rate` must be positive and finite, got inf"),
        (lambda: opt.Gamma(max_kl=math.nan), "`max_kl` must be positive and finite, got nan"),
        (lambda: opt.Gamma(threshold=math.nan), "`threshold` must be finite, got nan"),
        (lambda: opt.Gamma(pairs=0), "`pairs` must be at least 1, got 0"),
        (lambda: opt.Force(force=-1.0), "`force` must be positive and finite, got -1.0"),
        (lambda: opt.Linear(until=0.0), "`until` must lie in"),
        (lambda: opt.Linear(end=0.0), "`end` must be positive and finite, got 0.0"),
        (lambda: opt.Point(end=0.1), "`end` must be at most `start`"),
        (lambda: opt.Fixed(temperature=0.0), "`temperature` must be positive and finite"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        options()


def test_zero_dimensional_feedback_is_one_pair():
    drawn, returns = curricula.pairs({"temperatures": torch.tensor(0.05), "returns": torch.tensor(3.0)})
    assert (drawn.shape, returns.shape) == ((1,), (1,))
