"""Lyapunov spectra of the true systems beside the literature, and what must hold exactly."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatbath.core.host import Host
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.measures import (
    SeriesError,
    jacobian_of,
    kaplan_yorke_dimension,
    lyapunov_spectrum,
    orbit_spectrum,
    tangent_of,
)
from heatbath.plugins.gtf.models import ShallowPLRNN
from heatbath.testing import build


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def orbits(host: Host, name: str, batch: int, steps: int, **options: Any) -> tuple[Any, Tensor]:
    """A system and states along its attractor, shape `(steps, batch, dim)`."""
    system = build(host, "envs", name, **options)
    skip = min(system.transient, 2000)
    return system, system.trajectory(system.start(batch, seeded()), steps, skip).transpose(0, 1)


def measured(host: Host, name: str, batch: int, steps: int, transient: int, **options: Any) -> tuple[Any, Tensor]:
    count = options.pop("count", None)
    system, states = orbits(host, name, batch, transient + steps, **options)
    return system, orbit_spectrum(jacobian_of(system), states, transient, count=count) / system.time_step


# M4. Tolerances are several standard errors of the shortened measurement, the seed fixed.


def test_lorenz63(host: Host) -> None:
    system, found = measured(host, "lorenz63", 100, 2000, 500)
    assert found.tolist() == pytest.approx([0.906, 0.0, -14.57], abs=0.02)
    assert float(found.sum()) == pytest.approx(-(10 + 1 + 8 / 3), abs=3e-4)  # Runge-Kutta contracts a little less
    assert kaplan_yorke_dimension(found) == pytest.approx(system.exponents.kaplan_yorke, abs=0.003)


def test_henon(host: Host) -> None:
    system, found = measured(host, "henon", 200, 1000, 100)
    assert found.tolist() == pytest.approx(list(system.exponents.spectrum), abs=0.005)
    assert float(found.sum()) == pytest.approx(math.log(0.3), abs=1e-9)
    assert kaplan_yorke_dimension(found) == pytest.approx(system.exponents.kaplan_yorke, abs=0.005)


def test_rossler(host: Host) -> None:
    system, found = measured(host, "rossler", 50, 1000, 200)
    assert found[:2].tolist() == pytest.approx(list(system.exponents.spectrum[:2]), abs=0.02)
    assert float(found[2]) == pytest.approx(system.exponents.spectrum[2], abs=0.1)  # volumes shrink unevenly
    assert kaplan_yorke_dimension(found) == pytest.approx(system.exponents.kaplan_yorke, abs=0.005)


def test_chua(host: Host) -> None:
    system, found = measured(host, "chua", 50, 2000, 300)
    assert found.tolist() == pytest.approx(list(system.exponents.spectrum), abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("variables", [10, 20])
def test_lorenz96(host: Host, variables: int) -> None:
    system, found = measured(host, "lorenz96", 10, 500, 300, variables=variables)
    assert float(found[0]) == pytest.approx(system.lyapunov_max, abs=0.12)
    assert float(found.sum()) == pytest.approx(-variables, abs=0.01)
    assert kaplan_yorke_dimension(found) == pytest.approx(system.exponents.kaplan_yorke, abs=0.4)


# Exact


def halving(z: Tensor) -> Tensor:
    return z * torch.tensor([0.5, 0.25], dtype=z.dtype)


def test_a_linear_map_has_the_logarithms_of_its_eigenvalues() -> None:
    A = torch.tensor([[0.5, 3.0, 0.0], [0.0, -2.0, 1.0], [0.0, 0.0, 0.1]], dtype=torch.float64)
    found = lyapunov_spectrum(lambda z: z @ A.T, lambda z: A.expand(len(z), 3, 3), torch.zeros(2, 3).double(), 500, 100)
    assert found.tolist() == pytest.approx([math.log(2), math.log(0.5), math.log(0.1)], abs=1e-9)


@pytest.mark.parametrize("every", [1, 3, 7])
def test_the_sum_is_the_mean_log_determinant(host: Host, every: int) -> None:
    system, states = orbits(host, "henon", 4, 101)
    spectrum = orbit_spectrum(system.jacobian, states, 0, every)
    determinants = torch.linalg.det(system.jacobian(states)).abs().log().mean()
    assert float(spectrum.sum()) == pytest.approx(float(determinants), abs=1e-6)


def test_stepping_and_a_known_orbit_agree(host: Host) -> None:
    system, states = orbits(host, "lorenz63", 5, 230)
    along = orbit_spectrum(system.jacobian, states, 30, 7)
    stepped = lyapunov_spectrum(system.step, system.jacobian, states[0], 200, 30, 7)
    torch.testing.assert_close(along, stepped, rtol=1e-9, atol=1e-12)


def test_the_largest_alone_is_the_largest_of_all(host: Host) -> None:
    system, states = orbits(host, "lorenz63", 5, 300)
    whole = orbit_spectrum(system.jacobian, states, 50)
    torch.testing.assert_close(orbit_spectrum(system.jacobian, states, 50, count=1), whole[:1], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(orbit_spectrum(system.jacobian, states, 50, count=2), whole[:2], rtol=1e-9, atol=1e-12)


def test_automatic_jacobians_are_those_of_the_system(host: Host) -> None:
    system, states = orbits(host, "lorenz63", 5, 40)
    with torch.no_grad():
        automatic = orbit_spectrum(jacobian_of(system.step), states)
    torch.testing.assert_close(automatic, orbit_spectrum(system.jacobian, states))


def test_directions_can_be_carried_without_jacobians(host: Host) -> None:
    system, states = orbits(host, "lorenz96", 3, 60, variables=8)
    whole = orbit_spectrum(system.jacobian, states, 20)
    for model in (system.step, Own(system)):
        with torch.no_grad():
            few = orbit_spectrum(system.jacobian, states, 20, count=2, tangent=tangent_of(model))
        torch.testing.assert_close(few, whole[:2], rtol=1e-9, atol=1e-12)


class Own:
    """A model with a `tangent` of its own."""

    def __init__(self, system: Any) -> None:
        self.system = system

    def tangent(self, z: Tensor, Q: Tensor) -> Tensor:
        return self.system.jacobian(z) @ Q


@pytest.mark.parametrize("clipped", [False, True])
def test_tangents_of_shallow_networks(clipped: bool) -> None:
    torch.manual_seed(0)
    model = ShallowPLRNN(opt.ShallowPLRNN(hidden=30, clipped=clipped), None, latent_size=6).double()
    z, Q = (torch.randn(shape, generator=seeded(), dtype=torch.float64) for shape in ((5, 6), (5, 6, 2)))
    torch.testing.assert_close(tangent_of(model)(z, Q), model.jacobian(z) @ Q)


def test_cells_of_torch_have_exponents_too() -> None:
    torch.manual_seed(0)
    cell = nn.GRUCell(1, 8).double()

    def model(z: Tensor) -> Tensor:
        return cell(z.new_zeros(len(z), 1), z)

    z, Q = (torch.randn(shape, generator=seeded(), dtype=torch.float64) for shape in ((5, 8), (5, 8, 2)))
    with torch.no_grad():
        torch.testing.assert_close(tangent_of(model)(z, Q), jacobian_of(model)(z) @ Q)


def test_an_orbit_that_leaves_the_numbers_is_nan_though_its_jacobians_are_finite() -> None:
    start = torch.ones(3, 2, dtype=torch.float64)
    found = lyapunov_spectrum(lambda z: 1e200 * z, lambda z: torch.eye(2).expand(len(z), 2, 2), start, 10)
    assert bool(found.isnan().all())


def test_single_precision_models_are_summed_in_double() -> None:
    found = lyapunov_spectrum(halving, jacobian_of(halving), torch.ones(3, 2), 20)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([-math.log(2), -math.log(4)], abs=1e-12)


def test_errors(host: Host) -> None:
    system, states = orbits(host, "henon", 2, 20)
    with pytest.raises(SeriesError, match="longer than its transient of 20 states"):
        orbit_spectrum(system.jacobian, states, 20)
    with pytest.raises(SeriesError, match=r"`count` in 1 \.\. 2"):
        orbit_spectrum(system.jacobian, states, count=3)


@pytest.mark.parametrize(
    ("spectrum", "dimension"),
    [
        ([0.9056, 0.0, -14.5723], 2 + 0.9056 / 14.5723),
        ([0.41922, -1.62319], 1 + 0.41922 / 1.62319),
        ([-0.1, -0.5], 0.0),
        ([0.0, -1.0], 1.0),
        ([0.5, 0.2], 2.0),
        ([1.0, -1.0, -3.0], 2.0),
        ([0.3, 0.1, -0.2, -0.4], 3 + 0.2 / 0.4),
    ],
)
def test_kaplan_yorke_by_hand(spectrum: list[float], dimension: float) -> None:
    assert kaplan_yorke_dimension(spectrum) == pytest.approx(dimension)
    assert kaplan_yorke_dimension(torch.tensor(spectrum, dtype=torch.float64)) == pytest.approx(dimension)


def test_kaplan_yorke_of_what_is_not_a_number() -> None:
    assert math.isnan(kaplan_yorke_dimension([1.0, math.nan]))
