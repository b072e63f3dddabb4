"""Losses and metrics: conformance, closed forms, gradients through the conditioning."""

import math

import pytest
import torch

from heatbath.core.contracts import Clock, Gaussian, StepContext
from heatbath.solvers.gaussian.likelihood import crps, pointwise_log_likelihood
from heatbath.testing import build, check_loss, check_metric

N = 9
X = torch.linspace(0, 1, N, dtype=torch.float64)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def see(component, values):
    return component(StepContext(Clock(0, 1), values))


@pytest.mark.parametrize("conditioned", [True, False])
@pytest.mark.parametrize("name", ["probconserv.nll", "probconserv.crps"])
def test_losses_conform(host, name, conditioned):
    check_loss(host, name, conditioned=conditioned)


@pytest.mark.parametrize("name", ["probconserv.nll", "probconserv.crps"])
def test_gradients_go_through_the_conditioning(host, name):
    loss, constraint = build(host, "losses", name), build(host, "constraints", "mass")
    target = draw(2, N, seed=1)

    def score(mean, variance, mass):
        bound = constraint.at({"fact:grid": X, "fact:mass": mass})
        return see(loss, {"belief": Gaussian(mean, variance), "target": target, "constraint": bound}).value

    inputs = (draw(2, N), 0.1 + draw(2, N, seed=2).square(), draw(2, seed=3))
    assert torch.autograd.gradcheck(score, [value.requires_grad_() for value in inputs])


def test_what_training_sees_is_the_conditioned_law(host):
    law, target = Gaussian(draw(2, N), 0.1 + draw(2, N, seed=2).square()), draw(2, N, seed=1)
    bound = build(host, "constraints", "mass").at({"fact:grid": X, "fact:mass": torch.zeros(2)})
    values = {"belief": law, "target": target, "constraint": bound}
    through = see(build(host, "losses", "probconserv.nll"), values)
    plain = see(build(host, "losses", "probconserv.nll", conditioned=False), {**values, "belief": bound.condition(law)})
    torch.testing.assert_close(through.value, plain.value)
    assert float(through.diagnostics["missing_mass"]) == pytest.approx(float(bound.residual(law.mean).abs().mean()))


def test_the_ranked_probability_score_is_its_integral():
    """CRPS = integral of (F(y) - 1[y >= target])^2."""
    y = torch.linspace(-30, 30, 600_001, dtype=torch.float64)
    for mean, variance, target in ((0.3, 2.0, 1.1), (-1.0, 0.25, -4.0)):
        step = torch.special.ndtr((y - mean) / math.sqrt(variance)) - (y >= target).double()
        expected = float(torch.trapezoid(step.square(), y))
        found = crps(*(torch.tensor(v, dtype=torch.float64) for v in (target, mean, variance)))
        assert float(found) == pytest.approx(expected, abs=1e-4)


def test_the_log_likelihood_is_that_of_torch():
    mean, variance, target = draw(5), draw(5, seed=1).square(), draw(5, seed=2)
    expected = torch.distributions.Normal(mean, variance.sqrt()).log_prob(target)
    torch.testing.assert_close(pointwise_log_likelihood(target, mean, variance, floor=1e-30), expected)
    assert pointwise_log_likelihood(mean, mean, torch.zeros(5, dtype=torch.float64)).isfinite().all()


@pytest.mark.parametrize("name", ["conservation-error", "log-likelihood", "field-mse", "mahalanobis-error", "coverage"])
def test_metrics_conform(host, name):
    check_metric(host, name)


def measure(host, name, **values):
    metric = build(host, "metrics", name)
    metric.update(StepContext(Clock(0, 1), values, "evaluate"))
    return metric.compute()


def test_metrics_of_a_law_that_is_known(host):
    law = Gaussian(torch.zeros(2, N, dtype=torch.float64), torch.full((2, N), 4.0, dtype=torch.float64))
    target = torch.ones(2, N, dtype=torch.float64)
    assert measure(host, "field-mse", belief=law, target=target) == 1.0
    expected = -0.5 * (0.25 + math.log(8 * math.pi))
    assert measure(host, "log-likelihood", belief=law, target=target) == pytest.approx(expected)
    prior = torch.full((2, N), 0.5, dtype=torch.float64)
    assert measure(host, "mahalanobis-error", belief=law, target=target, **{"fact:prior_variance": prior}) == 2.0
    bound = build(host, "constraints", "mass").at({"fact:grid": X, "fact:mass": torch.tensor([0.1, -0.4])})
    assert measure(host, "conservation-error", belief=law, constraint=bound) == pytest.approx(0.4, abs=1e-7)


def test_coverage_of_a_right_law_is_its_level(host):
    """40 000 points: within 5 standard errors of 0.95."""
    law = Gaussian(torch.zeros(200, 200, dtype=torch.float64), torch.full((200, 200), 0.3, dtype=torch.float64))
    found = measure(host, "coverage", belief=law, target=0.3**0.5 * draw(200, 200))
    assert abs(found - 0.95) < 5 * (0.95 * 0.05 / 40_000) ** 0.5


@pytest.mark.parametrize(
    ("kind", "name", "options", "message"),
    [
        ("losses", "probconserv.nll", {"floor": 0.0}, "`floor` must be positive, got 0.0"),
        ("metrics", "log-likelihood", {"floor": -1.0}, "`floor` must be positive"),
        ("metrics", "coverage", {"level": 1.0}, "`level` must lie between 0 and 1, got 1.0"),
        ("models", "deep-ensemble", {"members": 0}, "`members` must be at least 1, got 0"),
        ("models", "deep-ensemble", {"least_deviation": 0.0}, "`least_deviation` must be positive"),
    ],
)
def test_options_are_checked(host, kind, name, options, message):
    with pytest.raises(Exception, match=message):
        build(host, kind, name, **options)
