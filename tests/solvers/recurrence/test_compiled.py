"""The compiled scan against the plain one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from heatbath.core.contracts import Recurrence, Solution
from heatbath.core.errors import ConfigError
from heatbath.core.host import Host
from heatbath.solvers.recurrence import kernels
from heatbath.solvers.recurrence.compiled import CompiledScan
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.scan import Scan
from heatbath.solvers.recurrence.shallow import ShallowStep
from heatbath.testing import check_solver

RECORD = frozenset({"proposal"})
STRENGTHS = st.sampled_from([None, 0.0, 0.15, 1.0, "partial"])
MakeStep = Callable[..., ShallowStep]
many = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def scan() -> Scan:
    return Scan(None, None)


def compiled(instruction_set: str | None = None) -> CompiledScan:
    return CompiledScan(None, None, instruction_set)


def weights(step: ShallowStep) -> list[Tensor]:
    return list(kernels.weights_of(step))


def solve(solver: Scan | CompiledScan, problem: Recurrence, hook: Forcing | None) -> Solution:
    return solver.solve(problem, record=RECORD, on_step=hook)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).detach().abs().max() / expected.detach().abs().max().clamp(min=1e-30))


def pose(
    make: MakeStep, M: int, L: int, T: int, batch: int, alpha: float | str | None, clipped: bool, dtype: torch.dtype
) -> tuple[Recurrence, Forcing | None, Tensor]:
    """A problem whose signal is not contiguous, its hook, and weights for the gradient."""
    generator = torch.Generator().manual_seed(M + 100 * L + 7 * T + batch)
    step = make(M, L, clipped, dtype, generator)
    start = torch.randn(batch, M, generator=generator, dtype=dtype).requires_grad_()
    signal = torch.randn(batch, T, M, generator=generator, dtype=dtype).transpose(0, 1)
    strength = torch.tensor([0.3] * (M - 1) + [0.0], dtype=dtype) if alpha == "partial" else alpha
    hook = None if strength is None else Forcing(strength, signal)  # type: ignore[arg-type]
    return Recurrence(step, start, T), hook, torch.randn(2, T, batch, M, generator=generator, dtype=dtype)


def gradients(solution: Solution, problem: Recurrence, by: Tensor) -> Tensor:
    """Of a sum over states and proposals, as one vector: single entries may cancel to nearly nothing."""
    total = (solution.value * by[0]).sum() + (solution.trace["proposal"] * by[1]).sum()
    found = torch.autograd.grad(total, [problem.initial_state, *weights(problem.transition)])  # type: ignore[arg-type]
    return torch.cat([one.flatten() for one in found])


def kink_distance(problem: Recurrence, solution: Solution) -> float:
    """How close a hidden unit comes to where its derivative jumps."""
    step = problem.transition
    assert isinstance(step, ShallowStep)
    visited = torch.cat([problem.initial_state.unsqueeze(0), solution.value[:-1]]).detach()
    u = visited @ step.W2.detach().T
    edges = (u + step.h2.detach(), u) if step.clipped else (u + step.h2.detach(),)
    return min(float(edge.abs().min()) for edge in edges)


def test_it_keeps_the_contract_of_solvers(host: Host) -> None:
    check_solver(host, "compiled")


@many
@given(
    M=st.integers(1, 20),
    L=st.integers(1, 600),
    T=st.integers(1, 80),
    batch=st.integers(1, 40),
    alpha=STRENGTHS,
    clipped=st.booleans(),
)
def test_it_equals_the_scan_in_double_precision(
    random_step: MakeStep,
    instruction_set: str,
    M: int,
    L: int,
    T: int,
    batch: int,
    alpha: float | str | None,
    clipped: bool,
) -> None:
    problem, hook, by = pose(random_step, M, L, T, batch, alpha, clipped, torch.float64)
    plain, fast = solve(scan(), problem, hook), solve(compiled(instruction_set), problem, hook)
    assert fast.stats == plain.stats
    assert relative(fast.value, plain.value) < 1e-10
    assert relative(fast.trace["proposal"], plain.trace["proposal"]) < 1e-10
    assert relative(gradients(fast, problem, by), gradients(plain, problem, by)) < 1e-10


@many
@given(
    M=st.integers(1, 20),
    L=st.integers(1, 100),
    T=st.integers(1, 10),
    batch=st.sampled_from([1, 2, 5, 7, 16, 17]),
    alpha=STRENGTHS,
    clipped=st.booleans(),
)
def test_it_equals_the_scan_in_single_precision(
    random_step: MakeStep,
    instruction_set: str,
    M: int,
    L: int,
    T: int,
    batch: int,
    alpha: float | str | None,
    clipped: bool,
) -> None:
    problem, hook, by = pose(random_step, M, L, T, batch, alpha, clipped, torch.float32)
    plain, fast = solve(scan(), problem, hook), solve(compiled(instruction_set), problem, hook)
    assert relative(fast.value, plain.value) < 1e-5
    assert relative(fast.trace["proposal"], plain.trace["proposal"]) < 1e-5
    # At a kink rounding decides on which side the derivative is taken.
    assume(kink_distance(problem, plain) > 2e-6)
    assert relative(gradients(fast, problem, by), gradients(plain, problem, by)) < 1e-5


def test_the_sizes_of_the_published_tables_in_single_precision(random_step: MakeStep, instruction_set: str) -> None:
    for M, L, T in ((3, 50, 200), (5, 250, 200), (16, 512, 50)):
        problem, hook, _ = pose(random_step, M, L, T, 16, 0.1, True, torch.float32)
        plain, fast = solve(scan(), problem, hook), solve(compiled(instruction_set), problem, hook)
        assert relative(fast.value, plain.value) < 1e-5


def test_full_forcing_cuts_the_gradient_to_the_start_exactly(random_step: MakeStep, instruction_set: str) -> None:
    problem, hook, _ = pose(random_step, 3, 30, 6, 5, 1.0, True, torch.float64)
    proposal = solve(compiled(instruction_set), problem, hook).trace["proposal"]
    (later,) = torch.autograd.grad(proposal[1:].sum(), problem.initial_state, retain_graph=True)
    (first,) = torch.autograd.grad(proposal[0].sum(), problem.initial_state)
    assert torch.equal(later, torch.zeros_like(later))
    assert bool((first != 0).all())


def test_forcing_of_strength_zero_is_a_free_run(random_step: MakeStep, instruction_set: str) -> None:
    problem, hook, _ = pose(random_step, 5, 40, 30, 6, 0.0, True, torch.float32)
    forced, free = solve(compiled(instruction_set), problem, hook), solve(compiled(instruction_set), problem, None)
    assert torch.equal(forced.value, free.value)


def test_a_long_free_run_of_one_orbit_and_of_many(random_step: MakeStep, instruction_set: str) -> None:
    for batch in (1, 100):
        problem, _, _ = pose(random_step, 4, 37, 300, batch, None, True, torch.float64)
        with torch.no_grad():
            plain, fast = solve(scan(), problem, None), solve(compiled(instruction_set), problem, None)
        assert relative(fast.value, plain.value) < 1e-10
        assert not fast.value.requires_grad


def test_first_and_second_derivatives_by_finite_differences(random_step: MakeStep) -> None:
    generator = torch.Generator().manual_seed(3)
    step = random_step(2, 5, True, torch.float64, generator)
    start = torch.randn(3, 2, generator=generator, dtype=torch.float64).requires_grad_()
    signal = torch.randn(4, 3, 2, generator=generator, dtype=torch.float64)

    def states(start: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        A, W1, W2, h1, h2 = parameters
        problem = Recurrence(ShallowStep(A, W1, W2, h1, h2, True), start, 4)
        solution = solve(compiled(), problem, Forcing(0.3, signal))
        return solution.value, solution.trace["proposal"]

    assert torch.autograd.gradcheck(states, (start, *weights(step)))
    assert torch.autograd.gradgradcheck(states, (start, *weights(step)))


@pytest.mark.parametrize("forced", [False, True])
def test_external_inputs_with_their_gradients(random_step: MakeStep, instruction_set: str, forced: bool) -> None:
    problem, hook, by = pose(random_step, 3, 20, 12, 5, 0.2 if forced else None, True, torch.float64)
    C = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    inputs = torch.randn(12, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    problem = replace(problem, transition=replace(problem.transition, C=C), inputs=inputs)  # type: ignore[type-var]
    found = []
    for solver in (scan(), compiled(instruction_set)):
        solution = solve(solver, problem, hook)
        total = (solution.value * by[0]).sum() + (solution.trace["proposal"] * by[1]).sum()
        found.append((solution.value.detach(), *torch.autograd.grad(total, [C, inputs, problem.initial_state])))
    for plain, fast in zip(*found, strict=True):
        assert relative(fast, plain) < 1e-10


def test_a_module_that_shows_its_step_is_recognised(random_step: MakeStep, monkeypatch: pytest.MonkeyPatch) -> None:
    step = random_step(3, 8, True, torch.float32, torch.Generator().manual_seed(0))

    class Model(torch.nn.Module):
        def shallow(self) -> ShallowStep:
            return step

        def forward(self, z: Tensor) -> Tensor:
            raise AssertionError("the kernel was to be used")

    if not kernels.available():
        pytest.skip("no kernel was built")
    fast = compiled().solve(Recurrence(Model(), torch.ones(2, 3), 5))
    assert relative(fast.value, scan().solve(Recurrence(step, torch.ones(2, 3), 5)).value) < 1e-5


# torch's own forward-mode rules are scripted.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_what_the_kernel_cannot_honour_goes_to_the_scan(random_step: MakeStep) -> None:
    problem, hook, _ = pose(random_step, 3, 20, 6, 4, 0.2, True, torch.float64)
    assert hook is not None
    plain = solve(scan(), problem, hook)

    seen = []
    watched = compiled().solve(problem, record=RECORD, on_step=lambda t, z, info: seen.append(t))
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert relative(watched.value, scan().solve(problem).value) < 1e-12

    signal = hook.signal.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(solve(compiled(), problem, Forcing(0.2, signal)).value.sum(), signal)
    assert float(gradient[-1].mean()) == pytest.approx(0.2)

    tanh = compiled().solve(Recurrence(torch.tanh, torch.ones(2, 3), 4))
    assert torch.equal(tanh.value, scan().solve(Recurrence(torch.tanh, torch.ones(2, 3), 4)).value)

    none = compiled().solve(replace(problem, length=0), record=RECORD)
    assert none.value.shape == (0, 4, 3)

    def last(start: Tensor) -> Tensor:
        value: Tensor = solve(compiled(), replace(problem, initial_state=start), hook).value[-1]
        return value

    start = problem.initial_state.detach()
    jacobian = torch.func.jacrev(last)(start)
    assert relative(torch.func.jacfwd(last)(start), jacobian) < 1e-10
    assert relative(jacobian.sum((0, 1)), torch.autograd.grad(plain.value[-1].sum(), problem.initial_state)[0]) < 1e-10


def test_half_precision_goes_to_the_scan(random_step: MakeStep) -> None:
    step = random_step(3, 8, True, torch.bfloat16, torch.Generator().manual_seed(0))
    problem = Recurrence(step, torch.ones(2, 3, dtype=torch.bfloat16), 3)
    assert torch.equal(compiled().solve(problem).value, scan().solve(problem).value)


def test_parameters_that_are_views_and_not_contiguous(random_step: MakeStep, instruction_set: str) -> None:
    problem, hook, by = pose(random_step, 3, 20, 6, 4, 0.2, True, torch.float64)
    step = problem.transition
    assert isinstance(step, ShallowStep)
    turned = replace(step, W1=step.W1.T.contiguous().T, W2=step.W2.T.contiguous().T)
    start = problem.initial_state.T.contiguous().T
    fast = solve(compiled(instruction_set), Recurrence(turned, start, 6), hook)
    (gradient,) = torch.autograd.grad((fast.value * by[0]).sum(), step.W1)
    plain = solve(scan(), problem, hook)
    assert relative(gradient, torch.autograd.grad((plain.value * by[0]).sum(), step.W1)[0]) < 1e-10


def test_nan_spreads_as_in_the_scan(random_step: MakeStep, instruction_set: str) -> None:
    problem, _, _ = pose(random_step, 3, 20, 6, 4, None, True, torch.float32)
    start = problem.initial_state.detach().clone()
    start[1, 2] = torch.nan
    problem = replace(problem, initial_state=start)
    plain, fast = scan().solve(problem).value, compiled(instruction_set).solve(problem).value
    assert torch.equal(fast.isnan(), plain.isnan())


def test_an_instruction_set_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernels.available():
        pytest.skip("no kernel was built")
    monkeypatch.setenv(kernels.SWITCH, "baseline")
    table = kernels.kernels(torch.float64)
    assert table is not None
    assert table.name == b"baseline"
    monkeypatch.setenv(kernels.SWITCH, "abacus")
    with pytest.raises(ConfigError, match="among baseline, avx2, avx512, got 'abacus'"):
        kernels.kernels(torch.float64)


def test_memory_that_is_not_there_is_an_error(instruction_set: str) -> None:
    table = kernels.kernels(torch.float32, instruction_set)
    assert table is not None
    enormous = kernels.Shape(1, 1, 1 << 40, 1 << 10, 1)
    with pytest.raises(kernels.OutOfMemory, match="reduce the window, the batch or the model"):
        kernels.call(table.forward, enormous, kernels.Pointers(), None, None, None, None, None, None)


def test_without_the_library_the_scan_serves() -> None:
    program = (
        "import torch; from heatbath.core.contracts import Recurrence\n"
        "from heatbath.solvers.recurrence.compiled import CompiledScan\n"
        "from heatbath.solvers.recurrence.jacobians import jacobian_products\n"
        "from heatbath.solvers.recurrence.kernels import available\n"
        "from heatbath.solvers.recurrence.layout import Layout\n"
        "from heatbath.solvers.recurrence.training import make_trainer\n"
        "layout = Layout(1, 1); theta = torch.full((layout.size,), 0.5); step = layout.step(theta)\n"
        "value = CompiledScan(None, None).solve(Recurrence(step, torch.ones(1, 1), 3)).value\n"
        "trainer = make_trainer(layout, theta.clone(), torch.ones(9, 1), window=2)\n"
        "product = jacobian_products(step, value, torch.ones(1, 1, 1))\n"
        "print(available(), value.flatten().tolist(), type(trainer).__name__, product.item())\n"
    )
    environment = {"HEATBATH_NATIVE": "0", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    # F(z) = 0.5 z + 0.5 (relu(0.5 z + 0.5) - relu(0.5 z)) + 0.5 = 0.5 z + 0.75
    assert done.stdout.split("\n")[0] == "[] [1.25, 1.375, 1.4375] PlainTrainer 0.125"
