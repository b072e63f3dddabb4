"""Random shallow steps, and how far a trajectory keeps from their kinks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from heatbath.solvers.recurrence.kernels import INSTRUCTION_SETS, available
from heatbath.solvers.recurrence.shallow import ShallowStep


def random_step(M: int, L: int, clipped: bool, dtype: torch.dtype, generator: torch.Generator) -> ShallowStep:
    """A contracting model with parameters that want gradients."""

    def uniform(*shape: int, bound: float) -> Tensor:
        drawn = (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) * bound
        return drawn.to(dtype).requires_grad_()

    A = (0.5 + 0.4 * torch.rand(M, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()
    W1, W2 = uniform(M, L, bound=L**-0.5), uniform(L, M, bound=M**-0.5)
    return ShallowStep(A, W1, W2, uniform(M, bound=0.1), uniform(L, bound=L**-0.5), clipped)


@pytest.fixture(name="random_step", scope="session")
def _random_step() -> Callable[..., ShallowStep]:
    return random_step


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request: pytest.FixtureRequest) -> str:
    if not available():
        pytest.skip("no kernel was built: the compiled functions have nothing to show")
    if request.param not in available():
        pytest.skip(f"this processor has no {request.param}")
    name: str = request.param
    return name
