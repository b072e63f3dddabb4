"""Known masses as constraints: conformance, and what each does to a law."""

import pytest
import torch

from heatbath.core.choices import Pick
from heatbath.core.contracts import Gaussian
from heatbath.plugins.probconserv.constraints import smoothed
from heatbath.solvers.gaussian.covariance import dense, of_gaussian
from heatbath.testing import build, check_constraint

N = 18
X = torch.linspace(0, 1, N, dtype=torch.float64)
FACTS = {"fact:grid": X, "fact:mass": torch.tensor([0.1, 0.2, 0.3, 0.4])}


def belief(seed=0, batch=4):
    mean, spread = torch.randn(2, batch, N, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Gaussian(mean, 0.1 * spread.exp())


@pytest.mark.parametrize("rule", ["trapezoid", "left", "right", "simpson"])
@pytest.mark.parametrize("name", ["mass", "hardc"])
def test_they_conform(host, name, rule):
    check_constraint(host, name, values=FACTS, rule=rule)


def test_noise_and_smoothing_conform(host):
    check_constraint(host, "mass", values=FACTS, noise=0.1, exact=False)
    check_constraint(host, "smooth-mass", values=FACTS)
    check_constraint(
        host, "mass", values={**FACTS, "fact:grid": X.expand(4, N)}, solver=Pick("solvers", "gaussian-dense")
    )


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_paper_s_formula(host, noise):
    """mean' = mean - s r / S, variance' = variance - s^2 / S."""
    law = belief()
    after = build(host, "constraints", "mass", noise=noise).at(FACTS).condition(law)
    w = torch.full((N,), 1 / (N - 1), dtype=torch.float64)
    w[[0, -1]] /= 2
    s = law.variance * w
    S, r = (s @ w + noise**2).unsqueeze(1), (law.mean @ w - FACTS["fact:mass"]).unsqueeze(1)
    torch.testing.assert_close(after.mean, law.mean - s * r / S, rtol=0, atol=1e-13)
    torch.testing.assert_close(after.marginal_variance, law.variance - s.square() / S, rtol=0, atol=1e-13)
    found = build(host, "constraints", "mass", noise=noise).at(FACTS).chi_square(law)
    torch.testing.assert_close(found, (r.square() / S).squeeze(1))


def test_smoothing_is_conditioning_on_flat_differences(host):
    law, a = belief(batch=2), 0.9
    D = torch.zeros(N - 2, N, dtype=torch.float64)
    for i in range(N - 2):
        D[i, i : i + 3] = torch.tensor([1.0, -2.0, 1.0])
    s = law.variance.sqrt()
    # The noise is the variance of a second difference with correlation a^|i-j| between neighbours.
    correlation = a ** (torch.arange(N).unsqueeze(1) - torch.arange(N)).abs().double()
    rough = s.unsqueeze(2) * correlation * s.unsqueeze(1)
    R = torch.diag_embed((D @ rough @ D.T).diagonal(dim1=1, dim2=2))
    sigma = torch.diag_embed(law.variance)
    gain = sigma @ D.T @ torch.linalg.inv(D @ sigma @ D.T + R)
    found = smoothed(law, a)
    torch.testing.assert_close(found.mean, law.mean - (gain @ D @ law.mean.unsqueeze(2)).squeeze(2), rtol=0, atol=1e-11)
    torch.testing.assert_close(dense(found.covariance), sigma - gain @ D @ sigma, rtol=0, atol=1e-11)
    facts = {"fact:grid": X, "fact:mass": torch.tensor([0.1, 0.2])}
    after = build(host, "constraints", "smooth-mass").at(facts).condition(law)
    assert after.mean.diff(n=2).square().sum() < law.mean.diff(n=2).square().sum()
    w = torch.full((N,), 1 / (N - 1), dtype=torch.float64)
    w[[0, -1]] /= 2
    torch.testing.assert_close(after.mean @ w, facts["fact:mass"].double(), rtol=0, atol=1e-13)
    assert (dense(of_gaussian(after)) @ w).abs().max() < 1e-13


def test_hardc_spreads_evenly_and_keeps_the_variances(host):
    law = belief()
    after = build(host, "constraints", "hardc").at(FACTS).condition(law)
    moved = after.mean - law.mean
    inner = moved[:, 1:-1]
    torch.testing.assert_close(inner, inner[:, :1].expand_as(inner), rtol=0, atol=1e-13)
    torch.testing.assert_close(after.marginal_variance, law.variance, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mass", {"noise": -1}, "`noise` must be at least 0, got -1"),
        ("mass", {"rule": "cells"}, "--it.rule|rule"),
        ("smooth-mass", {"correlation": 1.0}, "`correlation` must lie between -1 and 1, got 1.0"),
        ("smooth-mass", {"noise": float("inf")}, "`noise` must be at least 0"),
    ],
)
def test_options_are_checked(host, name, options, message):
    with pytest.raises(Exception, match=message):
        build(host, "constraints", name, **options)
