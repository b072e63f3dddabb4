"""Products of Jacobians along trajectories."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from heatbath.core.contracts import Recurrence
from heatbath.core.errors import ConfigError
from heatbath.solvers.recurrence.compiled import CompiledScan
from heatbath.solvers.recurrence.jacobians import jacobian_products
from heatbath.solvers.recurrence.shallow import ShallowStep

MakeStep = Callable[..., ShallowStep]


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3, 50, 3, 2), (5, 33, 2, 7), (16, 100, 16, 3), (20, 64, 1, 1)])
def test_they_equal_the_product_of_the_matrices(
    random_step: MakeStep, instruction_set: str, sizes: tuple[int, int, int, int], clipped: bool
) -> None:
    M, L, columns, batch = sizes
    generator = torch.Generator().manual_seed(M)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        step = random_step(M, L, clipped, dtype, generator)
        states = torch.randn(9, batch, M, generator=generator, dtype=dtype)
        product = torch.randn(batch, M, columns, generator=generator, dtype=dtype)
        expected = product
        for z in states:
            expected = step.jacobian(z).detach() @ expected
        found = jacobian_products(step, states, product, instruction_set)
        assert float((found - expected).abs().max() / expected.abs().max()) < tolerance


def test_the_plain_products_are_the_same(random_step: MakeStep, monkeypatch: pytest.MonkeyPatch) -> None:
    step = random_step(3, 20, True, torch.float64, torch.Generator().manual_seed(0))
    states, product = torch.randn(7, 2, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    fast = jacobian_products(step, states, product)
    monkeypatch.setattr("heatbath.solvers.recurrence.jacobians.kernels", lambda *_: None)
    assert torch.allclose(fast, jacobian_products(step, states, product), rtol=1e-10, atol=1e-12)


def test_the_optimal_strength_keeps_long_products_bounded(random_step: MakeStep) -> None:
    """Proposition 2 of Hess et al.: (1 - alpha) s_max = 1 bounds the norm of the product by 1, over 5000 steps."""
    for seed in range(3):
        step = random_step(3, 40, True, torch.float64, torch.Generator().manual_seed(seed))
        step = ShallowStep(step.A, 3 * step.W1, step.W2, step.h1, step.h2, step.clipped)
        with torch.no_grad():
            norms = (torch.linalg.matrix_norm(one, 2) for one in (step.W1, step.W2))
            bound = float(step.A.abs().max() + next(norms) * next(norms))
            states = CompiledScan(None, None).solve(Recurrence(step, torch.ones(1, 3, dtype=torch.float64), 5000)).value
        assert bound > 1
        product = torch.eye(3, dtype=torch.float64).unsqueeze(0)
        for part in states.split(50):
            product = jacobian_products(step, part, product) / bound ** len(part)
            assert float(torch.linalg.matrix_norm(product, 2)) <= 1 + 1e-12


def test_shapes_that_do_not_fit_are_refused(random_step: MakeStep) -> None:
    step = random_step(3, 20, True, torch.float64, torch.Generator().manual_seed(0))
    with pytest.raises(ConfigError, match=r"product of shape \(batch, 3, columns\), got \(7, 2, 3\) and \(1, 3, 3\)"):
        jacobian_products(step, torch.zeros(7, 2, 3), torch.zeros(1, 3, 3))
