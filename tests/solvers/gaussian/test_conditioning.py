"""Conditioning against dense algebra and against what projections obey."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from heatbath.core.contracts import Conditioning, Gaussian
from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import (
    BlockDiagonal,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    LinearConstraint,
    Operator,
    condition,
)
from heatbath.solvers.gaussian.covariance import LOG_2PI, Downdated, dense, of_gaussian
from heatbath.solvers.gaussian.solver import dense_condition
from heatbath.testing import check_solver

BATCH, N, M = 3, 24, 4


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape, seed=1):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Matrix:
    """The two methods that `Operator` asks of somebody else's class."""

    def __init__(self, matrix):
        self.matrix = matrix
        self.shape = matrix.shape

    def double(self):
        return self

    def matmul(self, vectors):
        return self.matrix @ vectors

    def diagonal(self, dim1, dim2):
        return self.matrix.diagonal(dim1=dim1, dim2=dim2)


def spd(*batch, n=N, seed=2):
    root = normal(*batch, n, n, seed=seed)
    return root @ root.mT / n + 0.1 * torch.eye(n, dtype=torch.float64)


COVARIANCES = {
    "diagonal": lambda: Diagonal(0.1 + uniform(BATCH, N)),
    "diagonal shared by the batch": lambda: Diagonal(0.1 + uniform(N)),
    "low rank": lambda: DiagonalPlusLowRank(0.1 + uniform(BATCH, N), 0.3 * normal(BATCH, N, 5)),
    "dense": lambda: Dense(spd(BATCH)),
    "block diagonal": lambda: BlockDiagonal(Diagonal(0.1 + uniform(BATCH, 4, N // 4))),
    "block dense": lambda: BlockDiagonal(Dense(spd(BATCH, 4, n=N // 4))),
    "operator": lambda: Operator(Matrix(spd(BATCH))),
    "downdated": lambda: Downdated(Dense(spd(BATCH)), 0.05 * normal(BATCH, N, 2)),
    "conditioned": lambda: condition(normal(BATCH, N), Dense(spd(BATCH)), _constraint(2, seed=9)).covariance,
}
NOISES = {
    "hard": 0.0,
    "scalar": 0.05,
    "diagonal": lambda m: 0.01 + uniform(BATCH, m, seed=5),
    "dense": lambda m: Dense(spd(n=m, seed=6)),
}


def _constraint(m=M, seed=3, noise=0.0):
    return LinearConstraint.dense(normal(m, N, seed=seed), normal(BATCH, m, seed=seed + 1), noise)


@pytest.mark.parametrize("m", [1, M])
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("form", COVARIANCES)
def test_it_is_dense_conditioning(form, noise, m):
    covariance, mean = COVARIANCES[form](), normal(BATCH, N, seed=7)
    constraint = _constraint(m, noise=NOISES[noise](m) if callable(NOISES[noise]) else NOISES[noise])
    posterior = condition(mean, covariance, constraint)
    R = torch.zeros(m, m, dtype=torch.float64) if constraint.noise is None else dense(constraint.noise)
    right, sigma, S = dense_condition(mean, dense(covariance), normal(m, N, seed=3), constraint.rhs, R)
    torch.testing.assert_close(posterior.mean, right, rtol=0, atol=1e-10)
    torch.testing.assert_close(
        dense(posterior.covariance).expand(BATCH, N, N), sigma.expand(BATCH, N, N), rtol=0, atol=1e-10
    )
    variance = sigma.diagonal(dim1=-2, dim2=-1).expand(BATCH, N)
    torch.testing.assert_close(posterior.variance, variance, rtol=0, atol=1e-10)
    r = constraint.residual(mean)
    chi_square = (r * torch.linalg.solve(S, r.unsqueeze(-1)).squeeze(-1)).sum(-1)
    torch.testing.assert_close(posterior.chi_square(), chi_square, rtol=1e-10, atol=0)
    if constraint.noise is None:
        assert posterior.residual().abs().max() < 1e-12


@pytest.mark.parametrize("batch", [2, 3])
@pytest.mark.parametrize("form", ["diagonal shared by the batch", "low rank", "dense"])
def test_each_field_may_have_rows_of_its_own(form, batch):
    """Also where a batch has as many fields as there are rows."""
    covariance = {
        "diagonal shared by the batch": lambda: Diagonal(0.1 + uniform(N)),
        "low rank": lambda: DiagonalPlusLowRank(0.1 + uniform(batch, N), normal(batch, N, 3)),
        "dense": lambda: Dense(spd(batch)),
    }[form]()
    grids = uniform(batch, N).sort(-1).values
    integral = LinearConstraint.quadrature(grids, normal(batch, seed=8), noise=uniform(batch, seed=5))
    others = LinearConstraint.dense(normal(batch, 2, N, seed=3), normal(batch, 2, seed=4))
    mean = normal(batch, N, seed=7)
    for known in (others, LinearConstraint.stack(integral, others)):
        posterior = condition(mean, covariance, known)
        R = torch.zeros(2, 2, dtype=torch.float64) if known.noise is None else dense(known.noise)
        G = known.rows.transposed().mT
        right, sigma, _ = dense_condition(mean, dense(covariance), G, known.rhs, R)
        torch.testing.assert_close(posterior.mean, right, rtol=0, atol=1e-10)
        torch.testing.assert_close(posterior.variance, sigma.diagonal(dim1=-2, dim2=-1), rtol=0, atol=1e-10)
        assert others.residual(posterior.mean).abs().max() < 1e-12
        drawn = posterior.sample(4, torch.Generator().manual_seed(0))
        assert others.residual(drawn).abs().max() < 1e-12


@pytest.mark.parametrize("form", ["diagonal", "low rank", "dense", "block dense"])
def test_samples_conserve_and_have_the_posterior_law(form):
    covariance, mean, draws = COVARIANCES[form](), normal(BATCH, N, seed=7), 20_000
    for noise in (0.0, 0.5):
        posterior = condition(mean, covariance, _constraint(2, noise=noise))
        drawn = posterior.sample(draws, torch.Generator().manual_seed(0))
        assert drawn.shape == (draws, BATCH, N)
        if noise == 0.0:
            assert posterior.constraint.residual(drawn).abs().max() < 1e-12
        sigma = dense(posterior.covariance)
        found = torch.stack([drawn[:, k].T.cov() for k in range(BATCH)])
        variance = sigma.diagonal(dim1=-2, dim2=-1)
        error = ((sigma.square() + variance.unsqueeze(-1) * variance.unsqueeze(-2)) / draws).sqrt()
        # 3 x 24 x 25 / 2 entries beyond 6 standard errors each: a false alarm in 2e-6 of all seeds.
        assert ((found - sigma).abs() / error.clamp_min(1e-12)).max() < 6
        assert ((drawn.mean(0) - posterior.mean).abs() * (draws / variance.clamp_min(1e-12)).sqrt()).max() < 6


def test_conditioned_laws_are_drawn_from_and_conditioned_again():
    first = condition(normal(BATCH, N), Diagonal(0.1 + uniform(BATCH, N)), _constraint(2, seed=11))
    second = condition(first.mean, first.covariance, _constraint(1, seed=13))
    drawn = second.sample(5, torch.Generator().manual_seed(0))
    assert second.constraint.residual(drawn).abs().max() < 1e-12
    assert first.constraint.residual(drawn).abs().max() < 1e-12


def test_sequential_is_joint():
    one, two = _constraint(2, seed=11, noise=0.1), _constraint(1, seed=13)
    mean, covariance = normal(BATCH, N), DiagonalPlusLowRank(0.1 + uniform(BATCH, N), normal(BATCH, N, 3))
    joint = condition(mean, covariance, LinearConstraint.stack(one, two))
    for a, b in ((one, two), (two, one)):
        first = condition(mean, covariance, a)
        then = condition(first.mean, first.covariance, b)
        torch.testing.assert_close(then.mean, joint.mean, rtol=0, atol=1e-10)
        torch.testing.assert_close(dense(then.covariance), dense(joint.covariance), rtol=0, atol=1e-10)
        torch.testing.assert_close(dense(of_gaussian(then.gaussian())), dense(joint.covariance), rtol=0, atol=1e-10)


def test_it_is_idempotent():
    constraint = _constraint(2)
    once = condition(normal(BATCH, N), Dense(spd(BATCH)), constraint)
    twice = condition(once.mean, once.covariance, constraint)
    torch.testing.assert_close(twice.mean, once.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(twice.variance, once.variance, rtol=0, atol=1e-12)
    assert (twice.degrees_of_freedom() == 0).all()  # nothing is left to be learned from it


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_pythagoras(seed, m):
    """|mu - u|^2 = |mean - u|^2 + |mu - mean|^2 in the norm of Sigma^-1, for a truth u on the manifold."""
    sigma, mu, u, G = spd(seed=seed), normal(N, seed=seed + 1), normal(N, seed=seed + 2), normal(m, N, seed=seed + 3)
    mean = condition(mu, Dense(sigma), LinearConstraint.dense(G, G @ u)).mean
    distance = [float((a - b) @ torch.linalg.solve(sigma, a - b)) for a, b in ((mu, u), (mean, u), (mu, mean))]
    assert distance[0] == pytest.approx(distance[1] + distance[2], rel=1e-8)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_less_noise_brings_the_mean_nearer_to_truth_and_manifold(seed):
    d, mu, u, w = 0.1 + uniform(N, seed=seed), normal(N, seed=seed + 1), normal(N, seed=seed + 2), uniform(N, seed=seed)
    residuals, distances = [], []
    for noise in (10.0, 1.0, 0.1, 0.01, 1e-4, 0.0):
        posterior = condition(mu, Diagonal(d), LinearConstraint.weighted(w, w @ u, noise))
        residuals.append(float(posterior.residual().abs()))
        distances.append(float(((posterior.mean - u).square() / d).sum()))
    assert residuals == sorted(residuals, reverse=True)
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(distances))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_mixing_the_rows_changes_nothing(seed):
    G, b, mixing = normal(M, N, seed=seed), normal(M, seed=seed + 1), normal(M, M, seed=seed + 2)
    if torch.linalg.cond(mixing) > 1e3:
        return
    mu, sigma = normal(N, seed=seed + 3), Dense(spd(seed=seed))
    plain = condition(mu, sigma, LinearConstraint.dense(G, b))
    mixed = condition(mu, sigma, LinearConstraint.dense(mixing @ G, mixing @ b))
    torch.testing.assert_close(mixed.mean, plain.mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(mixed.variance, plain.variance, rtol=0, atol=1e-9)
    torch.testing.assert_close(mixed.chi_square(), plain.chi_square(), rtol=1e-7, atol=0)
    torch.testing.assert_close(mixed.log_prob(plain.mean), plain.log_prob(plain.mean), rtol=1e-8, atol=1e-8)


def test_permuting_points_permutes_the_answer():
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    mu, sigma, G, b = normal(N), spd(), normal(M, N, seed=3), normal(M, seed=4)
    plain = condition(mu, Dense(sigma), LinearConstraint.dense(G, b))
    turned = condition(mu[order], Dense(sigma[order][:, order]), LinearConstraint.dense(G[:, order], b))
    torch.testing.assert_close(turned.mean, plain.mean[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(turned.variance, plain.variance[order], rtol=0, atol=1e-12)


def product(root):
    """A positive definite matrix, whatever `root` is."""
    return root @ root.mT + 0.3 * torch.eye(root.shape[-1], dtype=root.dtype)


DIFFERENTIABLE_LAWS = {
    "diagonal": (lambda d: Diagonal(d), lambda: [0.1 + uniform(6)]),
    "low rank": (lambda d, factor: DiagonalPlusLowRank(d, factor), lambda: [0.1 + uniform(6), normal(6, 2)]),
    "dense": (lambda root: Dense(product(root)), lambda: [0.5 * normal(6, 6)]),
    "blocks": (lambda d: BlockDiagonal(Diagonal(d)), lambda: [0.1 + uniform(2, 3)]),
    "blocks of low rank": (
        lambda d, factor: BlockDiagonal(DiagonalPlusLowRank(d, factor)),
        lambda: [0.1 + uniform(2, 3), normal(2, 3, 1)],
    ),
    "dense blocks": (lambda root: BlockDiagonal(Dense(product(root))), lambda: [0.5 * normal(2, 3, 3)]),
}
DIFFERENTIABLE_ROWS = {
    "a row": (lambda rows, b, r: LinearConstraint.dense(rows, b, r), lambda: [normal(1, 6, seed=3), normal(1, seed=4)]),
    "rows": (lambda rows, b, r: LinearConstraint.dense(rows, b, r), lambda: [normal(2, 6, seed=3), normal(2, seed=4)]),
    "trapezoid": (
        lambda x, b, r: LinearConstraint.quadrature(x, b, noise=r),
        lambda: [uniform(6).sort().values, normal(1, seed=4).squeeze(0)],
    ),
    "Simpson": (
        lambda x, b, r: LinearConstraint.quadrature(x, b, "simpson", noise=r),
        lambda: [torch.arange(6.0, dtype=torch.float64) + 0.5 * uniform(6), normal(1, seed=4).squeeze(0)],
    ),
    "a plane": (
        lambda x, y, b, r: LinearConstraint.quadrature((x, y), b, noise=r),
        lambda: [uniform(3).sort().values, torch.tensor([0.0, 0.7], dtype=torch.float64), normal(1).squeeze(0)],
    ),
}


DIFFERENTIABLE = [
    (law, rows, noise)
    for law, rows in itertools.product(DIFFERENTIABLE_LAWS, DIFFERENTIABLE_ROWS)
    for noise in (("none", "variances", "matrix") if rows == "rows" else ("none", "variances"))
    if rows == "rows" or law in ("diagonal", "dense", "blocks") or noise == "none"
]


@pytest.mark.parametrize(("law", "rows", "noise"), DIFFERENTIABLE)
def test_gradients_in_all_that_goes_in(law, rows, noise):
    """Mean, covariance, rows (or their grid), right-hand side and noise; moments, densities and draws."""
    (make_law, law_parts), (make_rows, row_parts) = DIFFERENTIABLE_LAWS[law], DIFFERENTIABLE_ROWS[rows]
    of_law, of_rows, m = law_parts(), row_parts(), 2 if rows == "rows" else 1
    given = [normal(6), *of_law, *of_rows]
    if noise == "variances":
        given.append(0.2 + uniform(m, seed=5) if "row" in rows else torch.tensor(0.3, dtype=torch.float64))
    elif noise == "matrix":
        given.append(normal(m, m, seed=6))

    def outcome(mean, *values):
        split = len(of_law), len(of_law) + len(of_rows)
        spread = values[split[1] :]
        r = 0.0 if noise == "none" else spread[0] if noise == "variances" else Dense(product(spread[0]))
        posterior = condition(mean, make_law(*values[: split[0]]), make_rows(*values[split[0] : split[1]], r))
        sample = posterior.sample(2, torch.Generator().manual_seed(0))
        u = posterior.mean + 0.1
        return (
            posterior.mean, posterior.variance, posterior.chi_square(), posterior.log_prob(u),
            posterior.log_prob_pointwise(u), posterior.conflict() if m == 2 else posterior.residual(), sample,
        )  # fmt: skip

    for found in outcome(*(value.requires_grad_() for value in given)):
        assert found.requires_grad
    assert torch.autograd.gradcheck(outcome, given)


def test_draws_of_a_singular_matrix_have_gradients():
    factor = normal(5, 2)
    factor[3] = 0.0

    def drawn(factor, scale):
        law = Dense(scale * factor @ factor.T)
        return condition(normal(5), law, LinearConstraint.dense(normal(1, 5, seed=3), torch.zeros(1))).sample(
            2, torch.Generator().manual_seed(0)
        )

    (gradient,) = torch.autograd.grad(
        drawn(factor, scale := torch.tensor(1.3, dtype=torch.float64, requires_grad=True)).square().sum(), scale
    )
    step = 1e-6
    up, down = (float(drawn(factor, 1.3 + sign * step).square().sum()) for sign in (1, -1))
    assert float(gradient) == pytest.approx((up - down) / (2 * step), rel=1e-6)
    assert (drawn(factor, 1.0)[:, 3] == normal(5)[3]).all()  # a point without variance stays where it is


def test_gradients_flow_through_dependent_rows():
    G = normal(1, 5)
    rows = torch.cat([G, 2 * G])

    def outcome(mean, d, b):
        posterior = condition(mean, Diagonal(d), LinearConstraint.dense(rows, torch.cat([b, 2 * b])))
        assert posterior.mean.requires_grad
        return posterior.mean, posterior.variance, posterior.chi_square(), posterior.log_prob(posterior.mean)

    inputs = [value.requires_grad_() for value in (normal(5, seed=2), 0.1 + uniform(5), normal(1, seed=3))]
    assert torch.autograd.gradcheck(outcome, inputs)


@pytest.mark.parametrize("copies", [2, 5])
def test_dependent_rows_are_reduced(copies):
    mean, sigma, G, b = normal(BATCH, N), Dense(spd(BATCH)), normal(2, N, seed=3), normal(BATCH, 2, seed=4)
    mixing = normal(copies * 2, 2, seed=5)
    plain = condition(mean, sigma, LinearConstraint.dense(G, b))
    redundant = condition(mean, sigma, LinearConstraint.dense(mixing @ G, b @ mixing.T))
    torch.testing.assert_close(redundant.mean, plain.mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(redundant.variance, plain.variance, rtol=0, atol=1e-9)
    torch.testing.assert_close(redundant.log_prob(plain.mean), plain.log_prob(plain.mean), rtol=1e-8, atol=0)
    assert redundant.degrees_of_freedom().tolist() == [2.0] * BATCH
    assert redundant.residual().abs().max() < 1e-12
    assert redundant.constraint.residual(redundant.sample(3, torch.Generator().manual_seed(0))).abs().max() < 1e-12


def test_the_density_integrates_to_one_over_the_manifold():
    """Two variables on the line x + 2 y = 3, by quadrature along it."""
    sigma = Dense(spd(n=2))
    posterior = condition(normal(2), sigma, LinearConstraint.dense(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])))
    s = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    line = posterior.mean + s.unsqueeze(1) * torch.tensor([2.0, -1.0], dtype=torch.float64) / 5**0.5
    assert float(torch.trapezoid(posterior.log_prob(line).exp(), s)) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("form", ["diagonal", "low rank", "dense", "block diagonal"])
def test_with_noise_the_density_is_that_of_a_normal_law(form):
    covariance = COVARIANCES[form]()
    posterior = condition(normal(BATCH, N), covariance, _constraint(2, noise=0.3))
    law = torch.distributions.MultivariateNormal(posterior.mean, dense(posterior.covariance))
    u = normal(BATCH, N, seed=21)
    torch.testing.assert_close(posterior.log_prob(u), law.log_prob(u), rtol=1e-8, atol=1e-8)


def brute_force_density(posterior, u):
    """The degenerate normal law's density on its plane: pseudo-inverse and pseudo-determinant of the whole matrix."""
    values, vectors = torch.linalg.eigh(dense(posterior.covariance))
    real = values > 1e-10 * values[-1]
    along = (u - posterior.mean) @ vectors[:, real]
    return -0.5 * (along.square() / values[real] + values[real].log() + LOG_2PI).sum(-1)


KINDS_OF_ROWS = {
    "exact": 0.0,
    "noisy": 0.3,
    "noisy and exact": torch.tensor([0.3, 0.0, 0.0]),
    "correlated noise": Dense(torch.block_diag(torch.zeros(1, 1), torch.tensor([[0.5, 0.2], [0.2, 0.3]]))),
}


@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("rows", KINDS_OF_ROWS)
@pytest.mark.parametrize(
    "law", ["diagonal", "with known points", "low rank", "low rank and known points", "dense", "blocks"]
)
def test_the_density_is_that_on_the_plane_which_is_left(law, rows, near):
    n, noise = 12, KINDS_OF_ROWS[rows]
    known = torch.ones(n, dtype=torch.float64)
    known[2:4] = 0.0
    d, factor = known * (0.1 + uniform(n)), known.unsqueeze(-1) * normal(n, 2)
    covariance = {
        "diagonal": lambda: Diagonal(0.1 + uniform(n)),
        "with known points": lambda: Diagonal(d),
        "low rank": lambda: DiagonalPlusLowRank(0.1 + uniform(n), factor),
        "low rank and known points": lambda: DiagonalPlusLowRank(d, factor),
        "dense": lambda: Dense(known.unsqueeze(-1) * spd(n=n) * known),
        "blocks": lambda: BlockDiagonal(Diagonal(d.unflatten(0, (3, 4)))),
    }[law]()
    G = normal(3, n, seed=3)
    if near:
        G[2] = G[1] + 1e-5 * G[2]
    mean = normal(n, seed=7)
    truth = mean + covariance.variance().sqrt() * normal(n, seed=8)
    posterior = condition(mean, covariance, LinearConstraint.dense(G, G @ truth, noise))
    assert (posterior.factor.mixing is not None) == (near and rows != "noisy" and rows != "correlated noise")
    drawn = posterior.sample(4, torch.Generator().manual_seed(0))
    right = brute_force_density(posterior, drawn)
    # Nearly dependent exact rows leave 1e-16 / 1e-5 of uncertainty where the plane is.
    torch.testing.assert_close(posterior.log_prob(drawn), right, rtol=0, atol=1e-5 if near else 1e-8)


def test_exact_and_noisy_rows_leave_a_density_that_integrates_to_one():
    """Two variables, x + 2 y = 3 exactly and x with a noise, by quadrature along the line."""
    rows = LinearConstraint.dense(
        torch.tensor([[1.0, 2.0], [1.0, 0.0]]), torch.tensor([3.0, 0.5]), torch.tensor([0.0, 0.4])
    )
    posterior = condition(normal(2), Dense(spd(n=2)), rows)
    s = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    line = posterior.mean + s.unsqueeze(1) * torch.tensor([2.0, -1.0], dtype=torch.float64) / 5**0.5
    assert float(torch.trapezoid(posterior.log_prob(line).exp(), s)) == pytest.approx(1.0, abs=1e-8)


def test_a_law_without_a_density_is_refused():
    G, u = normal(1, N), normal(N)
    known = torch.ones(N, dtype=torch.float64)
    known[3] = 0.0
    factor = normal(N, 2)
    twice = LinearConstraint.dense(
        torch.cat([G, 2 * G, normal(1, N, seed=1)]), torch.tensor([1.0, 2.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    )
    for law, rows in (
        (DiagonalPlusLowRank(known, factor), LinearConstraint.dense(G, torch.zeros(1))),
        (Dense(factor @ factor.T), LinearConstraint.dense(G, torch.zeros(1))),
        (Diagonal(known), twice),
    ):
        posterior = condition(normal(N), law, rows)
        with pytest.raises(InvalidInput, match=r"1 fields have no finite density: .* the covariance is singular"):
            posterior.log_prob(u)
        assert not posterior.log_prob(u, check=False).isfinite()
    again = condition(
        posterior.mean, posterior.covariance, LinearConstraint.dense(normal(1, N, seed=4), torch.zeros(1))
    )
    with pytest.raises(InvalidInput, match="has no density on the whole space; stack the constraints"):
        again.log_prob(u)


def test_a_slice_at_rest_is_left_alone():
    """A time without variance that has its mass already, such as the initial one, among others."""
    x = torch.linspace(0, 1, 11, dtype=torch.float64)
    mean = torch.stack([torch.zeros(11, dtype=torch.float64), 1 - x])
    variance = torch.stack([torch.zeros(11, dtype=torch.float64), torch.ones(11, dtype=torch.float64)])
    constraint = LinearConstraint.quadrature(x, torch.tensor([0.0, 0.7]))
    posterior = condition(mean, Diagonal(variance), constraint)
    assert posterior.mean[0].abs().max() == 0
    assert posterior.residual().abs().max() < 1e-12
    assert posterior.degrees_of_freedom().tolist() == [0.0, 1.0]
    density = posterior.log_prob(posterior.mean)
    assert float(density[0]) == 0.0  # certain: of a point, with respect to counting
    alone = condition(mean[1], Diagonal(variance[1]), LinearConstraint.quadrature(x, 0.7))
    torch.testing.assert_close(density[1], alone.log_prob(alone.mean))


def test_inputs_in_float32_are_conditioned_in_float64():
    x = torch.linspace(0, 1, 201)
    posterior = condition(torch.rand(8, 201), Diagonal(torch.rand(8, 201)), LinearConstraint.quadrature(x, 0.5))
    assert posterior.mean.dtype == torch.float64
    assert posterior.residual().abs().max() < 1e-12
    assert posterior.constraint.residual(posterior.mean.float()).abs().max() < 5e-7


def test_the_conflict_is_uniform_where_the_model_is_right():
    """4000 truths from the model's own law: the probabilities' mean is within 5 standard errors of one half."""
    n, fields = 30, 4000
    d = 0.1 + uniform(n)
    truth = d.sqrt() * normal(fields, n)
    G = normal(3, n, seed=3)
    posterior = condition(torch.zeros(fields, n), Diagonal(d), LinearConstraint.dense(G, truth @ G.T))
    p = posterior.conflict()
    assert abs(float(p.mean()) - 0.5) < 5 / (12 * fields) ** 0.5
    assert float(p.min()) >= 0
    assert float(p.max()) <= 1


class Largest(TorchDispatchMode):
    """The most numbers that any tensor which an operation makes takes in memory, those that live for a moment too."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        made = operation(*args, **(kwargs or {}))
        for item in made if isinstance(made, tuple | list) else (made,):
            if isinstance(item, torch.Tensor):
                self.numbers = max(self.numbers, item.untyped_storage().nbytes() // item.element_size())
        return made


def test_a_momentary_matrix_is_seen():
    with Largest() as largest:
        (torch.ones(50, 1) * torch.ones(50)).sum()
    assert largest.numbers == 2500


N_LARGE = 20_000
LARGE_LAWS = {
    "diagonal": lambda n: Diagonal(0.1 + uniform(n)),
    "low rank": lambda n: DiagonalPlusLowRank(0.1 + uniform(n), normal(n, 3)),
    "blocks": lambda n: BlockDiagonal(Diagonal(0.1 + uniform(10, n // 10))),
    "conditioned": lambda n: (
        condition(
            normal(n), Diagonal(0.1 + uniform(n)), LinearConstraint.dense(normal(1, n, seed=8), torch.zeros(1))
        ).covariance
    ),
}


@pytest.mark.parametrize("rows", ["one", "three", "three, two alike", "three with noise"])
@pytest.mark.parametrize("law", LARGE_LAWS)
def test_memory_stays_linear(law, rows):
    """20 000 points: a dense covariance would take 4e8 numbers; the largest of ours has a few a point and row."""
    n = N_LARGE
    known = LinearConstraint.quadrature(torch.linspace(0, 1, n, dtype=torch.float64), 0.5)
    if rows != "one":
        others = normal(2, n, seed=3)
        if rows == "three, two alike":
            others[1] = others[0] + 1e-8 * others[1]
        spread = torch.tensor([0.1, 0.2]) if rows == "three with noise" else 0.0
        known = LinearConstraint.stack(known, LinearConstraint.dense(others, others @ normal(n), spread))
    covariance = LARGE_LAWS[law](n)
    mean = normal(n).requires_grad_()
    with Largest() as largest:
        posterior = condition(mean, covariance, known)
        drawn = posterior.sample(1, torch.Generator().manual_seed(0))
        total = posterior.mean.sum() + posterior.variance.sum() + posterior.chi_square() + drawn.sum()
        if law != "conditioned":
            total = total + posterior.log_prob(posterior.mean)
        total.backward()
    assert largest.numbers <= 12 * n
    assert posterior.constraint.residual(posterior.mean)[:1].abs().max() < 1e-12


@pytest.mark.parametrize("name", ["gaussian", "gaussian-dense"])
def test_the_solver_conforms(host, name):
    check_solver(host, name, accuracy=1e-9)


def test_the_solver_takes_laws_and_rows_of_its_own(host):
    from heatbath.solvers.gaussian.rows import Stencil
    from heatbath.testing import build

    law = condition(normal(N), Dense(spd()), LinearConstraint.dense(normal(1, N, seed=3), normal(1, seed=4)))
    problem = Conditioning(law, Stencil(torch.tensor([1.0, -1.0], dtype=torch.float64), N), torch.zeros(N - 1), 0.1)
    one, two = (build(host, "solvers", name).solve(problem) for name in ("gaussian", "gaussian-dense"))
    torch.testing.assert_close(one.value.mean, two.value.mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(one.value.marginal_variance, two.value.marginal_variance, rtol=0, atol=1e-9)


def test_a_gaussian_of_the_contracts_comes_back_as_one():
    belief = Gaussian(normal(BATCH, N), 0.1 + uniform(BATCH, N), spread=normal(BATCH, N, 2))
    posterior = condition(belief.mean, of_gaussian(belief), _constraint(2))
    torch.testing.assert_close(posterior.gaussian().marginal_variance, posterior.variance, rtol=0, atol=1e-12)


READS = {
    "mean": lambda posterior: posterior.mean,
    "variance": lambda posterior: posterior.variance,
    "taken": lambda posterior: posterior.taken,
    "residual": lambda posterior: posterior.residual(),
    "log_prob_pointwise": lambda posterior: posterior.log_prob_pointwise(torch.zeros(9)),
    "a conditioned law's covariance": lambda posterior: posterior.covariance.variance(),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_look_without_gradients_leaves_them_for_later(read, mode):
    """A law is printed or plotted first, and trained through then."""
    mean = torch.linspace(0, 1, 9, dtype=torch.float64, requires_grad=True)
    d = torch.linspace(1, 2, 9, dtype=torch.float64, requires_grad=True)
    noise = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    known = LinearConstraint.quadrature(torch.linspace(0, 1, 9), 0.3, noise=noise)
    looked, fresh = condition(mean, Diagonal(d), known), condition(mean, Diagonal(d), known)
    with mode():
        for look in READS.values():
            assert not look(looked).requires_grad
    for wanted in (mean, d, noise):
        found = [
            torch.autograd.grad(READS[read](law).square().sum(), wanted, retain_graph=True, allow_unused=True)[0]
            for law in (looked, fresh)
        ]
        assert (found[0] is None) == (found[1] is None)
        if found[1] is not None:
            torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_moments_are_computed_once():
    mean = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    known = LinearConstraint.weighted(torch.ones(5), 1.0)
    for start in (mean, mean.detach()):
        posterior = condition(start, Diagonal(torch.ones(5)), known)
        assert posterior.mean is posterior.mean
        assert posterior.variance is posterior.variance
        with torch.no_grad():
            assert posterior.mean is posterior.mean
            assert posterior.taken is posterior.taken
    plain = condition(mean.detach(), Diagonal(torch.ones(5)), known)
    with torch.no_grad():
        first = plain.mean
    assert plain.mean is first  # nothing has a gradient
