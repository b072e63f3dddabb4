"""Conformance of solvers of the problem `conditioning`."""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.core.contracts import Conditioning, Gaussian, Solution, Solver
from heatbath.core.testing.expect import expect, global_generators_untouched, same

BATCH, N, M = 3, 7, 2


def check_conditioning(name: str, solver: Solver, accuracy: float) -> None:
    """Two observations of seven variables, without and with noise, against dense algebra; gradients; records.

    Raises:
        ConformanceError: saying what is wrong.
    """
    for noise in (0.0, 0.3):
        belief, rows, rhs = _example()
        problem = Conditioning(belief, rows, rhs, noise)
        with global_generators_untouched(name, "the solver"):
            plain = _solve(name, solver, problem)
        mean, variance, change = _dense(belief, rows, rhs, noise)
        for what, found, right in (("mean", plain.value.mean, mean), ("variance", _variance(plain), variance)):
            expect(found.shape == right.shape, f"{name}: `{what}` has shape {tuple(found.shape)}, not {(BATCH, N)}")
            off = float((found.detach() - right).abs().max())
            expect(off <= accuracy, f"{name}: the {what} is off by {off:.2g} at noise {noise}")
        (gradient,) = torch.autograd.grad(plain.value.mean.sum(), belief.mean)
        off = float((gradient - change.sum(-2)).abs().max())
        expect(off <= accuracy, f"{name}: the gradient in the mean is off by {off:.2g} at noise {noise}")
        if noise == 0.0:
            left = float((plain.value.mean.detach() @ rows.mT - rhs).abs().max())
            expect(left <= 1e-9, f"{name}: without noise rows u = rhs must hold, it is off by {left:.2g}")
        _check_records(name, solver, problem, plain)


def _example() -> tuple[Gaussian, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    belief = Gaussian(draw(BATCH, N).requires_grad_(), draw(BATCH, N).exp(), spread=draw(BATCH, N, 2))
    return belief, draw(M, N), draw(BATCH, M)


def _dense(belief: Gaussian, rows: Tensor, rhs: Tensor, noise: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variances after, and the derivative of the mean in the mean before."""
    assert belief.spread is not None
    sigma = torch.diag_embed(belief.variance) + belief.spread @ belief.spread.mT
    gain = sigma @ rows.mT @ torch.linalg.inv(rows @ sigma @ rows.mT + noise * torch.eye(M, dtype=rhs.dtype))
    change = torch.eye(N, dtype=rhs.dtype) - gain @ rows
    mean = (change @ belief.mean.detach().unsqueeze(-1) + gain @ rhs.unsqueeze(-1)).squeeze(-1)
    return mean, (change @ sigma).diagonal(dim1=-2, dim2=-1), change


def _variance(solution: Solution) -> Tensor:
    variance: Tensor = solution.value.marginal_variance
    return variance


def _solve(name: str, solver: Solver, problem: Conditioning, record: frozenset[str] = frozenset()) -> Solution:
    solution = solver.solve(problem, record=record)
    expect(isinstance(solution, Solution), f"{name}: expected a Solution, got {type(solution).__name__}")
    for part in ("mean", "marginal_variance"):
        expect(hasattr(solution.value, part), f"{name}: the answer has no `{part}`")
    return solution


def _check_records(name: str, solver: Solver, problem: Conditioning, plain: Solution) -> None:
    expect(not plain.trace, f"{name}: nothing was to be recorded, yet the trace holds {sorted(plain.trace)}")
    for record in (solver.records, *({one} for one in solver.records)):
        traced = _solve(name, solver, problem, frozenset(record))
        expect(set(traced.trace) == set(record), f"{name}: asked for {sorted(record)}, recorded {sorted(traced.trace)}")
        unchanged = same(traced.value.mean.detach(), plain.value.mean.detach())
        expect(unchanged, f"{name}: recording changes the answer")
