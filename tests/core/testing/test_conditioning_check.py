"""The check of conditioning solvers passes what is right and names what is wrong."""

from dataclasses import replace

import pytest
import torch

from heatbath.core.contracts import Conditioning, Gaussian, Solution
from heatbath.core.errors import ConformanceError
from heatbath.core.testing.conditioning import check_conditioning


class Textbook:
    """Dense algebra in four lines, and ways to get it wrong."""

    records = frozenset({"residual"})

    def __init__(self, fault=""):
        self.fault = fault

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        law, rows = problem.belief, problem.rows
        sigma = torch.diag_embed(law.variance)
        if self.fault != "forgets the spread":
            sigma = sigma + law.spread @ law.spread.mT
        noise = 0.0 if self.fault == "forgets the noise" else problem.noise
        S = rows @ sigma @ rows.mT + noise * torch.eye(len(rows), dtype=sigma.dtype)
        gain = sigma @ rows.mT @ torch.linalg.inv(S)
        before = law.mean.detach() if self.fault == "has no gradient" else law.mean
        residual = before @ rows.mT - problem.rhs
        mean = before - (gain @ residual.unsqueeze(-1)).squeeze(-1)
        if self.fault == "has no gradient":
            mean = mean + 0 * law.mean
        matrix = sigma - gain @ rows @ sigma
        variance = matrix.diagonal(dim1=-2, dim2=-1)
        if self.fault == "has the wrong shape":
            variance = matrix
        if self.fault == "draws":
            mean = mean + 0 * torch.randn(())
        trace = {"residual": residual} if record or self.fault == "always records" else {}
        answer = Gaussian(mean, variance)
        return answer if self.fault == "answers bare" else Solution(answer, trace=trace)


def test_what_is_right_passes():
    check_conditioning("textbook", Textbook(), 1e-9)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("forgets the spread", "the mean is off by"),
        ("forgets the noise", "the mean is off by .* at noise 0.3"),
        ("has no gradient", "the gradient in the mean is off by"),
        ("has the wrong shape", "`variance` has shape"),
        ("draws", "draws from a global random generator"),
        ("always records", "nothing was to be recorded"),
        ("answers bare", "expected a Solution, got Gaussian"),
    ],
)
def test_what_is_wrong_is_named(fault, message):
    with pytest.raises(ConformanceError, match=message):
        check_conditioning("textbook", Textbook(fault), 1e-9)


def test_the_carriers():
    law = Gaussian(torch.zeros(1, 2), torch.ones(1, 2), torch.full((1, 2, 1), 0.5), torch.full((1, 2, 1), 2.0))
    assert law.marginal_variance.tolist() == [[4.75, 4.75]]
    assert replace(law, factor=torch.full((1, 2, 1), 9.0)).marginal_variance.tolist() == [[0.0, 0.0]]
    assert Conditioning(law, torch.ones(1, 2), torch.ones(1)).noise == 0.0
