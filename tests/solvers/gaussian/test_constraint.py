"""Quadratures, operators, and stacks of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import Dense, Diagonal, LinearConstraint, condition, quadrature
from heatbath.solvers.gaussian.covariance import dense
from heatbath.solvers.gaussian.rows import Divergence, Points, Sparse, Stack, Stencil


def grid(n, seed=0, uniform=False):
    if uniform:
        return torch.linspace(-1, 2, n, dtype=torch.float64)
    inner = torch.rand(n - 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).sort().values
    return torch.cat([inner.new_tensor([-1.0]), -0.9 + 2.8 * inner, inner.new_tensor([2.0])])


def integral(power, low=-1.0, high=2.0):
    return (high ** (power + 1) - low ** (power + 1)) / (power + 1)


@pytest.mark.parametrize(
    ("rule", "uniform", "n", "exact"),
    [
        ("trapezoid", False, 17, 1),
        ("trapezoid", False, 2, 1),
        ("left", False, 17, 0),
        ("right", False, 17, 0),
        ("simpson", False, 17, 2),
        ("simpson", False, 18, 2),
        ("simpson", False, 3, 2),
        ("simpson", False, 4, 2),
        ("simpson", True, 17, 3),
    ],
)
def test_a_rule_is_exact_up_to_its_degree_and_not_beyond(rule, uniform, n, exact):
    x = grid(n, uniform=uniform)
    w = quadrature.weights(rule, x)
    for power in range(exact + 1):
        assert float(w @ x**power) == pytest.approx(integral(power), abs=1e-13)
    if n > 4:
        assert abs(float(w @ x ** (exact + 1)) - integral(exact + 1)) > 1e-6


def test_riemann_sums_take_one_end_of_each_interval():
    x = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    assert quadrature.left(x).tolist() == [1.0, 2.0, 0.0]
    assert quadrature.right(x).tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("n", [3, 4, 9, 10, 201])
def test_simpson_is_that_of_scipy(n):
    integrate = pytest.importorskip("scipy.integrate")
    x = grid(n)
    u = torch.sin(3 * x)
    expected = integrate.simpson(u.numpy(), x=x.numpy())
    assert float(quadrature.simpson(x) @ u) == pytest.approx(float(expected), abs=1e-13)


def test_cells_integrate_averages():
    edges = grid(12)
    averages = (edges[1:] ** 4 - edges[:-1] ** 4) / 4 / edges.diff()
    assert float(quadrature.cells(edges) @ averages) == pytest.approx(integral(3), abs=1e-13)


@pytest.mark.parametrize("rule", ["trapezoid", "simpson"])
def test_two_dimensions_are_a_product(rule):
    x, y = grid(9, seed=1), grid(7, seed=2)
    constraint = LinearConstraint.quadrature((x, y), integral(1) ** 2, rule)
    field = (x.unsqueeze(1) * y).flatten()
    assert constraint.shape == (1, 63)
    assert float(constraint.residual(field).abs()) < 1e-13


def test_each_slice_may_have_its_own_grid():
    x = torch.stack([grid(9, seed=k) for k in range(4)])
    constraint = LinearConstraint.quadrature(x, torch.full((4,), integral(1)))
    assert constraint.residual(x).abs().max() < 1e-13


def entries(m=3, n=7):
    matrix = torch.randn(m, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.where(matrix.abs() > 0.7, matrix, 0.0)


OPERATORS = {
    "points": lambda: Points(torch.tensor([0, 6, 3]), 7),
    "stencil": lambda: Stencil(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 7),
    "divergence": lambda: Divergence(3, 2, torch.tensor([0.5, 0.25], dtype=torch.float64)),
    "sparse": lambda: LinearConstraint.sparse(entries().to_sparse(), torch.zeros(3)).rows,
    "stack": lambda: Stack([Points(torch.tensor([1]), 7), Stencil(torch.ones(2, dtype=torch.float64), 7)]),
    "dense": lambda: LinearConstraint.dense(entries(), torch.zeros(3)).rows,
    "quadrature": lambda: LinearConstraint.quadrature(grid(7), 1.0).rows,
}


@pytest.mark.parametrize("kind", OPERATORS)
def test_products_are_those_of_the_matrix(kind):
    rows = OPERATORS[kind]()
    u = torch.randn(4, 2, rows.n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.randn(4, 2, rows.m, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    transposed = rows.transposed()
    assert transposed.shape == (rows.n, rows.m)
    torch.testing.assert_close(rows.matvec(u), u @ transposed, rtol=0, atol=1e-13)
    torch.testing.assert_close(rows.rmatvec(y), y @ transposed.mT, rtol=0, atol=1e-13)


def test_a_divergence_is_zero_on_a_rotation_and_counts_a_source():
    rows = Divergence(4, 4, torch.ones(2, dtype=torch.float64))
    i, j = torch.meshgrid(torch.arange(5.0), torch.arange(5.0), indexing="ij")
    stream = ((i - 2) ** 2 + (j - 2) ** 2).double()
    across_x, across_y = stream.diff(dim=1), -stream.diff(dim=0)
    assert rows.matvec(torch.cat([across_x.flatten(), across_y.flatten()])).abs().max() < 1e-14
    expanding = torch.cat([i[:, :4].flatten(), j[:4].flatten()]).double()
    torch.testing.assert_close(rows.matvec(expanding), torch.full((16,), 2.0, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
def test_sparse_matrices_come_from_torch_and_scipy():
    sp = pytest.importorskip("scipy.sparse")
    matrix = entries()
    for made in (
        matrix.to_sparse(),
        matrix.to_sparse_csr(),
        sp.csr_matrix(matrix.numpy()),
        sp.coo_array(matrix.numpy()),
    ):
        rows = LinearConstraint.sparse(made, torch.zeros(3)).rows
        assert isinstance(rows, Sparse)
        assert torch.equal(rows.transposed(), matrix.T)


@pytest.mark.parametrize("kind", ["stencil", "sparse", "divergence", "points"])
def test_operators_have_gradients(kind):
    """In their own numbers, through the conditioned moments."""
    n = 12 if kind == "divergence" else 7
    parts = {
        "stencil": lambda c, b: LinearConstraint.stencil(c, n, b),
        "sparse": lambda v, b: LinearConstraint.on(
            Sparse(torch.tensor([0, 0, 1]), torch.tensor([1, 4, 6]), v, 2, n), b
        ),
        "divergence": lambda s, b: LinearConstraint.divergence((2, 2), s, b, 0.1),
        "points": lambda _, b: LinearConstraint.points([0, -1], b, n),
    }[kind]
    sizes = {"stencil": (3, 5), "sparse": (3, 2), "divergence": (2, 4), "points": (1, 2)}[kind]
    own, b = (1.0 + torch.arange(size, dtype=torch.float64) / 3 for size in sizes)
    law = Diagonal(0.5 + torch.arange(n, dtype=torch.float64) / n)

    def outcome(own, b):
        posterior = condition(torch.ones(n), law, parts(own, b))
        return posterior.mean, posterior.variance, posterior.chi_square()

    assert torch.autograd.gradcheck(outcome, [own.requires_grad_(), b.requires_grad_()])


def test_points_are_named_by_lists_and_tensors():
    for index in ([0, -1], (0, 6), torch.tensor([0, -1]), torch.tensor([0, 6], dtype=torch.int32)):
        rows = LinearConstraint.points(index, torch.zeros(2), 7).rows
        assert rows.index.tolist() == [0, 6]
    assert LinearConstraint.points([1, 2], 0.5, 7).rhs.tolist() == [0.5, 0.5]


def test_a_stack_keeps_the_noise_of_each_part():
    x = grid(7)
    mass = LinearConstraint.quadrature(x, torch.ones(5), noise=torch.full((5,), 0.1))
    ends = LinearConstraint.points([0, -1], torch.zeros(2), 7)
    both = LinearConstraint.stack(mass, ends)
    assert both.shape == (3, 7)
    assert both.rhs.shape == (5, 3)
    assert both.noise.variance()[0].tolist() == pytest.approx([0.1, 0.0, 0.0])
    matrix = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    correlated = LinearConstraint.dense(entries(2), torch.zeros(2), Dense(matrix))
    expected = torch.block_diag(torch.zeros(2, 2), matrix).double()
    assert torch.equal(dense(LinearConstraint.stack(ends, correlated).noise), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 40), st.integers(0, 1000))
def test_weights_sum_to_the_length(n, seed):
    x = grid(n, seed)
    for rule in ("trapezoid", "left", "right", "simpson"):
        assert float(quadrature.weights(rule, x).sum()) == pytest.approx(3.0, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearConstraint.quadrature(grid(5), 1.0, "midpoint"), "`rule` must be one of cells, left"),
        (lambda: LinearConstraint.quadrature(torch.zeros(1), 1.0), "at least 2 points"),
        (lambda: LinearConstraint.quadrature(grid(5)[:2], 1.0, "simpson"), "at least 3 points, got 2"),
        (lambda: LinearConstraint.quadrature(grid(5), 1.0, noise=-1.0), "`noise` is a variance, .* got -1.0"),
        (lambda: LinearConstraint.quadrature(grid(5), 1.0, noise=float("nan")), "`noise` is a variance"),
        (lambda: LinearConstraint.dense(torch.zeros(4), torch.zeros(4)), r"`matrix` must have shape \(..., m, n\)"),
        (lambda: LinearConstraint.dense(torch.zeros(2, 4), torch.zeros(3)), r"`rhs` must have shape \(..., 2\)"),
        (lambda: LinearConstraint.dense(entries(), torch.zeros(3), Dense(torch.eye(2))), "`noise` must be of 3 rows"),
        (lambda: LinearConstraint.points([0, 9], torch.zeros(2), 7), r"`index` must name points from 0 to 6"),
        (
            lambda: LinearConstraint.points(torch.tensor([0, 9]), torch.zeros(2), 7),
            "name points from 0 to 6, got .0, 9",
        ),
        (lambda: LinearConstraint.points(torch.tensor([0.5]), torch.zeros(1), 7), "must be a list of integers"),
        (lambda: LinearConstraint.points(torch.tensor(3), torch.zeros(1), 7), "must be a list of integers"),
        (lambda: LinearConstraint.dense(entries(), torch.zeros(3), torch.ones(2)), r"shape \(..., 3\), got \(2,\)"),
        (
            lambda: LinearConstraint.dense(entries(), torch.zeros(3), Dense(torch.eye(1))),
            "`noise` must be of 3 rows, got 1",
        ),
        (lambda: LinearConstraint.dense(entries(), torch.zeros(3), "much"), "`noise` must be a number, .* got str"),
        (
            lambda: LinearConstraint.dense(entries(), torch.zeros(4, 3), torch.ones(5, 3)),
            r"do not fit together: `rows` \(\), `rhs` \(4,\), `noise` \(5,\)",
        ),
        (
            lambda: LinearConstraint.dense(torch.ones(2, 3, 7), torch.zeros(4, 3)),
            r"`rows` \(2,\), `rhs` \(4,\), `noise` \(\)",
        ),
        (
            lambda: LinearConstraint.stack(
                LinearConstraint.quadrature(grid(7), torch.ones(5)),
                LinearConstraint.dense(entries(), torch.zeros(4, 3)),
            ),
            r"do not fit together: `part 0` \(5,\), `part 1` \(4,\)",
        ),
        (
            lambda: LinearConstraint.stack(
                LinearConstraint.quadrature(grid(7), 1.0, noise=torch.full((5,), 0.1)),
                LinearConstraint.dense(entries(), torch.zeros(4, 3)),
            ),
            r"`part 0` \(5,\), `part 1` \(4,\)",
        ),
        (lambda: LinearConstraint.sparse(entries().to_sparse(), 1.0), "`rhs` must be a tensor .* got float"),
        (lambda: LinearConstraint.sparse(entries().to_sparse(), torch.zeros(2)), r"`rhs` must have shape \(..., 3\)"),
        (lambda: LinearConstraint.divergence((0, 2), torch.ones(2)), "both at least 1, got .0, 2."),
        (lambda: LinearConstraint.divergence((3, 2), torch.ones(3)), r"`spacing` must have shape \(2,\)"),
        (lambda: LinearConstraint.stencil(torch.ones(5), 3), r"k of 1 to 3 points, got \(5,\)"),
        (
            lambda: LinearConstraint.sparse([[1.0]], torch.zeros(1)),
            "expected a sparse matrix of torch or scipy, got list",
        ),
        (lambda: LinearConstraint.quadrature([0.0, 1.0], 1.0), "the grid must be a tensor .* got float"),
        (lambda: LinearConstraint.quadrature(grid(5).numpy(), 1.0), "the grid must be a tensor .* got ndarray"),
        (lambda: LinearConstraint.quadrature((), 1.0), "`x` must be a grid or a pair of grids, got none"),
        (
            lambda: LinearConstraint.quadrature((grid(5).expand(3, 5), grid(4).expand(2, 4)), 1.0),
            r"`grid 0` \(3,\), `grid 1` \(2,\)",
        ),
        (lambda: LinearConstraint.quadrature(grid(5), [1.0]), "expected a tensor or a number, got list"),
        (lambda: LinearConstraint.weighted(torch.tensor(1.0), 1.0), r"`weights` must have shape \(..., n\), got \(\)"),
        (lambda: LinearConstraint.stencil([1.0], 3), "`coefficients` must be a tensor"),
        (lambda: LinearConstraint.points([0], torch.zeros(1), 2.5), "`n`, the number of points, .* got 2.5"),
        (
            lambda: LinearConstraint.stack(LinearConstraint.quadrature(grid(5), 1.0), grid(5)),
            "takes constraints, got T",
        ),
        (lambda: LinearConstraint.stack(), "same number of points, got none"),
        (
            lambda: LinearConstraint.stack(
                LinearConstraint.quadrature(grid(5), 1.0), LinearConstraint.quadrature(grid(6), 1.0)
            ),
            r"same number of points, got \[5, 6\]",
        ),
    ],
)
def test_what_is_no_constraint_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()
