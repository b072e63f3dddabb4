"""One step of a shallow piecewise-linear network, as data that a compiled kernel can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class ShallowStep:
    """F(z) = A z + W1 relu(W2 z + h2) + h1, or clipped: A z + W1 [relu(W2 z + h2) - relu(W2 z)] + h1.

    With external inputs, F(z, s) = F(z) + C s.

    Args:
        A: diagonal of the linear part, shape `(M,)`.
        W1: shape `(M, L)`.
        W2: shape `(L, M)`.
        h1: shape `(M,)`.
        h2: shape `(L,)`.
        clipped: whether the nonlinear part is bounded.
        C: weights of the external inputs, shape `(M, K)`, or None.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3.

    >>> one = torch.ones(1)
    >>> step = ShallowStep(0.5 * one, one.view(1, 1), one.view(1, 1), one, one, clipped=False)
    >>> step(torch.tensor([[2.0]])).item()  # 0.5 * 2 + relu(2 + 1) + 1
    5.0
    """

    A: Tensor
    W1: Tensor
    W2: Tensor
    h1: Tensor
    h2: Tensor
    clipped: bool
    C: Tensor | None = None

    def __call__(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One step; z and the result have shape `(..., M)`, s `(..., K)`."""
        u = functional.linear(z, self.W2)
        hidden = torch.relu(u + self.h2)
        if self.clipped:
            hidden = hidden - torch.relu(u)
        stepped = torch.addcmul(functional.linear(hidden, self.W1, self.h1), self.A, z)
        return stepped if s is None or self.C is None else stepped + functional.linear(s, self.C)

    def jacobian(self, z: Tensor) -> Tensor:
        """diag(A) + W1 diag(1[W2 z + h2 > 0] - 1[W2 z > 0]) W2, shape `(..., M, M)`; unclipped, no second mask."""
        return torch.diag(self.A) + (self.W1 * self.mask(z).unsqueeze(-2)) @ self.W2

    def mask(self, z: Tensor) -> Tensor:
        """The derivative of each hidden unit by its input, in {-1, 0, 1}, shape `(..., L)`."""
        u = functional.linear(z, self.W2)
        mask = (u + self.h2 > 0).to(z.dtype)
        return mask - (u > 0).to(z.dtype) if self.clipped else mask


def as_shallow(transition: Callable[..., Any]) -> ShallowStep | None:
    """What a kernel reads of a transition: itself if it is a `ShallowStep`, what its method `shallow()` gives, or None.

    >>> as_shallow(torch.tanh) is None
    True
    """
    if isinstance(transition, ShallowStep):
        return transition
    shallow = getattr(transition, "shallow", None)
    found = shallow() if callable(shallow) else None
    return found if isinstance(found, ShallowStep) else None
