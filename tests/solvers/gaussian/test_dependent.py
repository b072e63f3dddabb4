"""Rows that depend on each other almost, exactly, or contradict each other."""

import pytest
import torch

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import (
    BlockDiagonal,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    LinearConstraint,
    condition,
)

N = 48


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape, seed=1):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spd():
    root = normal(N, N, seed=2)
    return root @ root.T / N


LAWS = {
    "diagonal": lambda: Diagonal(0.1 + uniform(N)),
    "deviations over five decades": lambda: Diagonal(10 ** (-10 * uniform(N))),
    "low rank": lambda: DiagonalPlusLowRank(0.1 + uniform(N), normal(N, 3, seed=3)),
    "low rank, nearly alone": lambda: DiagonalPlusLowRank(1e-10 * (0.1 + uniform(N)), normal(N, 3, seed=3)),
    "dense": lambda: Dense(spd()),
    "block diagonal": lambda: BlockDiagonal(Diagonal(0.1 + uniform(4, N // 4))),
}
W, V, MEAN, TRUTH = 0.1 + uniform(N, seed=4), normal(N, seed=5), normal(N, seed=6), normal(N, seed=7)


def met(posterior, size):
    """The largest residual of mean and draws, beside the size of the rows' terms."""
    drawn = posterior.constraint.residual(posterior.sample(5, torch.Generator().manual_seed(0)))
    return max(float((r.abs() / size).max()) for r in (posterior.residual(), drawn))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("exponent", range(3, 17))
def test_rows_that_nearly_agree_hold_to_round_off(law, exponent):
    """[w, w + eps v] and b = G u say the same as [w, v], up to the round-off of b, which 1 / eps magnifies."""
    covariance, eps = LAWS[law](), 10.0**-exponent
    rows = torch.stack([W, W + eps * V])
    posterior = condition(MEAN, covariance, LinearConstraint.dense(rows, rows @ TRUTH))
    assert met(posterior, rows.abs() @ (TRUTH.abs() + MEAN.abs())) < 1e-12
    if posterior.degrees_of_freedom() == 2:
        apart = torch.stack([W, V])
        right = condition(MEAN, covariance, LinearConstraint.dense(apart, apart @ TRUTH))
        spread = covariance.variance().sqrt().max()
        tolerance = 1e-10 + 1e-13 / eps
        if law in ("diagonal", "dense", "block diagonal", "low rank"):
            assert (posterior.mean - right.mean).abs().max() < tolerance * (1 + right.chi_square().sqrt()) * spread
            assert (posterior.variance - right.variance).abs().max() < tolerance * spread**2
    else:
        assert exponent >= 8
        assert law == "low rank, nearly alone" or exponent >= 12


@pytest.mark.parametrize("law", ["diagonal", "low rank", "dense"])
@pytest.mark.parametrize("m", [8, 10, 12])
@pytest.mark.parametrize("interval", [(0.0, 1.0), (0.0, 5.0), (2.0, 3.0)])
def test_moments_of_a_profile(law, m, interval):
    """Monomials are the textbook's badly conditioned rows: 1e9 for twelve on [0, 1], 1e16 on [2, 3]."""
    x = torch.linspace(*interval, N, dtype=torch.float64)
    rows = torch.stack([x**k for k in range(m)])
    posterior = condition(MEAN, LAWS[law](), LinearConstraint.dense(rows, rows @ TRUTH))
    assert met(posterior, rows.abs() @ (TRUTH.abs() + MEAN.abs())) < 1e-12
    if interval == (0.0, 1.0):
        assert posterior.degrees_of_freedom() == m
        orthonormal = torch.linalg.qr(rows.T).Q.T
        right = condition(MEAN, LAWS[law](), LinearConstraint.dense(orthonormal, orthonormal @ TRUTH))
        torch.testing.assert_close(posterior.mean, right.mean, rtol=0, atol=1e-6)
        torch.testing.assert_close(posterior.variance, right.variance, rtol=0, atol=1e-7)
        torch.testing.assert_close(posterior.chi_square(), right.chi_square(), rtol=1e-4, atol=0)


def test_scales_of_rows_do_not_matter():
    rows = torch.stack([1e-9 * W, 1e9 * V, 1e-9 * (W + 1e-5 * V)])
    posterior = condition(MEAN, Diagonal(0.1 + uniform(N)), LinearConstraint.dense(rows, rows @ TRUTH))
    assert met(posterior, rows.abs() @ TRUTH.abs()) < 1e-12


def test_only_some_fields_of_a_batch_have_dependent_rows():
    v = torch.stack([V, 1e-9 * V, 0 * V])
    rows = torch.stack([W.expand(3, N), W + v], 1)
    posterior = condition(MEAN, Diagonal(0.1 + uniform(N)), LinearConstraint.dense(rows, rows @ TRUTH))
    assert met(posterior, rows.abs() @ TRUTH.abs()) < 1e-12
    assert posterior.degrees_of_freedom().tolist() == [2.0, 2.0, 1.0]
    alone = condition(MEAN, Diagonal(0.1 + uniform(N)), LinearConstraint.dense(rows[0], rows[0] @ TRUTH))
    torch.testing.assert_close(posterior.mean[0], alone.mean, rtol=0, atol=1e-13)
    torch.testing.assert_close(posterior.chi_square()[0], alone.chi_square())


@pytest.mark.parametrize("law", ["diagonal", "low rank", "dense"])
@pytest.mark.parametrize("eps", [0.0, 1e-15])
@pytest.mark.parametrize("off", [1e-9, 1e-3, 1.0])
def test_rows_that_contradict_each_other_are_named(law, eps, off):
    """Two that do, among others."""
    rows = torch.stack([V, W, normal(N, seed=8), W + eps * normal(N, seed=9)])
    wrong = rows @ TRUTH + torch.tensor([0.0, 0.0, 0.0, off], dtype=torch.float64)
    with pytest.raises(InvalidInput, match=r"row [13] stays off by .*rows 1, 3 are at odds.*correct `rhs`") as caught:
        condition(MEAN, LAWS[law](), LinearConstraint.dense(rows, wrong))
    assert f"off by {off / 2:.3g} when" in str(caught.value)


@pytest.mark.parametrize("law", ["diagonal", "low rank", "dense"])
@pytest.mark.parametrize("eps", [1e-12, 1e-10, 1e-8])
def test_rows_that_agree_only_far_away_contradict_each_other(law, eps):
    rows = torch.stack([V, W, normal(N, seed=8), W + eps * normal(N, seed=9)])
    wrong = rows @ TRUTH + torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    with pytest.raises(InvalidInput, match=r"rows 1, 3 agree only where the mean has moved by .*e\+.. of its standard"):
        condition(MEAN, LAWS[law](), LinearConstraint.dense(rows, wrong))


def test_nearly_dependent_rows_one_after_the_other_are_told_to_be_stacked():
    """What one row left of the law in the direction of its near copy is 1e-16 of it, which is round-off."""
    law, near = Diagonal(0.1 + uniform(N)), W + 1e-8 * V
    one = LinearConstraint.dense(W.unsqueeze(0), (W @ TRUTH).unsqueeze(0))
    two = LinearConstraint.dense(near.unsqueeze(0), (near @ TRUTH).unsqueeze(0))
    first = condition(MEAN, law, one)
    with pytest.raises(InvalidInput, match=r"cannot be met: .* stack this constraint with those that the law"):
        condition(first.mean, first.covariance, two)
    both = condition(MEAN, law, LinearConstraint.stack(one, two))
    assert both.residual().abs().max() < 1e-12
    assert both.degrees_of_freedom() == 2


def test_more_rows_than_points():
    rows = normal(9, 4, seed=3)
    truth, law = normal(4, seed=1), Diagonal(0.1 + uniform(4))
    posterior = condition(normal(4), law, LinearConstraint.dense(rows, rows @ truth))
    torch.testing.assert_close(posterior.mean, truth, rtol=0, atol=1e-13)
    assert posterior.variance.max() < 1e-13
    assert posterior.degrees_of_freedom() == 4
    one = condition(normal(1), Diagonal(uniform(1)), LinearConstraint.dense(normal(3, 1), normal(3, 1) @ truth[:1]))
    torch.testing.assert_close(one.mean, truth[:1], rtol=0, atol=1e-14)


def test_noise_beside_dependent_rows():
    """Exact near-copies and a noisy third row, against the same with the copies told apart."""
    noise = torch.tensor([0.0, 0.0, 0.3], dtype=torch.float64)
    third = normal(N, seed=8)
    b = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64)
    law, eps = DiagonalPlusLowRank(0.1 + uniform(N), normal(N, 3, seed=3)), 1e-7
    near = LinearConstraint.dense(
        torch.stack([W, W + eps * V, third]), torch.stack([b[0], b[0] + eps * b[1], b[2]]), noise
    )
    apart = LinearConstraint.dense(torch.stack([W, V, third]), b, noise)
    posterior, right = condition(MEAN, law, near), condition(MEAN, law, apart)
    torch.testing.assert_close(posterior.mean, right.mean, rtol=0, atol=1e-7)
    torch.testing.assert_close(posterior.variance, right.variance, rtol=0, atol=1e-7)
    assert posterior.residual()[:2].abs().max() < 1e-12
    torch.testing.assert_close(posterior.residual()[2], right.residual()[2], rtol=1e-6, atol=0)
    assert near.residual(posterior.sample(4, torch.Generator().manual_seed(0)))[:, :2].abs().max() < 1e-12


@pytest.mark.parametrize("length", [0.2, 0.5])
def test_a_smooth_law_has_fewer_directions_than_rows(length):
    """Twenty values of a process whose covariance has a rank of some ten, in double precision."""
    x = torch.linspace(0, 1, N, dtype=torch.float64)
    law = Dense(torch.exp(-((x.unsqueeze(1) - x) / length).square() / 2))
    index, values = list(range(0, N, 2))[:20], torch.sin(3 * x)
    exact = LinearConstraint.points(index, values[index], N)
    with pytest.raises(InvalidInput, match=r"the law cannot give: .* row \d+ stays off by .*a noise"):
        condition(torch.zeros(N), law, exact)
    posterior = condition(torch.zeros(N), law, LinearConstraint.points(index, values[index], N, noise=1e-10))
    assert posterior.residual().abs().max() < 1e-4
    assert (posterior.mean - values)[:40].abs().max() < 1e-3


def test_a_row_that_holds_already_cannot_be_given_another_value():
    for rows in (torch.eye(N, dtype=torch.float64)[:2], torch.stack([W, V]), W.unsqueeze(0)):
        first = condition(MEAN, Diagonal(0.1 + uniform(N)), LinearConstraint.dense(rows, rows @ TRUTH))
        again = condition(first.mean, first.covariance, LinearConstraint.dense(rows, rows @ TRUTH))
        assert (again.degrees_of_freedom() == 0).all()
        torch.testing.assert_close(again.mean, first.mean, rtol=0, atol=1e-13)
        with pytest.raises(InvalidInput, match="cannot be met"):
            condition(first.mean, first.covariance, LinearConstraint.dense(rows, rows @ TRUTH + 0.1))


def test_gradients_flow_through_rows_that_nearly_agree():
    """In everything, the rows too: mixing rows changes nothing, so the mixture needs no gradient."""
    n = 5

    w, v = normal(n, seed=2), normal(n, seed=3)
    rows = torch.stack([w, w + 1e-3 * v])
    noise = torch.full((2,), 1e-9, dtype=torch.float64)
    inputs = (normal(n), 0.5 + uniform(n), rows, rows @ normal(n, seed=4), noise)
    gradients = []
    for care in (True, False):
        given = [value.clone().requires_grad_() for value in inputs]
        mean, d, made, b, r = given
        posterior = condition(mean, Diagonal(d), LinearConstraint.dense(made, b, r), check=care)
        assert (posterior.factor.mixing is not None) == care
        total = posterior.mean.square().sum() + posterior.variance.sum() + posterior.chi_square()
        total = total + posterior.log_prob(posterior.mean.detach())
        gradients.append(torch.autograd.grad(total, given))
    for careful, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(careful, plain, rtol=1e-6, atol=1e-8 * float(plain.abs().max()))
