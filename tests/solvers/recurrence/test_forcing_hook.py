"""U4 of the method's acceptance checks, and forcing as a hook of any recurrence or flow."""

import pytest
import torch

from heatbath.core.contracts import InitialValue, Recurrence
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.testing import build

T, BATCH, DIM = 9, 4, 3


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def step(host):
    return build(host, "models", "shallow-plrnn", facts={"latent_size": DIM}, hidden=8).double()


@pytest.fixture
def solve(host):
    scan = build(host, "solvers", "scan")
    return lambda step, start, hook, **how: scan.solve(Recurrence(step, start, T), on_step=hook, **how)


def test_full_forcing_cuts_the_gradient_after_one_step(step, solve):
    start = draw(BATCH, DIM).requires_grad_()
    solution = solve(step, start, Forcing(1.0, draw(T, BATCH, DIM, seed=1)), record=frozenset({"proposal"}))
    proposal = solution.trace["proposal"]
    (later,) = torch.autograd.grad(proposal[1:].sum(), start, retain_graph=True, allow_unused=True)
    assert later is None or torch.equal(later, torch.zeros_like(later))
    (first,) = torch.autograd.grad(proposal[0].sum(), start)
    assert float(first.abs().min()) > 0


def test_the_first_step_is_not_damped(step, solve):
    """dz_2/dz_1 has no factor 1 - alpha, for z_1 is not forced."""
    start = draw(BATCH, DIM).requires_grad_()
    solution = solve(step, start, Forcing(0.7, draw(T, BATCH, DIM, seed=1)), record=frozenset({"proposal"}))
    (found,) = torch.autograd.grad(solution.trace["proposal"][0].sum(), start)
    torch.testing.assert_close(found, step.jacobian(start).sum(1))


def test_no_forcing_is_a_free_run(step, solve):
    start = draw(BATCH, DIM)
    forced, free = solve(step, start, Forcing(0.0, draw(T, BATCH, DIM))), solve(step, start, None)
    torch.testing.assert_close(forced.value, free.value, rtol=0, atol=0)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_an_interval_forces_every_third_step(step, solve, alpha):
    signal = draw(T, BATCH, DIM, seed=1)
    solution = solve(step, draw(BATCH, DIM), Forcing(alpha, signal, interval=3), record=frozenset({"proposal"}))
    value, proposal = solution.value, solution.trace["proposal"]
    for t in range(T):
        mixed = (1 - alpha) * proposal[t] + alpha * signal[t]
        torch.testing.assert_close(value[t], mixed if t % 3 == 2 else proposal[t])


def test_sparse_forcing_is_free_runs_from_data(step, solve):
    """Every third step fully: as if each third state of the data were a start."""
    signal = draw(T, BATCH, DIM, seed=1)
    whole = solve(step, signal[-1], Forcing(1.0, signal, interval=3), record=frozenset({"proposal"}))
    z = signal[2]
    for t in range(3, 6):
        z = step(z)
        torch.testing.assert_close(whole.trace["proposal"][t], z)


def test_units_can_have_strengths_of_their_own(step, solve):
    signal, strength = draw(T, BATCH, DIM, seed=1), torch.tensor([1.0, 0.5, 0.0]).double()
    solution = solve(step, draw(BATCH, DIM), Forcing(strength, signal), record=frozenset({"proposal"}))
    expected = (1 - strength) * solution.trace["proposal"] + strength * signal
    torch.testing.assert_close(solution.value, expected)


def test_a_flow_is_forced_by_its_own_solver(host):
    """The same hook on an ODE solver that steps from point to point: a caller says which signal belongs to a time."""
    solver, signal = build(host, "solvers", "rk4", step=1.0), draw(5, BATCH, DIM)
    forcing = Forcing(0.4, signal)

    def hook(t, y, info):
        return forcing(t, y, {"index": round(t) - 1})

    problem = InitialValue(lambda t, y: -y, draw(BATCH, DIM, seed=1), tuple(float(t) for t in range(6)))
    solution = solver.solve(problem, on_step=hook, record=frozenset({"proposal"}))
    expected = 0.6 * solution.trace["proposal"] + 0.4 * signal
    torch.testing.assert_close(solution.value[1:], expected)
