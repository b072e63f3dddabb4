"""Somebody else's solver of `conditioning`, by name: plain algebra, as much as the conformance check asks for."""

import pytest
import torch

from heatbath import run
from heatbath.core.choices import Pick
from heatbath.core.contracts import Gaussian, Solution
from heatbath.core.hookspecs import Component
from heatbath.testing import build, check_constraint, check_solver
from tests.making import make_plugin
from tests.plugins.probconserv.test_constraints import FACTS, X, belief
from tests.plugins.probconserv.test_experiments import SMALL

NAME = "acme/textbook"


class Textbook:
    """Reads tensors only, and records nothing."""

    records = frozenset()

    def __init__(self, options, setup): ...

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        law, G = problem.belief, problem.rows
        assert isinstance(law, Gaussian)
        assert isinstance(problem.noise, int | float | torch.Tensor)
        if not isinstance(G, torch.Tensor):
            G = torch.stack([G.rmatvec(e) for e in torch.eye(problem.rhs.shape[-1], dtype=torch.float64)], -2)
        sigma = torch.diag_embed(law.variance.double())
        if law.spread is not None:
            sigma = sigma + law.spread.double() @ law.spread.double().mT
        if law.factor is not None:
            sigma = sigma - law.factor.double() @ law.factor.double().mT
        noise = torch.as_tensor(problem.noise, dtype=torch.float64).expand(G.shape[-2])
        gain = sigma @ G.mT @ torch.linalg.inv(G @ sigma @ G.mT + torch.diag_embed(noise))
        mean = law.mean.double()
        for _ in range(1 if bool(noise.any()) else 2):
            mean = mean - (gain @ ((G @ mean.unsqueeze(-1)).squeeze(-1) - problem.rhs).unsqueeze(-1)).squeeze(-1)
        return Solution(Gaussian(mean, (sigma - gain @ G @ sigma).diagonal(dim1=-2, dim2=-1)))


@pytest.fixture
def host(host, parts):
    target = f"{parts('acme_parts', Textbook=Textbook)}:Textbook"
    textbook = Component(NAME, "textbook", target, problem="conditioning")
    host.add(make_plugin(register_solvers=[textbook]), "acme")
    return host


def test_it_passes_the_checks(host):
    check_solver(host, NAME)
    for name in ("mass", "smooth-mass"):
        check_constraint(host, name, values=FACTS, solver=Pick("solvers", NAME))
    check_constraint(host, "mass", values=FACTS, solver=Pick("solvers", NAME), noise=0.1, exact=False)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("name", ["mass", "smooth-mass"])
def test_it_gives_what_ours_gives(host, name, noise):
    facts = {**FACTS, "fact:grid": X}
    ours, theirs = (
        build(host, "constraints", name, noise=noise, solver=Pick("solvers", solver)).at(facts)
        for solver in ("gaussian", NAME)
    )
    found, right = theirs.condition(belief()), ours.condition(belief())
    torch.testing.assert_close(found.mean, right.mean, rtol=0, atol=1e-11)
    torch.testing.assert_close(found.variance, right.marginal_variance, rtol=0, atol=1e-11)
    assert theirs.chi_square(belief()) is None


@pytest.mark.parametrize("posterior", ["members", "moments"])
@pytest.mark.parametrize(
    "constraint", [{"use": "mass"}, {"use": "mass", "noise": 0.01}, {"use": "smooth-mass"}], ids=str
)
def test_an_experiment_runs_on_it(host, tmp_path, constraint, posterior):
    """What it does not record is left out of the measures."""
    made = run(
        "probconserv.pme", host=host, steps=2, runs=str(tmp_path), posterior=posterior,
        constraint={**constraint, "solver": NAME}, **SMALL,
    )  # fmt: skip
    assert torch.isfinite(torch.tensor(list(made.metrics.values()))).all()
    assert not any("chi_square" in name for name in made.metrics)
    if "noise" not in constraint:
        assert made.metrics["conservation_error"] < 1e-12
