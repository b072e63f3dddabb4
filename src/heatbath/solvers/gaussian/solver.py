"""Conditioning as solvers: the implicit one, and the dense algebra that it is held against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import NOTHING, Conditioning, Gaussian, Solution, StepHook
from heatbath.solvers.gaussian import options as opt
from heatbath.solvers.gaussian import rows as operators
from heatbath.solvers.gaussian.conditioned import ConditionedGaussian, condition
from heatbath.solvers.gaussian.constraint import LinearConstraint
from heatbath.solvers.gaussian.covariance import dense, of_gaussian
from heatbath.solvers.gaussian.protocol import Covariance

RECORDS = frozenset({"residual", "chi_square"})


class Conditioner:
    """Structured: a few passes over the field for one row. There are no steps, so `on_step` is never called.

    `problem.rows` is a matrix, or one of `solvers.gaussian.rows`; `problem.belief` a `Gaussian` or what has a `mean`
    and a `covariance` of `solvers.gaussian.covariance`. `trace["residual"]` is G mean' - b, `(..., m)`, and
    `trace["chi_square"]` how far the belief was off, `(...)`.

    >>> problem = Conditioning(Gaussian(torch.zeros(2), torch.ones(2)), torch.ones(1, 2), torch.ones(1))
    >>> Conditioner(opt.Conditioner(), None).solve(problem).value.mean.tolist()
    [0.5, 0.5]
    """

    records = RECORDS

    def __init__(self, options: opt.Conditioner, setup: Any) -> None:
        self.check = options.check

    def solve(
        self,
        problem: Conditioning,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """The answer is a `ConditionedGaussian`. Raises as `condition` does."""
        mean, covariance, constraint = read(problem)
        posterior = condition(mean, covariance, constraint, check=self.check)
        return Solution(posterior, trace=_trace(posterior, record))


class DenseConditioner:
    """Textbook algebra with the whole matrix of each field: n^2 numbers and n^2 m operations. The reference.

    The answer is a `Gaussian` whose `variance` is that of each point.
    """

    records = RECORDS

    def __init__(self, options: None, setup: Any) -> None: ...

    def solve(
        self,
        problem: Conditioning,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """Dependent rows end in `torch.linalg.LinAlgError`."""
        mean, covariance, constraint = read(problem)
        mean = mean.double()
        G = constraint.rows.transposed().mT
        noise = constraint.rhs.new_zeros(()) if constraint.noise is None else dense(constraint.noise)
        conditioned, matrix, S = dense_condition(mean, dense(covariance.double()), G, constraint.rhs, noise)
        trace: dict[str, Tensor] = {}
        if "residual" in record:
            trace["residual"] = constraint.residual(conditioned)
        if "chi_square" in record:
            r = constraint.residual(mean)
            trace["chi_square"] = (r * torch.linalg.solve(S, r.unsqueeze(-1)).squeeze(-1)).sum(-1)
        return Solution(Gaussian(conditioned, matrix.diagonal(dim1=-2, dim2=-1)), trace=trace)


def dense_condition(
    mean: Tensor, sigma: Tensor, G: Tensor, rhs: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """mean', Sigma' and S from matrices.

    Args:
        mean: shape `(..., n)`.
        sigma: shape `(..., n, n)`.
        G: shape `(..., m, n)`.
        rhs: shape `(..., m)`.
        noise: covariance of the observations, shape `(..., m, m)`, or 0-d for that times nothing.
    """
    cross = sigma @ G.mT
    S = G @ cross + noise
    gain = torch.linalg.solve(S, cross.mT).mT
    residual = (G @ mean.unsqueeze(-1)).squeeze(-1) - rhs
    return mean - (gain @ residual.unsqueeze(-1)).squeeze(-1), sigma - gain @ cross.mT, S


def read(problem: Conditioning) -> tuple[Tensor, Covariance, LinearConstraint]:
    """A problem of the contracts in this package's terms."""
    belief = problem.belief
    covariance = of_gaussian(belief) if isinstance(belief, Gaussian) else belief.covariance
    if isinstance(problem.rows, Tensor):
        return belief.mean, covariance, LinearConstraint.dense(problem.rows, problem.rhs, problem.noise)
    made: operators.Rows = problem.rows
    return belief.mean, covariance, LinearConstraint.on(made, problem.rhs, problem.noise)


def _trace(posterior: ConditionedGaussian, record: frozenset[str]) -> dict[str, Tensor]:
    found = {"residual": posterior.residual, "chi_square": posterior.chi_square}
    return {name: found[name]() for name in sorted(record & RECORDS)}
