"""One clear error each, and one synchronisation for all of them together."""

import pytest
import torch

from heatbath.core.contracts import Gaussian
from heatbath.core.errors import HeatbathError, InvalidInput
from heatbath.solvers.gaussian import (
    BlockDiagonal,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    LinearConstraint,
    Operator,
    condition,
    monotone_fill,
    water_fill,
)
from heatbath.solvers.gaussian.covariance import Downdated
from heatbath.solvers.gaussian.rows import Points

N = 6
X = torch.linspace(0, 1, N, dtype=torch.float64)
ONES = torch.ones(N, dtype=torch.float64)


def mass(value=0.5, noise=0.0):
    return LinearConstraint.quadrature(X, torch.as_tensor(value), noise=noise)


def with_entry(value, index=2):
    values = ONES.clone()
    values[index] = value
    return values


def two(a, b, noise=0.0):
    return LinearConstraint.dense(torch.stack([ONES, 2 * ONES]), torch.tensor([a, b]), noise)


INDEFINITE = torch.eye(N, dtype=torch.float64) - 0.8 * (1 - torch.eye(N, dtype=torch.float64))

CASES = {
    "negative variance": (lambda: (ONES, Diagonal(with_entry(-0.5)), mass()), "negative variances, the least is -0.5"),
    "NaN variance": (lambda: (ONES, Diagonal(with_entry(float("nan"))), mass()), "1 variances that are NaN"),
    "infinite variance": (lambda: (ONES, Diagonal(with_entry(float("inf"))), mass()), "infinite variances"),
    "negative variance where no weight is": (
        lambda: (ONES, Diagonal(with_entry(-1.0, 0)), LinearConstraint.quadrature(X, 0.5, "right")),
        "negative variances",
    ),
    "negative noise": (
        lambda: (ONES, Diagonal(ONES), mass([0.5], torch.tensor([-0.1]))),
        "noise has negative variances",
    ),
    "NaN mean": (lambda: (with_entry(float("nan")), Diagonal(ONES), mass()), "mean has 1 values that are NaN"),
    "infinite mass": (lambda: (ONES, Diagonal(ONES), mass(float("inf"))), "`rhs` has 1 values"),
    "no variance at all": (lambda: (ONES, Diagonal(0 * ONES), mass()), "row 0 .* cannot be met: it is off by 0.5"),
    "no variance in one slice": (
        lambda: (ONES.expand(2, N), Diagonal(torch.stack([ONES, 0 * ONES])), mass([0.5, 0.5])),
        "cannot be met",
    ),
    "no variance at a point": (
        lambda: (ONES, Diagonal(with_entry(0.0, 0)), LinearConstraint.points([0, 5], torch.zeros(2), N)),
        "row 0 .* cannot be met: it is off by 1 ",
    ),
    "contradiction": (lambda: (ONES, Diagonal(ONES), two(1.0, 3.0)), "rows contradict each other: row . stays off by"),
    "contradiction in one field": (
        lambda: (
            ONES.expand(2, N),
            Diagonal(ONES),
            LinearConstraint.dense(torch.stack([ONES, ONES]), torch.tensor([[1.0, 1.0], [1.0, 1.1]])),
        ),
        "rows contradict each other",
    ),
    "falling grid": (lambda: (ONES, Diagonal(ONES), LinearConstraint.quadrature(X.flip(0), 0.5)), "does not rise"),
    "not positive semidefinite": (lambda: (ONES, Dense(-torch.eye(N)), mass()), "negative variances"),
    "points differ": (lambda: (ONES[:5], Diagonal(ONES[:5]), mass()), "`mean` is over 5 points, `constraint` over 6"),
    "covariance differs": (lambda: (ONES, Diagonal(ONES[:5]), mass()), "`mean` is over 6 points, `covariance` over 5"),
    "batches differ": (
        lambda: (ONES.expand(3, N), Diagonal(ONES.expand(2, N)), mass()),
        r"batch axes do not fit together: `mean` \(3,\), `covariance` \(2,\)",
    ),
    "one number": (lambda: (torch.tensor(1.0), Diagonal(ONES), mass()), "got a single number"),
    "a law for a covariance": (
        lambda: (ONES, Gaussian(ONES, ONES), mass()),
        "pass its mean, and its covariance by `heatbath.solvers.gaussian.covariance.of_gaussian",
    ),
}

CASES |= {
    "no covariance": (lambda: (ONES, ONES, mass()), r"got a tensor of shape \(6,\); variances go into `Diagonal"),
    "a list for a mean": (lambda: ([1.0] * N, Diagonal(ONES), mass()), "`mean` must be a tensor .* got list"),
    "no points": (
        lambda: (torch.zeros(2, 0), Diagonal(torch.zeros(0)), LinearConstraint.weighted(torch.zeros(0), 1.0)),
        r"one point at least, got shape \(2, 0\)",
    ),
    "a tensor for a constraint": (
        lambda: (ONES, Diagonal(ONES), ONES),
        "`constraint` must be a `LinearConstraint`, got Tensor",
    ),
    "rows of other fields": (
        lambda: (ONES.expand(3, N), Diagonal(ONES), LinearConstraint.dense(torch.ones(2, 2, N), torch.ones(2))),
        r"`mean` \(3,\), `covariance` \(\), `constraint` \(2,\)",
    ),
    "noise of other fields": (
        lambda: (ONES.expand(3, N), Diagonal(ONES), mass(0.5, torch.full((4,), 0.1))),
        r"`mean` \(3,\), `covariance` \(\), `constraint` \(4,\)",
    ),
    "negative diagonal beside low rank": (
        lambda: (ONES, DiagonalPlusLowRank(with_entry(-0.5), torch.ones(N, 1)), mass()),
        "covariance has negative variances, the least is -0.5",
    ),
    "NaN in a low rank": (
        lambda: (ONES, DiagonalPlusLowRank(ONES, torch.full((N, 1), float("nan"))), mass()),
        "6 variances that are NaN",
    ),
    "negative diagonal in blocks": (
        lambda: (ONES, BlockDiagonal(Diagonal(with_entry(-0.5).reshape(2, 3))), mass()),
        "negative variances, the least is -0.5",
    ),
    "indefinite for a row": (
        lambda: (ONES, Dense(INDEFINITE), mass()),
        "not positive semidefinite: row 0 of the constraint has the variance -0.",
    ),
    "indefinite for a mixture of rows": (
        lambda: (ONES, Dense(INDEFINITE), LinearConstraint.points([0, 1, 2], torch.zeros(3), N)),
        "not positive semidefinite: a mixture of the constraint's rows has -",
    ),
    "an index outside, found on the device": (
        lambda: (
            ONES,
            Diagonal(ONES),
            LinearConstraint.stack(
                mass(), LinearConstraint.on(Points(torch.tensor([3]), N, valid=torch.tensor(False)), torch.ones(1))
            ),
        ),
        "`index` must name points from 0 to 5",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused(case):
    make, message = CASES[case]
    with pytest.raises(InvalidInput, match=message) as caught:
        condition(*make())
    assert isinstance(caught.value, HeatbathError)


def test_a_batch_of_no_fields_is_one():
    empty = torch.zeros(0, N)
    posterior = condition(empty, Diagonal(empty), mass(torch.zeros(0), torch.zeros(0)))
    assert posterior.mean.shape == posterior.variance.shape == (0, N)
    assert water_fill(empty, empty, ONES, torch.zeros(0)).shape == (0, N)
    assert monotone_fill(empty, empty, ONES, torch.zeros(0)).shape == (0, N)


def test_noise_settles_a_contradiction():
    posterior = condition(ONES, Diagonal(ONES), two(1.0, 3.0, noise=1e-3))
    assert posterior.mean.isfinite().all()
    assert posterior.conflict() < 1e-10


def test_dependent_rows_that_agree_are_welcome():
    posterior = condition(ONES, Diagonal(ONES), two(1.0, 2.0))
    assert posterior.degrees_of_freedom() == 1
    assert posterior.residual().abs().max() < 1e-12


def test_without_the_check_nothing_is_read_back():
    posterior = condition(with_entry(float("nan")), Diagonal(ONES), mass(), check=False)
    assert posterior.mean.isnan().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Diagonal(torch.tensor(1.0)), r"`Diagonal` must have shape \(..., n\), got \(\)"),
        (lambda: Diagonal([1.0, 2.0]), "`Diagonal` must be a tensor of shape .* got list; use `torch.as_tensor`"),
        (lambda: Dense(torch.ones(3, 4)), r"must be square, shape \(..., n, n\), got \(3, 4\)"),
        (lambda: Dense(torch.ones(3)), r"`Dense` must have shape \(..., n, n\), got \(3,\)"),
        (
            lambda: DiagonalPlusLowRank(torch.ones(4), torch.ones(2, 4)),
            r"`factor` .* with the n = 4 of `d`, got \(2, 4\); directions are columns",
        ),
        (lambda: DiagonalPlusLowRank(torch.ones(4), torch.ones(4)), r"`factor` .* \(..., n, k\), got \(4,\)"),
        (lambda: DiagonalPlusLowRank(torch.ones(3, 4), torch.ones(2, 4, 1)), r"`d` \(3,\), `factor` \(2,\)"),
        (lambda: BlockDiagonal(Diagonal(torch.ones(4))), r"an axis of times, .* got \(4,\)"),
        (lambda: BlockDiagonal(torch.ones(2, 4)), "`blocks` must be a covariance .* got Tensor"),
        (lambda: Downdated(Diagonal(ONES), torch.ones(5, 1)), r"`factor` .* the n = 6 of `base`, got \(5, 1\)"),
        (lambda: Diagonal(torch.ones(3, dtype=torch.complex64)), "must be real, got torch.complex64"),
        (lambda: Operator(torch.eye(3)), "a matrix goes into `Dense`"),
        (lambda: Operator("x"), r"str lacks \['matmul', 'diagonal'"),
    ],
)
def test_what_is_no_covariance_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_fields_of_another_size_have_no_density_and_no_residual():
    posterior = condition(ONES, Diagonal(ONES), mass())
    for ask in (posterior.log_prob, posterior.log_prob_pointwise):
        with pytest.raises(InvalidInput, match="the law is over 6 points, `u` over 5"):
            ask(ONES[:5])
    with pytest.raises(InvalidInput, match="the constraint is over 6 points, the field over 5"):
        mass().residual(ONES[:5])
    batch = condition(ONES.expand(3, N), Diagonal(ONES), mass())
    with pytest.raises(InvalidInput, match=r"`u` \(2,\), `law` \(3,\)"):
        batch.log_prob(ONES.expand(2, N))
    with pytest.raises(InvalidInput, match="`draws` must be at least 0, got -1"):
        batch.sample(-1, torch.Generator())


def spoilt(values, at, value):
    values = values.clone()
    values[at] = value
    return values


NAN, INF = float("nan"), float("inf")
FIVE, UNIT = torch.ones(5, dtype=torch.float64), torch.eye(5, dtype=torch.float64)
LOW_RANK = torch.ones(5, 2, dtype=torch.float64)
FIRST = {
    "points": lambda: LinearConstraint.points([0], torch.tensor([1.0]), 5),
    "sparse": lambda: LinearConstraint.sparse(UNIT[:1].to_sparse(), torch.tensor([1.0])),
    "two rows": lambda: LinearConstraint.points([0, 1], torch.tensor([1.0, 2.0]), 5),
}
UNSEEN_BY_THE_ROWS = {
    "mean": lambda bad: (spoilt(FIVE, 3, bad), Diagonal(FIVE)),
    "variance": lambda bad: (FIVE, Diagonal(spoilt(FIVE, 3, bad))),
    "spread": lambda bad: (FIVE, DiagonalPlusLowRank(FIVE, spoilt(LOW_RANK, (3, 1), bad))),
    "on the diagonal": lambda bad: (FIVE, Dense(spoilt(UNIT, (3, 3), bad))),
    "off the diagonal, beside the row": lambda bad: (FIVE, Dense(spoilt(UNIT, (3, 0), bad))),
    "off the diagonal, elsewhere": lambda bad: (FIVE, Dense(spoilt(UNIT, (3, 4), bad))),
    "what observations took": lambda bad: (FIVE, Downdated(Diagonal(9 * FIVE), spoilt(LOW_RANK, (3, 1), bad))),
    "a block": lambda bad: (FIVE, BlockDiagonal(Dense(spoilt(UNIT, (3, 4), bad).unsqueeze(0)))),
    "a conditioned law": lambda bad: (
        FIVE,
        condition(FIVE, Dense(spoilt(UNIT, (3, 4), bad)), FIRST["points"](), check=False).covariance,
    ),
}


@pytest.mark.parametrize("rows", FIRST)
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("where", UNSEEN_BY_THE_ROWS)
def test_what_is_not_finite_is_refused_wherever_it_is(where, bad, rows):
    mean, law = UNSEEN_BY_THE_ROWS[where](bad)
    with pytest.raises(InvalidInput, match=r"NaN|infinite|negative"):
        condition(mean, law, FIRST[rows]())


def test_numbers_whose_sum_overflows_are_no_fault():
    mean = torch.tensor([0.0, 1e308, 1e308, 1e308, 0.0], dtype=torch.float64)
    found = condition(mean, Diagonal(FIVE), FIRST["points"]()).mean
    assert found.tolist() == [1.0, 1e308, 1e308, 1e308, 0.0]


GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda law: law.sample(2, None), "`generator` must be a `torch.Generator`, got NoneType; .*manual_seed"),
        (lambda law: law.covariance.draw((2, N), None), "`generator` must be a `torch.Generator`, got NoneType"),
        (lambda law: Diagonal(ONES).draw((2, N), None), "`generator` must be a `torch.Generator`, got NoneType"),
        (lambda law: law.sample(2, 5), "`generator` must be a `torch.Generator`, got int"),
        (lambda law: law.sample("a", GENERATOR), "`draws` must be an integer, how many, got 'a'"),
        (lambda law: law.sample(2.0, GENERATOR), "`draws` must be an integer, how many, got 2.0"),
        (lambda law: law.sample(True, GENERATOR), "`draws` must be an integer, how many, got True"),
        (lambda law: law.sample(-1, GENERATOR), "`draws` must be at least 0, got -1"),
        (
            lambda law: LinearConstraint.quadrature(X, 1.0, rule=["a"]),
            r"`rule` must be one of cells, left, right, simpson, trapezoid, got \['a'\]",
        ),
        (lambda law: LinearConstraint.quadrature(X, 1.0, rule=None), "`rule` must be one of .* got None"),
    ],
)
def test_calls_with_the_wrong_kind_are_refused(call, message):
    before = torch.random.get_rng_state()
    with pytest.raises(InvalidInput, match=message):
        call(condition(ONES, Diagonal(ONES), mass()))
    assert torch.equal(before, torch.random.get_rng_state())


def test_integers_of_numpy_count_draws():
    numpy = pytest.importorskip("numpy")
    law = condition(ONES, Diagonal(ONES), mass())
    assert law.sample(numpy.int64(2), torch.Generator().manual_seed(0)).shape == (2, N)
