"""Controllers: formulas, limits and what they remember."""

from __future__ import annotations

import pytest

from heatbath.solvers.ode.controllers import CONTROLLERS, PI, I
from tests.solvers.ode.problems import batch, lotka_volterra, solve


def test_pi_has_the_exponents_of_sciml() -> None:
    now, before, _ = PI.exponents(5)
    assert (now, before) == (pytest.approx(-0.14), pytest.approx(0.08))
    assert PI.after_acceptance(5, (0.5, 0.2, 1.0)) == pytest.approx(0.9 * 0.5**-0.14 * 0.2**0.08)


def test_the_steady_state_of_each() -> None:
    """Where the factor is 1: E = 0.9^5 = 0.59 for I, 0.9^(1 / 0.06) = 0.17 for PI."""
    assert I.after_acceptance(5, (0.9**5, 1.0, 1.0)) == pytest.approx(1.0)
    steady = 0.9 ** (1 / 0.06)
    assert PI.after_acceptance(5, (steady, steady, steady)) == pytest.approx(1.0)


@pytest.mark.parametrize("controller", CONTROLLERS.values(), ids=list(CONTROLLERS))
def test_limits(controller: object) -> None:
    assert isinstance(controller, type(I))
    assert controller.after_acceptance(5, (0.0, 1.0, 1.0)) == controller.most
    assert controller.after_acceptance(5, (1.0, 1e-4, 1e-4)) >= controller.least_after_acceptance
    assert controller.after_rejection(5, 1e9) == controller.least
    assert controller.after_rejection(5, 1.0001) < 1.0


def test_torchdiffeqs_never_shrinks_after_acceptance() -> None:
    assert CONTROLLERS["torchdiffeq"].after_acceptance(5, (0.99, 1.0, 1.0)) == 1.0


def test_calm_controllers_reject_less() -> None:
    rejected = {
        name: solve("tsit5", lotka_volterra, batch(), (0.0, 10.0), controller=name).stats["rejected"]
        for name in ("torchdiffeq", "i", "pi")
    }
    assert rejected["torchdiffeq"] > rejected["i"] >= rejected["pi"]
