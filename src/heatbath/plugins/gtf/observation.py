"""What is seen of a latent state, what a latent state is forced towards, and a model with both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap
from torch.nn import functional

from heatbath.core.errors import ConfigError

FLOOR = 1e-8
"""Added to the smallest singular value, so that a singular B has a finite penalty."""


class Identity(nn.Module):
    """The first N latent units are what is seen: g(z) = z_{1:N}.

    With as many units as variables a state is an observation. With more, only the first N are forced, and the others
    start from a trained linear map of the observation, z_1 = [x_1; L x_1].

    Args:
        options: none.
        setup: unused.
        observation_size: N.
        latent_size: M, at least N.

    Raises:
        ConfigError: for fewer units than variables.

    Reference:
        Brenner et al., ICML 2022.

    >>> eye = Identity(None, None, observation_size=2, latent_size=3)
    >>> x = torch.ones(1, 2)
    >>> torch.equal(eye.observe(eye.encode(x)), x), eye.signal(x).tolist()
    (True, [[1.0, 1.0, 0.0]])
    """

    trained_signal = False

    def __init__(self, options: None, setup: Any, observation_size: int, latent_size: int) -> None:
        super().__init__()
        if latent_size < observation_size:
            raise ConfigError(
                f"the identity observation needs as many latent units as variables, got {latent_size} for "
                f"{observation_size}; raise --latent, or choose --observation affine"
            )
        self.size, self.hidden = observation_size, latent_size - observation_size
        bound = (6 / latent_size) ** 0.5
        shape = (self.hidden, observation_size)
        self.guess = nn.Parameter(torch.empty(shape).uniform_(-bound, bound)) if self.hidden else None

    def observe(self, z: Tensor) -> Tensor:
        """The observation at a state, `(..., M)` to `(..., N)`."""
        return z[..., : self.size]

    def encode(self, x: Tensor) -> Tensor:
        """The state to start from at an observation, `(..., N)` to `(..., M)`."""
        return x if self.guess is None else torch.cat([x, functional.linear(x, self.guess)], -1)

    def signal(self, x: Tensor) -> Tensor:
        """What states are forced towards at an observation, `(..., N)` to `(..., M)`; 0 where nothing is forced."""
        return functional.pad(x, (0, self.hidden)) if self.hidden else x

    def strength(self, alpha: float, like: Tensor) -> float | Tensor:
        """alpha, or one for each unit where some are not forced, shape `(M,)`."""
        if not self.hidden:
            return alpha
        return torch.cat([like.new_full((self.size,), alpha), like.new_zeros(self.hidden)])


class Affine(nn.Module):
    """A linear readout, g(z) = B z, inverted by the pseudo-inverse of B.

    The forcing signal B+ x is constant in the gradient; the initial state B+ x_1 is not, so B learns from the readout
    and from the first state.

    Args:
        options: none.
        setup: unused.
        observation_size: N.
        latent_size: M, fewer or more.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3.

    >>> linear = Affine(None, None, observation_size=2, latent_size=3)
    >>> x = torch.ones(1, 2)
    >>> torch.allclose(linear.observe(linear.encode(x)), x, atol=1e-5)
    True
    """

    trained_signal = True

    def __init__(self, options: None, setup: Any, observation_size: int, latent_size: int) -> None:
        super().__init__()
        self.B = nn.Parameter((2 / latent_size) ** 0.5 * torch.randn(observation_size, latent_size))

    def observe(self, z: Tensor) -> Tensor:
        """The observation at a state, `(..., M)` to `(..., N)`."""
        return functional.linear(z, self.B)

    def encode(self, x: Tensor) -> Tensor:
        """The state to start from at an observation, `(..., N)` to `(..., M)`; differentiable in B."""
        return functional.linear(x, torch.linalg.pinv(self.B))

    @torch.no_grad()
    def signal(self, x: Tensor) -> Tensor:
        """What states are forced towards at an observation, `(..., N)` to `(..., M)`."""
        return self.encode(x)

    def strength(self, alpha: float, like: Tensor) -> float | Tensor:
        """alpha: every unit is forced."""
        return alpha

    def condition_penalty(self) -> Tensor:
        """(1 - sigma_max / sigma_min)^2 of B, 0-d: 0 when all its singular values are one."""
        singular: Tensor = torch.linalg.svdvals(self.B)
        return (1 - singular[0] / (singular[-1] + FLOOR)).square()


class LatentModel(nn.Module):
    """Dynamics in a latent space, and how they are observed: what is trained, and what measures are shown as `model`.

    Args:
        dynamics: z -> F(z), or (z, s) -> F(z, s), on states of shape `(..., M)`; any module. It may have `jacobian`,
            `shallow`, `squared_weights`, `mean_jacobian` and `norm_bound`, as the PLRNNs have.
        observation: with `observe`, `encode`, `signal` and `strength`.
    """

    dynamics: Any
    observation: Any

    def __init__(self, dynamics: nn.Module, observation: nn.Module) -> None:
        super().__init__()
        self.dynamics, self.observation = dynamics, observation

    def forward(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """One step; z and the result have shape `(..., M)`, s `(..., K)`."""
        stepped: Tensor = self.dynamics(z) if s is None else self.dynamics(z, s)
        return stepped

    def observe(self, z: Tensor) -> Tensor:
        """The observation at a state, `(..., M)` to `(..., N)`."""
        seen: Tensor = self.observation.observe(z)
        return seen

    def encode(self, x: Tensor) -> Tensor:
        """The state to start from at an observation, `(..., N)` to `(..., M)`."""
        start: Tensor = self.observation.encode(x)
        return start

    def shallow(self) -> Any:
        """The step as data, where the dynamics know it."""
        known = getattr(self.dynamics, "shallow", None)
        return known() if known else None

    def jacobian(self, z: Tensor) -> Tensor:
        """dF/dz at states of shape `(batch, M)`, shape `(batch, M, M)`: the dynamics' own, or by differentiation."""
        return jacobian(self.dynamics, z)

    def squared_weights(self) -> Tensor:
        """The squared weights of the dynamics, 0-d; the observation's are not among them."""
        if hasattr(self.dynamics, "squared_weights"):
            own: Tensor = self.dynamics.squared_weights()
            return own
        return torch.cat([parameter.flatten() for parameter in self.dynamics.parameters()]).square().sum()


def jacobian(dynamics: Any, z: Tensor) -> Tensor:
    """dF/dz of any module, by its own `jacobian` where it has one.

    Args:
        dynamics: z -> F(z).
        z: shape `(..., M)`.

    Returns:
        Shape `(..., M, M)`.
    """
    if hasattr(dynamics, "jacobian"):
        own: Tensor = dynamics.jacobian(z)
        return own
    flat = vmap(jacrev(lambda one: dynamics(one.unsqueeze(0)).squeeze(0)))(z.reshape(-1, z.shape[-1]))
    found: Tensor = flat.reshape(*z.shape, z.shape[-1])
    return found
