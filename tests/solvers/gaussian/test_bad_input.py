"""One clear error each, and one synchronisation for all of them together."""

import pytest
import torch

from heatbath.core.contracts import Gaussian
from heatbath.core.errors import HeatbathError, InvalidInput
from heatbath.solvers.gaussian import Dense, Diagonal, LinearConstraint, condition

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
        "pass its mean, and `covariance.of_gaussian",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused(case):
    make, message = CASES[case]
    with pytest.raises(InvalidInput, match=message) as caught:
        condition(*make())
    assert isinstance(caught.value, HeatbathError)


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
