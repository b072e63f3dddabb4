"""Stochastic solvers: strong and weak orders, tolerances, rejections, gradients, what can go wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from heatbath.core.contracts import StochasticInitialValue
from heatbath.core.errors import InvalidInput
from heatbath.core.host import Host
from heatbath.solvers.ode.steps import Tolerance
from heatbath.solvers.sde import options as opt
from heatbath.solvers.sde.noise import Piece, joined
from heatbath.solvers.sde.solvers import EulerMaruyama, Milstein, StochasticRungeKutta
from heatbath.solvers.sde.steps import take_step
from heatbath.solvers.sde.tableaux import METHODS, SOSRI, SOSRI2, SRA1
from heatbath.testing import check_solver
from tests.accelerator import Accelerator

A, B = 1.01, 0.87
NAMES = [*METHODS, "euler-maruyama", "milstein"]
LOOSE = Tolerance(1.0, 1.0)


def growth(t: float, u: Tensor) -> Tensor:
    return A * u


def shake(t: float, u: Tensor) -> Tensor:
    return B * u


def pieces(count: int, paths: int, seed: int = 0) -> list[Piece]:
    """Brownian motion over [0, 1] in equal pieces."""
    generator, h = torch.Generator().manual_seed(seed), 1 / count
    x, y = (torch.randn(count, paths, generator=generator, dtype=torch.float64) for _ in range(2))
    ends = math.sqrt(h) * x
    areas = h / 2 * (ends + math.sqrt(h / 3) * y)
    return [Piece(h, end, area) for end, area in zip(ends, areas, strict=True)]


def coarser(fine: list[Piece], factor: int) -> list[Piece]:
    found = []
    for i in range(0, len(fine), factor):
        piece = fine[i]
        for other in fine[i + 1 : i + factor]:
            piece = joined(piece, other)
        found.append(piece)
    return found


def fixed(method: Any, f: Any, g: Any, u: Tensor, noise: list[Piece]) -> Tensor:
    t = 0.0
    for piece in noise:
        if isinstance(method, EulerMaruyama | Milstein):
            u = method.advance(f, g, t, u, piece)
        else:
            u = take_step(method, f, g, LOOSE, t, u, piece).state
        t += piece.length
    return u


@pytest.mark.parametrize(
    ("method", "low", "high"),
    [
        (SOSRI, 1.2, 1.7),
        (SOSRI2, 1.2, 1.7),
        (Milstein(opt.Fixed(), None), 0.8, 1.2),
        (EulerMaruyama(opt.Fixed(), None), 0.35, 0.75),
    ],
    ids=["sosri", "sosri2", "milstein", "euler-maruyama"],
)
def test_strong_order_on_geometric_brownian_motion(method: Any, low: float, high: float) -> None:
    """Mean distance at t = 1 to the exact solution on the same path, over h = 1/8 .. 1/64."""
    fine = pieces(64, 4000)
    exact = 0.5 * torch.exp(A - B * B / 2 + B * sum(piece.end for piece in fine))
    start = torch.full((4000,), 0.5, dtype=torch.float64)
    errors = [float((fixed(method, growth, shake, start, coarser(fine, k)) - exact).abs().mean()) for k in (8, 4, 2, 1)]
    slope = math.log2(errors[0] / errors[-1]) / 3
    assert low < slope < high, (slope, errors)


def moments(method: Any, f: Any, g: Any, h: float, first: float, second: float) -> tuple[float, float]:
    """Mean and second moment after a step from a state with these, exactly: it is a polynomial of two normal numbers.

    For linear drift and noise both moments after a step are combinations of those before, found from three states.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    x, y = (torch.from_numpy(a.ravel()) for a in np.meshgrid(nodes, nodes))
    weight = torch.from_numpy(np.outer(weights, weights).ravel() / weights.sum() ** 2)
    end = math.sqrt(h) * x
    noise = Piece(h, end, h / 2 * (end + math.sqrt(h / 3) * y))

    def after(u: float) -> tuple[float, float]:
        found = fixed(method, f, g, torch.full_like(x, u), [noise])
        return float(weight @ found), float(weight @ found.square())

    (m0, s0), (m1, s1), (_, s2) = after(0.0), after(1.0), after(-1.0)
    mean = m0 + (m1 - m0) * first
    return mean, s0 + (s1 - s2) / 2 * first + ((s1 + s2) / 2 - s0) * second


def weak_orders(
    method: Any, f: Any, g: Any, start: tuple[float, float], exact: tuple[float, float], counts: tuple[int, int]
) -> list[float]:
    """Slopes of the errors of mean and second moment at t = 1, without sampling."""
    errors = []
    for count in counts:
        found = start
        for _ in range(count):
            found = moments(method, f, g, 1 / count, *found)
        errors.append([abs(a - b) for a, b in zip(found, exact, strict=True)])
    return [math.log(a / b) / math.log(counts[1] / counts[0]) for a, b in zip(*errors, strict=True)]


@pytest.mark.parametrize(
    ("method", "low", "high"),
    [
        # The mean of a step's error may have a term of h^2.5, and has: weak order 1.5, hardly seen in the mean.
        (SOSRI, 1.45, 2.1),
        (SOSRI2, 1.45, 2.1),
        (Milstein(opt.Fixed(), None), 0.8, 1.2),
        (EulerMaruyama(opt.Fixed(), None), 0.8, 1.2),
    ],
    ids=["sosri", "sosri2", "milstein", "euler-maruyama"],
)
def test_weak_order_on_geometric_brownian_motion(method: Any, low: float, high: float) -> None:
    exact = 0.5 * math.exp(A), 0.25 * math.exp(2 * A + B * B)
    found = weak_orders(method, growth, shake, (0.5, 0.25), exact, (32, 128))
    assert all(low < order < high for order in found), found


def test_weak_order_of_sra1_on_additive_noise() -> None:
    """u' = -u + 0.7 dW."""
    exact = math.exp(-1), math.exp(-2) + 0.49 * (1 - math.exp(-2)) / 2
    found = weak_orders(SRA1, lambda t, u: -u, lambda t, u: torch.full_like(u, 0.7), (1.0, 1.0), exact, (128, 256))
    assert found == pytest.approx([2, 2], abs=0.2)


def test_strong_order_of_sra1_on_additive_noise() -> None:
    """u' = -u + cos(t) dW, against the same method on steps eight times as short."""

    def pull(t: float, u: Tensor) -> Tensor:
        return -u - u**3 / 3

    def push(t: float, u: Tensor) -> Tensor:
        return torch.full_like(u, math.cos(t))

    fine = pieces(512, 2000)
    start = torch.ones(2000, dtype=torch.float64)
    reference = fixed(SRA1, pull, push, start, fine)
    errors = [
        float((fixed(SRA1, pull, push, start, coarser(fine, k)) - reference).abs().mean()) for k in (64, 32, 16, 8)
    ]
    slope = math.log2(errors[0] / errors[-1]) / 3
    assert 1.3 < slope < 2.1, (slope, errors)


@pytest.mark.parametrize("method", [SOSRI, SOSRI2, SRA1], ids=lambda m: m.name)
def test_pure_additive_noise_is_exact(method: Any) -> None:
    """du = c dW has the solution u + c W, whatever the steps."""
    noise, zero = pieces(5, 100), torch.zeros(100, dtype=torch.float64)
    found = fixed(method, lambda t, u: 0 * u, lambda t, u: torch.full_like(u, 0.7), zero, noise)
    torch.testing.assert_close(found, 0.7 * sum(piece.end for piece in noise), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", [SOSRI, SOSRI2, SRA1], ids=lambda m: m.name)
def test_without_noise_the_drift_is_integrated(method: Any) -> None:
    one = torch.ones(1, dtype=torch.float64)
    errors = []
    for count in (8, 16, 32):
        end = fixed(method, lambda t, u: -u, lambda t, u: 0 * u, one, pieces(count, 1))
        errors.append(abs(float(end) - math.exp(-1)))
    assert math.log2(errors[0] / errors[-1]) / 2 > 1.8, errors


@pytest.mark.parametrize("tableau", METHODS.values(), ids=lambda m: m.name)
def test_conditions_on_the_coefficients(tableau: Any) -> None:
    """Of consistency and of weak order: Roessler 2010, theorem 6.1, those that are linear in the weights."""
    assert sum(tableau.alpha) == pytest.approx(1.0, abs=1e-10)
    assert sum(tableau.beta1) == pytest.approx(1.0, abs=1e-10)
    for weights in (tableau.beta2, tableau.beta3, tableau.beta4):
        assert sum(weights) == pytest.approx(0.0, abs=1e-10)
    for i in range(tableau.stages):
        assert sum(tableau.a0[i]) == pytest.approx(tableau.c0[i], abs=1e-10)
        if tableau is not SRA1:
            assert sum(tableau.a1[i]) == pytest.approx(tableau.c1[i], abs=1e-10)


def problem(paths: int = 20_000, times: tuple[float, ...] = (0.0, 1.0)) -> StochasticInitialValue:
    return StochasticInitialValue(growth, shake, torch.full((paths,), 0.5, dtype=torch.float64), times)


def solver(name: str, **options: Any) -> StochasticRungeKutta:
    return StochasticRungeKutta(METHODS[name], opt.Adaptive(**{"rtol": 0.1, "atol": 0.1, **options}))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestAdaptive:
    @pytest.mark.parametrize("name", ["sosri", "sosri2"])
    def test_mean_and_variance_of_geometric_brownian_motion(self, name: str) -> None:
        """Within three standard errors: a false alarm in 370, each."""
        value = solver(name, rtol=5e-2, atol=5e-2).solve(problem(), generator=seeded(3)).value[-1]
        mean, variance = 0.5 * math.exp(A), 0.25 * math.exp(2 * A) * (math.exp(B * B) - 1)
        assert abs(float(value.mean()) - mean) < 3 * math.sqrt(variance / len(value))
        fourth = (value - value.mean()).pow(4).mean()
        error = math.sqrt((float(fourth) - variance**2) / len(value))
        assert abs(float(value.var()) - variance) < 3 * error

    def test_rejections_happen_and_do_not_bias(self) -> None:
        """A first step over everything is rejected until it is short; the law stays (three standard errors)."""
        solution = solver("sosri", first_step=1.0).solve(problem(), generator=seeded(1))
        assert solution.stats["rejected"] >= 3
        mean, variance = 0.5 * math.exp(A), 0.25 * math.exp(2 * A) * (math.exp(B * B) - 1)
        assert abs(float(solution.value[-1].mean()) - mean) < 3 * math.sqrt(variance / 20_000)

    def test_the_same_seed_is_the_same_path(self) -> None:
        once, again, other = (
            solver("sosri").solve(problem(50), generator=seeded(seed), record=frozenset({"h"})) for seed in (7, 7, 8)
        )
        assert torch.equal(once.value, again.value)
        assert torch.equal(once.trace["h"], again.trace["h"])
        assert not torch.equal(once.value, other.value)

    @pytest.mark.parametrize("name", list(METHODS))
    def test_evaluations_are_the_calls(self, name: str) -> None:
        calls = {"drift": 0, "diffusion": 0}

        def drift(t: float, u: Tensor) -> Tensor:
            calls["drift"] += 1
            return -u

        def diffusion(t: float, u: Tensor) -> Tensor:
            calls["diffusion"] += 1
            return torch.full_like(u, 0.3)

        start = torch.ones(20, dtype=torch.float64)
        posed = StochasticInitialValue(drift, diffusion, start, (0.0, 0.4, 2.0))
        stats = solver(name).solve(posed, generator=seeded()).stats
        attempts = int(stats["accepted"]) + int(stats["rejected"])
        assert calls["drift"] == int(stats["evaluations"]) + 1  # shapes are checked before the start
        assert calls["diffusion"] == int(stats["evaluations"]) + (3 if METHODS[name].additive else 1)  # and additivity
        assert stats["evaluations"] == 2 + METHODS[name].stages * attempts

    def test_errors_are_at_most_one_and_fall_with_the_tolerance(self) -> None:
        found = []
        for tolerance in (3e-1, 1e-1, 3e-2):
            how = {"rtol": tolerance, "atol": tolerance}
            solution = solver("sosri", **how).solve(problem(100), generator=seeded(), record=frozenset({"error", "h"}))
            assert float(solution.trace["error"].max()) <= 1.0
            found.append(int(solution.stats["accepted"]))
        assert found[0] < found[1] < found[2]

    def test_it_steps_onto_the_times(self) -> None:
        times = (0.0, 0.1, 0.35, 1.0)
        solution = solver("sosri").solve(problem(10, times), generator=seeded(), record=frozenset({"t", "h"}))
        ends = (solution.trace["t"] + solution.trace["h"]).tolist()
        assert all(any(abs(end - time) < 1e-12 for end in ends) for time in times[1:])
        assert solution.value.shape == (4, 10)

    def test_the_stiffness_of_a_linear_drift_is_its_rate(self) -> None:
        posed = StochasticInitialValue(
            lambda t, u: -12.0 * u, lambda t, u: torch.full_like(u, 0.1), torch.ones(5, dtype=torch.float64), (0.0, 1.0)
        )
        solution = solver("sosri2").solve(posed, generator=seeded(), record=frozenset({"stiffness"}))
        assert solution.trace["stiffness"].tolist() == pytest.approx(
            [12.0] * len(solution.trace["stiffness"]), rel=1e-8
        )
        assert "no two stages at one time" in solver("sosri").withheld["stiffness"]

    def test_gradients_of_end_error_and_stiffness(self) -> None:
        """Against finite differences along the same path and the same steps."""
        rate = torch.tensor(-1.5, dtype=torch.float64, requires_grad=True)
        start = torch.ones(6, dtype=torch.float64)
        record = frozenset({"error", "stiffness", "h"})

        def loss(value: Tensor) -> Tensor:
            posed = StochasticInitialValue(lambda t, u: value * u, lambda t, u: 0.2 * u, start, (0.0, 0.5))
            # limits on both sides make every step 0.05 long
            how = {"first_step": 0.05, "max_step": 0.05, "rtol": 10.0, "atol": 10.0, "controller": "i"}
            solution = solver("sosri2", **how).solve(posed, generator=seeded(), record=record)
            assert solution.stats["accepted"] == 10
            trace = solution.trace
            return solution.value[-1].square().sum() + trace["error"].sum() + 0.1 * trace["stiffness"].sum()

        (gradient,) = torch.autograd.grad(loss(rate), rate)
        up, down = (float(loss(torch.tensor(-1.5 + e, dtype=torch.float64))) for e in (1e-5, -1e-5))
        assert float(gradient) == pytest.approx((up - down) / 2e-5, rel=1e-5)

    def test_a_hook_may_replace_the_state(self) -> None:
        level = torch.full((10,), 2.0, dtype=torch.float64, requires_grad=True)
        solution = solver("sosri").solve(problem(10), generator=seeded(), on_step=lambda t, y, info: level)
        assert torch.equal(solution.value[-1], level)

    def test_the_initial_state_may_stay(self) -> None:
        solution = solver("sosri").solve(problem(10, (0.0, 0.0)), generator=seeded(), record=frozenset({"error"}))
        assert torch.equal(solution.value[0], solution.value[1])
        assert solution.trace["error"].shape == (0,)


class TestWhatGoesWrong:
    def test_a_drift_that_is_not_finite(self) -> None:
        def drift(t: float, u: Tensor) -> Tensor:
            return -u if t < 0.5 else math.nan * u

        posed = StochasticInitialValue(drift, shake, torch.ones(3, dtype=torch.float64), (0.0, 0.25, 1.0))
        solution = solver("sosri").solve(posed, generator=seeded())
        assert not solution.ok
        assert solution.stats["status"] == "not finite"
        assert solution.value.shape == (2, 3)

    def test_a_state_that_is_not_finite(self) -> None:
        start = torch.full((3,), math.nan, dtype=torch.float64)
        posed = StochasticInitialValue(growth, shake, start, (0.0, 1.0))
        assert solver("sosri").solve(posed, generator=seeded()).stats["status"] == "not finite"

    def test_too_many_steps(self) -> None:
        solution = solver("sosri", max_steps=4).solve(problem(10), generator=seeded())
        assert solution.stats["status"] == "too many steps"
        assert "4 steps were attempted; at t = " in str(solution.stats["message"])

    @pytest.mark.parametrize("method", [EulerMaruyama, Milstein])
    def test_fixed_steps_that_leave_the_numbers(self, method: Any) -> None:
        def drift(t: float, u: Tensor) -> Tensor:
            return -u if t < 0.5 else math.nan * u

        posed = StochasticInitialValue(drift, shake, torch.ones(3, dtype=torch.float64), (0.0, 0.25, 1.0))
        solution = method(opt.Fixed(0.05), None).solve(posed, generator=seeded())
        assert not solution.ok
        assert solution.stats["status"] == "not finite"
        assert "not finite at t = 1; at t = 0.25 the largest |y| is" in str(solution.stats["message"])
        assert bool(solution.value[1].isfinite().all())

    def test_what_is_refused(self) -> None:
        start = torch.ones(3, dtype=torch.float64)
        with pytest.raises(InvalidInput, match="needs a `generator`"):
            solver("sosri").solve(problem(3))
        with pytest.raises(InvalidInput, match=r"`times` must increase; entry 1 is 0\.0"):
            solver("sosri").solve(problem(3, (1.0, 0.0)), generator=seeded())
        wide = StochasticInitialValue(growth, lambda t, u: torch.outer(u, u), start, (0.0, 1.0))
        with pytest.raises(InvalidInput, match=r"the diffusion must have the state's shape \(3,\).*got \(3, 3\)"):
            solver("sosri").solve(wide, generator=seeded())
        with pytest.raises(InvalidInput, match="sra1 is for additive noise, and the diffusion at t = 0 depends on the"):
            solver("sra1").solve(problem(3), generator=seeded())
        quiet = StochasticInitialValue(growth, shake, torch.ones(1), (0.0, 1e-9))
        with pytest.warns(RuntimeWarning, match="below ten times the round-off of torch.float32"):
            solver("sosri", rtol=1e-8, atol=1e-8).solve(quiet, generator=seeded())
        for options, message in (
            ({"rtol": -1.0}, "at least 0"),
            ({"first_step": math.nan}, "`first_step` at least 0"),
            ({"controller": "pid"}, "`controller` must be one of i, pi, got 'pid'"),
            ({"max_steps": 0}, "`max_steps` must be at least 1"),
            ({"most_growth": 1.0}, "`most_growth` must be more than 1"),
        ):
            with pytest.raises(ValueError, match=message):
                opt.Adaptive(**options)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="`step` must be positive"):
            opt.Fixed(step=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_registered_solvers_conform(host: Host, name: str) -> None:
    options = {"step": 0.01} if name in ("euler-maruyama", "milstein") else {"rtol": 3e-2, "atol": 3e-2}
    check_solver(host, name, accuracy=1e-2, **options)


def test_one_wait_an_attempted_step(accelerator: Accelerator) -> None:
    start = torch.ones(8, dtype=torch.float64).to(accelerator.device)
    posed = StochasticInitialValue(growth, shake, start, (0.0, 1.0))
    with accelerator.counting() as counts:
        solution = solver("sosri").solve(posed, generator=accelerator.generator(), record=frozenset({"error", "h"}))
    attempts = int(solution.stats["accepted"]) + int(solution.stats["rejected"])
    assert (counts.syncs, counts.uploads) == (attempts + 3, 1), counts


def test_fixed_steps_wait_for_nothing(accelerator: Accelerator) -> None:
    start = torch.ones(8, dtype=torch.float64).to(accelerator.device)
    posed = StochasticInitialValue(growth, shake, start, (0.0, 0.1))
    with accelerator.counting() as counts:
        EulerMaruyama(opt.Fixed(step=0.01, check=False), None).solve(posed, generator=accelerator.generator())
    assert (counts.syncs, counts.uploads) == (0, 0), counts
    with accelerator.counting() as counts:
        EulerMaruyama(opt.Fixed(step=0.01), None).solve(posed, generator=accelerator.generator())
    assert (counts.syncs, counts.uploads) == (1, 0), counts  # at the end: is all finite?


@pytest.mark.gpu
def test_on_cuda() -> None:
    """Forward and backward; a generator of another device draws other numbers, so there is nothing to compare."""
    start = torch.ones(1000, dtype=torch.float64, device="cuda", requires_grad=True)
    posed = StochasticInitialValue(growth, shake, start, (0.0, 1.0))
    value = solver("sosri").solve(posed, generator=torch.Generator("cuda").manual_seed(0)).value
    assert value.is_cuda
    assert bool(value.isfinite().all())
    (gradient,) = torch.autograd.grad(value[-1].sum(), start)
    torch.testing.assert_close(gradient, value[-1].detach(), rtol=1e-8, atol=1e-12)  # linear in the start
