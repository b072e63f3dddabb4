"""The model, and members merged into one law."""

import torch

from heatbath.core.contracts import Gaussian
from heatbath.plugins.probconserv.ensemble import merged, stacked, unstacked
from heatbath.solvers.gaussian.covariance import dense, of_gaussian
from heatbath.testing import build

K, B, N = 4, 3, 8


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def law(seed=0):
    return Gaussian(
        draw(K, B, N, seed=seed), 1 + draw(K, B, N, seed=seed + 1).square(), 0.1 * draw(K, B, N, 2), draw(K, B, N, 1)
    )


def test_the_merged_law_has_the_moments_of_the_mixture():
    members = law()
    covariances = dense(of_gaussian(members))
    deviations = members.mean - members.mean.mean(0)
    between = (deviations.unsqueeze(-1) * deviations.unsqueeze(-2)).mean(0)
    found = merged(members)
    torch.testing.assert_close(found.mean, members.mean.mean(0))
    torch.testing.assert_close(dense(of_gaussian(found)), covariances.mean(0) + between)
    torch.testing.assert_close(found.marginal_variance, dense(of_gaussian(found)).diagonal(dim1=-2, dim2=-1))


def test_one_member_is_itself():
    one = Gaussian(draw(1, B, N), draw(1, B, N, seed=1).exp())
    torch.testing.assert_close(merged(one).marginal_variance, one.variance[0])


def test_stacking_and_back():
    members = law()
    again = unstacked(stacked(members), K)
    for part in ("mean", "variance", "factor", "spread"):
        assert torch.equal(getattr(again, part), getattr(members, part))


def test_members_that_conserve_make_a_law_that_conserves(host):
    x = torch.linspace(0, 1, N, dtype=torch.float64)
    facts = {"fact:grid": x, "fact:mass": torch.tensor([0.1, 0.2, 0.3]).repeat(K)}
    bound = build(host, "constraints", "mass").at(facts)
    members = Gaussian(draw(K, B, N), draw(K, B, N, seed=1).exp())
    found = merged(unstacked(bound.condition(stacked(members)), K))
    w = bound.constraint.rows.weights
    torch.testing.assert_close(found.mean @ w, facts["fact:mass"][:B].double(), rtol=0, atol=1e-13)
    assert (dense(of_gaussian(found)) @ w).abs().max() < 1e-13
    draws = of_gaussian(found).draw((100, B, N), torch.Generator().manual_seed(0))
    assert (draws @ w).abs().max() < 1e-7  # the square root of round-off: a factor of a singular matrix


def test_the_model_is_its_members_side_by_side(host):
    model = build(host, "models", "deep-ensemble", facts={"features": 3}, members=2, hidden=5, layers=2).double()
    points = draw(2, 7, 3)
    mean, variance = model(points)
    assert mean.shape == variance.shape == (2, 7)
    assert (variance >= model.least_deviation**2).all()
    for k in range(2):
        h = points[k]
        for layer, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
            h = h @ weight[k] + bias[k]
            h = h if layer == 2 else torch.nn.functional.gelu(h)
        torch.testing.assert_close(mean[k], h[:, 0])
        torch.testing.assert_close(variance[k].sqrt(), torch.nn.functional.softplus(h[:, 1]) + model.least_deviation)
    (mean[0].sum() + variance[0].sum()).backward()
    assert all(p.grad[1].abs().max() == 0 for p in model.parameters())  # members learn nothing from each other
