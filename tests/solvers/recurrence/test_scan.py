"""The scan in plain torch: states, hooks, inputs, what it records."""

import pytest
import torch

from heatbath.core.contracts import Recurrence
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.scan import Scan
from heatbath.testing import check_solver

PROPOSAL = frozenset({"proposal"})


def solve(problem, **how):
    return Scan(None, None).solve(problem, **how)


def linear(length, batch=2):
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    start = torch.randn(batch, 3, generator=generator, dtype=torch.float64)
    return A, Recurrence(lambda z: z @ A.T, start, length)


def test_it_conforms(host):
    check_solver(host, "scan", accuracy=1e-12)


def test_a_linear_map_gives_the_powers_of_its_matrix():
    A, problem = linear(6)
    solution = solve(problem)
    assert solution.value.shape == (6, 2, 3)
    for t in range(1, 7):
        expected = problem.initial_state @ torch.linalg.matrix_power(A, t).T
        assert torch.allclose(solution.value[t - 1], expected, rtol=1e-12)
    assert solution.stats == {"evaluations": 6}
    assert solution.ok


def test_no_step_is_an_empty_answer_of_the_right_shape_and_kind():
    _, problem = linear(0)
    solution = solve(problem, record=PROPOSAL)
    assert solution.value.shape == solution.trace["proposal"].shape == (0, 2, 3)
    assert solution.value.dtype == torch.float64
    hooked = solve(problem, record=PROPOSAL, on_step=lambda t, z, info: None)
    assert hooked.trace["proposal"].shape == (0, 2, 3)


def test_inputs_come_one_at_a_time():
    inputs = torch.arange(4.0).view(4, 1, 1)
    problem = Recurrence(lambda z, s: 2 * z + s, torch.ones(1, 1), 4, inputs)
    assert solve(problem).value.flatten().tolist() == [2.0, 5.0, 12.0, 27.0]


def test_a_hook_is_told_time_state_and_index_and_what_it_gives_is_gone_on_from():
    told = []

    def hook(t, z, info):
        told.append((t, float(z), dict(info)))
        return torch.zeros_like(z) if t == 2.0 else None

    problem = Recurrence(lambda z: z + 1, torch.ones(1, 1), 3)
    solution = solve(problem, on_step=hook, record=PROPOSAL)
    assert told == [(1.0, 2.0, {"index": 0}), (2.0, 3.0, {"index": 1}), (3.0, 1.0, {"index": 2})]
    assert solution.value.flatten().tolist() == [2.0, 0.0, 1.0]
    assert solution.trace["proposal"].flatten().tolist() == [2.0, 3.0, 1.0]


def test_without_a_hook_the_states_are_what_was_proposed():
    _, problem = linear(4)
    solution = solve(problem, record=PROPOSAL)
    assert solution.trace["proposal"] is solution.value
    assert solve(problem).trace == {}


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_forcing_draws_each_state_towards_the_signal(alpha):
    """z~ = (1 - alpha) F(z~) + alpha x, step by step."""
    A, problem = linear(5)
    signal = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    solution = solve(problem, on_step=Forcing(alpha, signal), record=PROPOSAL)
    z = problem.initial_state
    for t in range(5):
        proposed = z @ A.T
        z = (1 - alpha) * proposed + alpha * signal[t]
        assert torch.allclose(solution.trace["proposal"][t], proposed, rtol=1e-12)
        assert torch.allclose(solution.value[t], z, rtol=1e-12)
    if alpha == 0.0:
        assert torch.equal(solution.value, solve(problem).value)
    if alpha == 1.0:
        assert torch.equal(solution.value, signal)


def test_forcing_shortens_the_memory_of_the_gradient():
    """d z_T / d z_0 = ((1 - alpha) A)^T for a linear map: the product of Jacobians shrinks by 1 - alpha a step."""
    A, problem = linear(5, batch=1)
    start = problem.initial_state.requires_grad_()
    signal = torch.zeros(5, 1, 3, dtype=torch.float64)

    def jacobian(alpha):
        value = solve(problem, on_step=Forcing(alpha, signal)).value[-1, 0]
        return torch.stack([torch.autograd.grad(v, start, retain_graph=True)[0][0] for v in value])

    assert torch.allclose(jacobian(0.0), torch.linalg.matrix_power(A, 5), rtol=1e-10)
    assert torch.allclose(jacobian(0.25), 0.75**5 * torch.linalg.matrix_power(A, 5), rtol=1e-10)


def test_samples_of_a_batch_do_not_meet():
    _, problem = linear(4)
    alone = solve(Recurrence(problem.transition, problem.initial_state[:1], 4))
    assert torch.allclose(alone.value, solve(problem).value[:, :1], rtol=1e-12)
