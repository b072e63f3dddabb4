"""The batched reverse pass gives what autograd gives, and the forward pass is the scan's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import NOTHING, Recurrence
from heatbath.core.host import Host
from heatbath.solvers.recurrence.batched import BatchedScan
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.scan import Scan
from heatbath.solvers.recurrence.shallow import ShallowStep
from heatbath.testing import check_solver

LENGTH, BATCH, M, L = 7, 4, 3, 11
PROPOSAL = frozenset({"proposal"})
Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "proposals": lambda value, proposal: proposal.square().mean(),
    "values": lambda value, proposal: value.sin().sum(),
    "both": lambda value, proposal: proposal.square().mean() + value.sin().sum(),
    "the last state": lambda value, proposal: value[-1].square().sum(),
}


def draw(*shape: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 101 * sum(shape))
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def weights() -> list[Tensor]:
    shapes = ((M,), (M, L), (L, M), (M,), (L,))
    return [draw(*shape, scale=0.4, seed=i).requires_grad_() for i, shape in enumerate(shapes)]


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("alpha", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("clipped", [True, False])
def test_states_have_the_bits_of_the_scan_and_gradients_its_values(
    loss: Loss, alpha: float | None, clipped: bool
) -> None:
    inputs = [draw(BATCH, M, seed=9).requires_grad_(), *weights()]
    hook = None if alpha is None else Forcing(alpha, draw(LENGTH, BATCH, M))
    answers = []
    for solver in (Scan(None, None), BatchedScan(None, None)):
        problem = Recurrence(ShallowStep(*inputs[1:], clipped), inputs[0], LENGTH)
        solution = solver.solve(problem, record=PROPOSAL, on_step=hook)
        value, proposal = solution.value, solution.trace["proposal"]
        gradients = torch.autograd.grad(loss(value, proposal), inputs, allow_unused=True, materialize_grads=True)
        answers.append((value, proposal, gradients))
    (value, proposal, expected), (batched, its_proposal, found) = answers
    assert torch.equal(value, batched)
    assert torch.equal(proposal, its_proposal)
    for one, two in zip(expected, found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-12)


def test_gradients_are_right_by_finite_differences() -> None:
    signal = draw(LENGTH, BATCH, M)

    def states(z: Tensor, *w: Tensor) -> tuple[Tensor, Tensor]:
        problem = Recurrence(ShallowStep(*w, True), z, LENGTH)
        solution = BatchedScan(None, None).solve(problem, record=PROPOSAL, on_step=Forcing(0.3, signal))
        return solution.value, solution.trace["proposal"]

    assert torch.autograd.gradcheck(states, [draw(BATCH, M, seed=9).requires_grad_(), *weights()])


@pytest.mark.parametrize(
    ("problem", "hook"),
    [
        (Recurrence(lambda z: 2 * z, torch.ones(1, M, dtype=torch.float64), 3), None),
        (
            Recurrence(
                ShallowStep(*weights(), True, draw(M, 2)), draw(BATCH, M), LENGTH, inputs=draw(LENGTH, BATCH, 2)
            ),
            None,
        ),
        (Recurrence(ShallowStep(*weights(), True), draw(BATCH, M), LENGTH), lambda t, z, info: z / 2),
        (
            Recurrence(ShallowStep(*weights(), True), draw(BATCH, M), LENGTH),
            Forcing(0.5, draw(LENGTH, BATCH, M).requires_grad_()),
        ),
        (Recurrence(ShallowStep(*weights(), True), draw(BATCH, M), 0), None),
    ],
    ids=["another transition", "inputs", "another hook", "a signal with a gradient", "no steps"],
)
def test_what_it_does_not_serve_goes_to_the_scan(problem: Recurrence, hook: object) -> None:
    found = BatchedScan(None, None).solve(problem, on_step=hook)  # type: ignore[arg-type]
    expected = Scan(None, None).solve(problem, on_step=hook)  # type: ignore[arg-type]
    assert torch.equal(found.value, expected.value)
    assert "_Scan" not in type(found.value.grad_fn).__name__
    assert found.trace == {} == expected.trace


def test_nothing_is_recorded_unasked() -> None:
    problem = Recurrence(ShallowStep(*weights(), True), draw(BATCH, M), LENGTH)
    solution = BatchedScan(None, None).solve(problem, record=NOTHING)
    assert solution.trace == {}
    assert solution.stats == {"evaluations": LENGTH}


def test_it_conforms(host: Host) -> None:
    check_solver(host, "batched-scan")
