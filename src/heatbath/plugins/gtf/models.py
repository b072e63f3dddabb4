"""Recurrent models of dynamics: one step z -> F(z), and its Jacobian."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from heatbath.plugins.gtf import options as opt
from heatbath.solvers.recurrence.shallow import ShallowStep


class ShallowPLRNN(nn.Module):
    """Shallow piecewise-linear recurrent network.

    F(z) = A z + W1 relu(W2 z + h2) + h1, or clipped: A z + W1 [relu(W2 z + h2) - relu(W2 z)] + h1.

    Symbols: A (M,) stands for a diagonal matrix; W1 (M, L); W2 (L, M); h1 (M,); h2 (L,).

    Args:
        options: number of hidden units L, clipped or not.
        setup: unused.
        observation_size: number of observed variables; the latent state is the observation, M = N.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3.

    >>> model = ShallowPLRNN(opt.ShallowPLRNN(hidden=4), None, observation_size=3)
    >>> model(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, options: opt.ShallowPLRNN, setup: Any, observation_size: int) -> None:
        super().__init__()
        M, L = observation_size, options.hidden
        self.clipped = options.clipped
        self.A = nn.Parameter(_initial_diagonal(M))
        self.W1 = nn.Parameter(_uniform(M, L, bound=L**-0.5))
        self.W2 = nn.Parameter(_uniform(L, M, bound=M**-0.5))
        self.h1 = nn.Parameter(torch.zeros(M))
        # At h2 = 0 the clipped nonlinearity is dead, and W1 and W2 get no gradient.
        self.h2 = nn.Parameter(_uniform(L, bound=L**-0.5) if self.clipped else torch.zeros(L))

    def shallow(self) -> ShallowStep:
        """The step as data, which compiled kernels recognise."""
        return ShallowStep(self.A, self.W1, self.W2, self.h1, self.h2, self.clipped)

    def forward(self, z: Tensor) -> Tensor:
        """One step; z and the result have shape `(..., M)`."""
        return self.shallow()(z)

    def jacobian(self, z: Tensor) -> Tensor:
        """dF/dz, shape `(..., M, M)`."""
        return self.shallow().jacobian(z)

    def squared_weights(self) -> Tensor:
        """|1 - A|^2 + |W1|^2 + |W2|^2 + |h1|^2 + |h2|^2, 0-d: the linear part is drawn to the identity."""
        parts = [1 - self.A, self.W1, self.W2, self.h1, self.h2]
        return torch.cat([part.flatten() for part in parts]).square().sum()


def _uniform(*shape: int, bound: float) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound)


def _initial_diagonal(M: int) -> Tensor:
    """Diagonal of R^T R / M + 1 over its largest eigenvalue, R standard normal: positive, at most 1."""
    R = torch.randn(M, M)
    K = R.T @ R / M + torch.eye(M)
    return torch.diag(K / torch.linalg.eigvalsh(K)[-1]).clone()
