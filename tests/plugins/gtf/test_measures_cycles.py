"""Fixed points and cycles: on models that have known ones by construction."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from heatbath.envs.chaotic import options as env
from heatbath.envs.chaotic.henon import Henon
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.measures import Cycle, find_cycles, fixed_points
from heatbath.plugins.gtf.models import ShallowPLRNN
from heatbath.solvers.recurrence.shallow import ShallowStep


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def random_step(M: int, L: int, clipped: bool, seed: int) -> ShallowStep:
    A = 0.8 * torch.rand(M, generator=seeded(seed), dtype=torch.float64)
    weights = [draw(*shape, seed=seed + i) for i, shape in enumerate([(M, L), (L, M), (M,), (L,)], 1)]
    W1, W2, h1, h2 = weights
    return ShallowStep(A, W1 / L**0.5, W2 / M**0.5, 0.3 * h1, h2, clipped)


def with_fixed_point(step: ShallowStep, z: Tensor) -> ShallowStep:
    """The bias chosen so that F(z) = z."""
    h1 = step.h1 + z - step(z.unsqueeze(0))[0]
    return ShallowStep(step.A, step.W1, step.W2, h1, step.h2, step.clipped)


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("seed", [1, 20, 300])
def test_a_fixed_point_made_by_choice_of_the_bias_is_found(clipped: bool, seed: int) -> None:
    z = draw(3, seed=seed + 50)
    step = with_fixed_point(random_step(3, 10, clipped, seed), z)
    found = fixed_points(step, 2 * draw(200, 3), seeded())
    nearest = min(found, key=lambda cycle: float((cycle.points[0] - z).norm()))
    torch.testing.assert_close(nearest.points[0], z, rtol=1e-9, atol=1e-9)
    eigenvalues = torch.linalg.eigvals(step.jacobian(z))
    assert nearest.eigenvalues.abs().tolist() == pytest.approx(sorted(eigenvalues.abs().tolist(), reverse=True))
    assert nearest.stable == bool(eigenvalues.abs().max() < 1)


@pytest.mark.parametrize("period", [1, 2, 3, 4])
def test_what_is_found_closes_after_its_period_and_no_sooner(period: int) -> None:
    step = random_step(2, 20, True, 7)
    for cycle in find_cycles(step, period, 2 * draw(300, 2), seeded(), tries=64, rounds=10):
        assert cycle.period == period
        z, seen = cycle.points[:1], []
        for _ in range(period):
            seen.append(z)
            z = step(z)
        torch.testing.assert_close(torch.cat(seen), cycle.points, rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(z, cycle.points[:1], rtol=1e-6, atol=1e-6)
        for earlier in seen[1:]:
            assert float((earlier - seen[0]).abs().max()) > 1e-5


class Map:
    """A system as a model: called to step."""

    def __init__(self, system: Henon) -> None:
        self.jacobian, self.step = system.jacobian, system.step

    def __call__(self, z: Tensor) -> Tensor:
        return self.step(z)


def tent(z: Tensor) -> Tensor:
    """Slope 2 below 1/2, -2 above: 2 z - 4 relu(z - 1/2)."""
    return 2 * z - 4 * torch.relu(z - 0.5)


@pytest.mark.parametrize(("period", "count"), [(1, 2), (2, 1), (3, 2), (4, 3), (5, 6), (6, 9)])
def test_all_cycles_of_the_tent_map(period: int, count: int) -> None:
    """Their number is that of the binary necklaces without a period, for 1 both fixed points; all have slope 2^k."""
    starts = torch.rand(500, 1, generator=seeded(), dtype=torch.float64)
    found = find_cycles(tent, period, starts, seeded())
    assert len(found) == count
    for cycle in found:
        assert float(cycle.eigenvalues[0].abs()) == pytest.approx(2.0**period)
        assert not cycle.stable


def test_a_stable_cycle_around_an_unstable_point() -> None:
    """Slope -0.5 below 0 and -1.2 above: 1.25 -> -0.5 -> 1.25, of eigenvalue 0.6, around the point 1 / 2.2."""

    def step(z: Tensor) -> Tensor:
        return 1 - 0.5 * z - 0.7 * torch.relu(z)

    (point,) = fixed_points(step, draw(100, 1), seeded())
    assert float(point.points) == pytest.approx(1 / 2.2)
    assert not point.stable
    (cycle,) = find_cycles(step, 2, draw(100, 1), seeded())
    assert sorted(cycle.points[:, 0].tolist()) == pytest.approx([-0.5, 1.25])
    assert cycle.eigenvalues.real.tolist() == pytest.approx([0.6])
    assert cycle.stable
    run = torch.full((1, 1), 0.4, dtype=torch.float64)
    for _ in range(200):
        run = step(run)
    assert float((cycle.points - run).abs().min()) < 1e-12


def test_smooth_maps_by_newtons_method() -> None:
    """The Henon map: two fixed points, one cycle of period 2, none of period 3, all unstable at a = 1.4."""
    model = Map(Henon(env.Henon(), None))
    starts = 2 * draw(300, 2)
    roots = [(-0.7 + sign * math.sqrt(0.49 + 5.6)) / 2.8 for sign in (1, -1)]
    points = fixed_points(model, starts, seeded())
    assert sorted(float(cycle.points[0, 0]) for cycle in points) == pytest.approx(sorted(roots))
    assert len(find_cycles(model, 2, starts, seeded())) == 1
    assert find_cycles(model, 3, starts, seeded(), rounds=8) == []
    assert len(find_cycles(model, 4, starts, seeded())) == 1


def test_a_trained_module_in_single_precision_is_searched_in_double() -> None:
    torch.manual_seed(0)
    model = ShallowPLRNN(opt.ShallowPLRNN(hidden=20), None, latent_size=3)
    before = [parameter.clone() for parameter in model.parameters()]
    found = fixed_points(model, torch.randn(100, 3, generator=seeded()), seeded())
    assert found
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    exact = model.double()
    for cycle in found:
        assert cycle.points.dtype == torch.float64
        torch.testing.assert_close(exact(cycle.points), cycle.points, rtol=1e-7, atol=1e-7)


def test_stability_says_the_eigenvalues() -> None:
    point = torch.zeros(1, 2, dtype=torch.float64)
    assert Cycle(point, torch.tensor([0.9j, 0.1], dtype=torch.complex128)).stable
    assert not Cycle(point, torch.tensor([1.1, 0.1], dtype=torch.complex128)).stable


def test_no_fixed_point_gives_an_empty_list() -> None:
    assert fixed_points(lambda z: z + 1, draw(20, 2), seeded(), rounds=3) == []
