"""Piecewise-linear recurrent networks: one step z -> F(z), its Jacobian, and the shallow network that each of them is.

All are F(z, s) = A z + V d(z) + h + C s with a diagonal A, and their Jacobian is affine in the slopes of the units that
bend: so the mean of Jacobians is the Jacobian of mean slopes, which adaptive forcing uses.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.norms import spectral_norms
from heatbath.solvers.recurrence.shallow import ShallowStep

WORTH_WIDENING = 4096
"""Products M L up to which a dendritic network goes faster as a shallow one in a compiled kernel than by itself."""


class PiecewiseLinear(nn.Module):
    """What the networks share: the diagonal, the bias, the external inputs, and what follows from the slopes.

    Args:
        diagonal: A at the start, shape `(M,)`.
        input_size: number K of external inputs, 0 for none.
    """

    def __init__(self, diagonal: Tensor, input_size: int) -> None:
        super().__init__()
        self.A = nn.Parameter(diagonal.clone())
        self.C = nn.Parameter(_glorot(len(diagonal), input_size)) if input_size else None

    def slope(self, z: Tensor) -> Tensor:
        """The derivative of each unit that bends, by its input, shape `(..., units)`."""
        raise NotImplementedError

    def with_slope(self, slope: Tensor) -> Tensor:
        """The Jacobian for given slopes, shape `(..., M, M)`; affine in them."""
        raise NotImplementedError

    def jacobian(self, z: Tensor) -> Tensor:
        """dF/dz at states of shape `(..., M)`, shape `(..., M, M)`."""
        return self.with_slope(self.slope(z))

    def mean_jacobian(self, z: Tensor) -> Tensor:
        """The mean of the Jacobians along a sequence, from the mean of the slopes; exact.

        Args:
            z: shape `(..., time, M)`.

        Returns:
            Shape `(..., M, M)`.
        """
        return self.with_slope(self.slope(z).mean(-2))

    def norm_bound(self) -> Tensor:
        """A bound on the spectral norm of the Jacobian wherever it is taken, 0-d."""
        raise NotImplementedError

    def squared_weights(self) -> Tensor:
        """|1 - A|^2 and the squares of all other parameters, 0-d: the linear part is drawn to the identity."""
        parts = [1 - p if p is self.A else p for p in self.parameters()]
        return torch.cat([part.flatten() for part in parts]).square().sum()

    def driven(self, z: Tensor, s: Tensor | None) -> Tensor:
        """`z` with the part C s of the external inputs, shape `(..., K)`, added."""
        return z if s is None or self.C is None else z + functional.linear(s, self.C)


class ShallowPLRNN(PiecewiseLinear):
    """Shallow piecewise-linear recurrent network.

    F(z) = A z + W1 relu(W2 z + h2) + h1, or clipped: A z + W1 [relu(W2 z + h2) - relu(W2 z)] + h1.

    Symbols: A (M,) stands for a diagonal matrix; W1 (M, L); W2 (L, M); h1 (M,); h2 (L,).

    Args:
        options: number of hidden units L, clipped or not.
        setup: unused.
        latent_size: M.
        input_size: number of external inputs.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3.

    >>> model = ShallowPLRNN(opt.ShallowPLRNN(hidden=4), None, latent_size=3)
    >>> model(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, options: opt.ShallowPLRNN, setup: Any, latent_size: int, input_size: int = 0) -> None:
        M, L = latent_size, options.hidden
        super().__init__(torch.diag(_coupling(M)), input_size)
        self.clipped = options.clipped
        self.W1 = nn.Parameter(_uniform(M, L, bound=L**-0.5))
        self.W2 = nn.Parameter(_uniform(L, M, bound=M**-0.5))
        self.h1 = nn.Parameter(torch.zeros(M))
        # At h2 = 0 the clipped nonlinearity is dead, and W1 and W2 get no gradient.
        self.h2 = nn.Parameter(_uniform(L, bound=L**-0.5) if self.clipped else torch.zeros(L))

    def shallow(self) -> ShallowStep:
        """The step as data, which compiled kernels recognise."""
        return ShallowStep(self.A, self.W1, self.W2, self.h1, self.h2, self.clipped, self.C)

    def forward(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One step; z and the result have shape `(..., M)`, s `(..., K)`."""
        return self.shallow()(z, s)

    def slope(self, z: Tensor) -> Tensor:
        return self.shallow().mask(z)

    def with_slope(self, slope: Tensor) -> Tensor:
        return torch.diag(self.A) + (self.W1 * slope.unsqueeze(-2)) @ self.W2

    def norm_bound(self) -> Tensor:
        """max |A| + |W1| |W2|, in spectral norms."""
        return self.A.abs().max() + spectral_norms(self.W1) * spectral_norms(self.W2)


class PLRNN(PiecewiseLinear):
    """Piecewise-linear recurrent network, as it is or mean-centred.

    F(z) = A z + W relu(z) + h, or mean-centred: A z + W relu(z - mean(z)) + h. The diagonal of W is 0, and stays so.

    Symbols: A (M,) stands for a diagonal matrix; W (M, M); h (M,).

    Args:
        options: mean-centred or not.
        setup: unused.
        latent_size: M.
        input_size: number of external inputs.

    Reference:
        Durstewitz, PLoS Comput. Biol. 13, 2017; mean-centred: Brenner et al., ICML 2022.

    >>> PLRNN(opt.PLRNN(), None, latent_size=3)(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, options: opt.PLRNN, setup: Any, latent_size: int, input_size: int = 0) -> None:
        coupling = _coupling(latent_size)
        super().__init__(torch.diag(coupling), input_size)
        self.mean_centred = options.mean_centred
        self.W = nn.Parameter(_hollow(coupling))
        self.h = nn.Parameter(torch.zeros(latent_size))

    def forward(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One step; z and the result have shape `(..., M)`, s `(..., K)`."""
        linear = torch.addcmul(functional.linear(torch.relu(self._centred(z)), _hollow(self.W), self.h), self.A, z)
        return self.driven(linear, s)

    def _centred(self, z: Tensor) -> Tensor:
        return z - z.mean(-1, keepdim=True) if self.mean_centred else z

    def slope(self, z: Tensor) -> Tensor:
        return (self._centred(z) > 0).to(z.dtype)

    def with_slope(self, slope: Tensor) -> Tensor:
        W = _hollow(self.W) * slope.unsqueeze(-2)
        return torch.diag(self.A) + (W - W.mean(-1, keepdim=True) if self.mean_centred else W)

    def norm_bound(self) -> Tensor:
        """max |A| + |W|; subtracting the mean is a projection."""
        return self.A.abs().max() + spectral_norms(_hollow(self.W))

    def shallow(self) -> ShallowStep:
        """W1 = W, W2 the identity, or the projection that subtracts the mean."""
        inner = self._centred(torch.eye(len(self.W), dtype=self.W.dtype, device=self.W.device))
        return ShallowStep(self.A, _hollow(self.W), inner, self.h, torch.zeros_like(self.h), False, self.C)


class DendriticPLRNN(PiecewiseLinear):
    """Dendritic piecewise-linear recurrent network, each unit a sum of B basis functions.

    F(z) = A z + W sum_b alpha_b relu(z - H_b) + h, or clipped: sum_b alpha_b [relu(z - H_b) - relu(z)]. The diagonal of
    W is 0, and stays so.

    Symbols: A (M,) stands for a diagonal matrix; W (M, M); h (M,); alpha (B,); thresholds H (M, B).

    Args:
        options: number of bases B, clipped or not.
        setup: unused.
        latent_size: M.
        input_size: number of external inputs.

    Reference:
        Brenner, Hess, Mikhaeil, Bereska, Monfared, Kuo, Durstewitz, ICML 2022.

    >>> DendriticPLRNN(opt.DendriticPLRNN(bases=5), None, latent_size=3)(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, options: opt.DendriticPLRNN, setup: Any, latent_size: int, input_size: int = 0) -> None:
        M, B = latent_size, options.bases
        coupling = _coupling(M)
        super().__init__(torch.diag(coupling), input_size)
        self.clipped = options.clipped
        self.W = nn.Parameter(_hollow(coupling))
        self.h = nn.Parameter(torch.zeros(M))
        self.alpha = nn.Parameter(_uniform(B, bound=B**-0.5))
        self.H = nn.Parameter(torch.randn(M, B))

    @torch.no_grad()
    def initialise(self, signal: Tensor, generator: torch.Generator) -> None:
        """Spread the thresholds evenly over the range of what the states are forced towards, shape `(points, M)`."""
        low, high = float(signal.min()), float(signal.max())
        self.H.uniform_(low, high, generator=generator)

    def forward(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One step; z and the result have shape `(..., M)`, s `(..., K)`."""
        dendrites = torch.relu(z.unsqueeze(-1) - self.H) @ self.alpha
        if self.clipped:
            dendrites = dendrites - self.alpha.sum() * torch.relu(z)
        return self.driven(torch.addcmul(functional.linear(dendrites, _hollow(self.W), self.h), self.A, z), s)

    def slope(self, z: Tensor) -> Tensor:
        slope = (z.unsqueeze(-1) > self.H).to(z.dtype) @ self.alpha
        return slope - self.alpha.sum() * (z > 0).to(z.dtype) if self.clipped else slope

    def with_slope(self, slope: Tensor) -> Tensor:
        return torch.diag(self.A) + _hollow(self.W) * slope.unsqueeze(-2)

    def norm_bound(self) -> Tensor:
        """max |A| + |W| sum_b |alpha_b|."""
        return self.A.abs().max() + spectral_norms(_hollow(self.W)) * self.alpha.abs().sum()

    def shallow(self) -> ShallowStep | None:
        """M B hidden units: W1 = [alpha_1 W, .., alpha_B W], W2 = [1; ..; 1], h2 = -H; None where that is much."""
        M, B = self.H.shape
        if M * M * B > WORTH_WIDENING:
            return None
        outer = torch.cat([weight * _hollow(self.W) for weight in self.alpha], 1)
        inner = torch.eye(M, dtype=self.H.dtype, device=self.H.device).repeat(B, 1)
        return ShallowStep(self.A, outer, inner, self.h, -self.H.T.flatten(), self.clipped, self.C)


class AlmostLinearRNN(PiecewiseLinear):
    """Almost-linear recurrent network: only the last P of its units bend.

    F(z) = A z + W phi(z) + h, phi(z) = (z_1, .., z_{M-P}, relu(z_{M-P+1}), .., relu(z_M)).

    Symbols: A (M,) stands for a diagonal matrix; W (M, M), full; h (M,).

    Args:
        options: number of units P that bend; at most M.
        setup: unused.
        latent_size: M.
        input_size: number of external inputs.

    Raises:
        ConfigError: when more units are to bend than there are.

    Reference:
        Brenner, Hemmer, Monfared, Durstewitz, NeurIPS 2024.

    >>> AlmostLinearRNN(opt.AlmostLinearRNN(bent=2), None, latent_size=3)(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, options: opt.AlmostLinearRNN, setup: Any, latent_size: int, input_size: int = 0) -> None:
        if options.bent > latent_size:
            raise ConfigError(
                f"`bent` must be at most the number of latent units, got {options.bent} of {latent_size}; "
                "--latent takes more units"
            )
        coupling = _coupling(latent_size)
        super().__init__(torch.diag(coupling), input_size)
        self.straight = latent_size - options.bent
        self.W = nn.Parameter(_hollow(coupling))
        self.h = nn.Parameter(torch.zeros(latent_size))

    def forward(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One step; z and the result have shape `(..., M)`, s `(..., K)`."""
        bent = torch.cat([z[..., : self.straight], torch.relu(z[..., self.straight :])], -1)
        return self.driven(torch.addcmul(functional.linear(bent, self.W, self.h), self.A, z), s)

    def slope(self, z: Tensor) -> Tensor:
        return (z[..., self.straight :] > 0).to(z.dtype)

    def with_slope(self, slope: Tensor) -> Tensor:
        ones = slope.new_ones(*slope.shape[:-1], self.straight)
        return torch.diag(self.A) + self.W * torch.cat([ones, slope], -1).unsqueeze(-2)

    def norm_bound(self) -> Tensor:
        """max |A| + |W|."""
        return self.A.abs().max() + spectral_norms(self.W)

    def shallow(self) -> ShallowStep:
        """A straight unit is two bent ones, z = relu(z) - relu(-z): 2 (M - P) + P hidden units."""
        straight, bent = self.W[:, : self.straight], self.W[:, self.straight :]
        identity = torch.eye(len(self.W), dtype=self.W.dtype, device=self.W.device)
        inner = torch.cat([identity, -identity[: self.straight]])
        outer = torch.cat([straight, bent, -straight], 1)
        return ShallowStep(self.A, outer, inner, self.h, outer.new_zeros(len(inner)), False, self.C)


def _uniform(*shape: int, bound: float) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound)


def _glorot(rows: int, columns: int) -> Tensor:
    """Uniform within sqrt(6 / (rows + columns))."""
    return _uniform(rows, columns, bound=(6 / (rows + columns)) ** 0.5)


def _coupling(M: int) -> Tensor:
    """R^T R / M + 1 over its largest eigenvalue, R standard normal: its diagonal is positive, at most 1."""
    R = torch.randn(M, M)
    K = R.T @ R / M + torch.eye(M)
    scaled: Tensor = K / torch.linalg.eigvalsh(K)[-1]
    return scaled


def _hollow(W: Tensor) -> Tensor:
    """W without its diagonal, which so has no gradient."""
    return W - torch.diag(torch.diagonal(W))
