"""Products of Jacobians along a trajectory, for Lyapunov spectra."""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.core.errors import ConfigError
from heatbath.solvers.recurrence.kernels import Shape, call, kernels, pointers, weights_of
from heatbath.solvers.recurrence.shallow import ShallowStep


@torch.no_grad()
def jacobian_products(step: ShallowStep, states: Tensor, product: Tensor, instruction_set: str | None = None) -> Tensor:
    """J(z_T) ... J(z_1) Q for several trajectories side by side, without forming a Jacobian where kernels are built.

    J(z) Q = A Q + W1 diag(mask(z)) W2 Q. No gradients. Orthonormalise Q between calls: columns grow by the largest
    exponent and align.

    Args:
        step: F.
        states: z_1 .. z_T, shape `(T, batch, M)`.
        product: Q, shape `(batch, M, columns)`.
        instruction_set: see `kernels.kernels`.

    Returns:
        The product, shape `(batch, M, columns)`, a new tensor.

    Raises:
        ConfigError: for shapes that do not fit.

    >>> half, zero = torch.full((1,), 0.5), torch.zeros(1)
    >>> step = ShallowStep(half, zero.view(1, 1), zero.view(1, 1), zero, zero, clipped=True)
    >>> jacobian_products(step, torch.zeros(3, 1, 1), torch.ones(1, 1, 1)).item()
    0.125
    """
    M = step.A.shape[0]
    if states.dim() != 3 or states.shape[2] != M or product.dim() != 3 or product.shape[:2] != states.shape[1:]:
        raise ConfigError(
            f"expected states of shape (T, batch, {M}) and a product of shape (batch, {M}, columns), "
            f"got {tuple(states.shape)} and {tuple(product.shape)}"
        )
    weights = weights_of(step)
    tensors = (states, product, *weights)
    table = kernels(states.dtype, instruction_set)
    if table is None or any(one.device.type != "cpu" or one.dtype != states.dtype for one in tensors):
        for z in states:
            product = step.A.unsqueeze(-1) * product + step.W1 @ (step.mask(z).unsqueeze(-1) * (step.W2 @ product))
        return product
    held = [weight.contiguous() for weight in weights]
    found = product.clone(memory_format=torch.contiguous_format)
    shape = Shape(*states.shape, len(step.h2), step.clipped)
    call(table.jacobian, shape, pointers(*held), states.contiguous(), product.shape[2], found)
    return found
