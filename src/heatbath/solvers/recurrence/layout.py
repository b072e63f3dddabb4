"""Where the parameters of a shallow step, and of what it observes, lie in one flat vector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from heatbath.core.errors import ConfigError
from heatbath.solvers.recurrence.shallow import ShallowStep


@dataclass(frozen=True, slots=True)
class Layout:
    """A (M) | W1 (M, L) | W2 (L, M) | h1 (M) | h2 (L) | of the observation model, as in `torch.nn.utils`' vectors.

    The observation model is affine, x = B z with B (N, M), or the identity on the first N units. Then the other M - N
    units start at `guess` x_1 with `guess` (M - N, N).

    Args:
        latent: M.
        hidden: L.
        observed: N, or None for M.
        clipped: whether the nonlinear part is bounded.
        affine: whether there is a B.

    Raises:
        ConfigError: for sizes below 1, and for N > M without a B.

    >>> Layout(3, 50).size, Layout(16, 512, observed=64, affine=True).size
    (356, 17952)
    """

    latent: int
    hidden: int
    observed: int | None = None
    clipped: bool = True
    affine: bool = False

    def __post_init__(self) -> None:
        if min(self.latent, self.hidden, self.N) < 1:
            raise ConfigError(f"sizes must be at least 1, got M={self.latent}, L={self.hidden}, N={self.N}")
        if self.latent < self.N and not self.affine:
            raise ConfigError(
                f"{self.N} observed variables need an affine observation model or {self.N} latent units, "
                f"got {self.latent}"
            )

    @property
    def N(self) -> int:
        """Number of observed variables."""
        return self.latent if self.observed is None else self.observed

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of each parameter, in order. `guess` is absent where N = M."""
        M, L, N = self.latent, self.hidden, self.N
        shapes: dict[str, tuple[int, ...]] = {"A": (M,), "W1": (M, L), "W2": (L, M), "h1": (M,), "h2": (L,)}
        if self.affine:
            shapes["B"] = (N, M)
        elif M > N:
            shapes["guess"] = (M - N, N)
        return shapes

    @property
    def size(self) -> int:
        """Number of all parameters, P."""
        return sum(map(math.prod, self.shapes.values()))

    @property
    def penalised(self) -> int:
        """Number of parameters of the step, which come first and which an L2 penalty draws to 0, but A to 1."""
        M, L = self.latent, self.hidden
        return 2 * M + L + 2 * M * L

    def views(self, theta: Tensor) -> dict[str, Tensor]:
        """The parameters in theta, shape `(P,)` or `(models, P)`, as views: what is written there is seen here.

        Raises:
            ConfigError: if theta has another number of parameters.
        """
        if theta.shape[-1] != self.size:
            raise ConfigError(f"expected {self.size} parameters, got a vector of shape {tuple(theta.shape)}")
        parts = theta.split([math.prod(shape) for shape in self.shapes.values()], dim=-1)
        named = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view(*theta.shape[:-1], *shape) for (name, shape), part in named}

    def step(self, theta: Tensor) -> ShallowStep:
        """The step whose weights are views of theta, shape `(P,)`."""
        v = self.views(theta)
        return ShallowStep(v["A"], v["W1"], v["W2"], v["h1"], v["h2"], self.clipped)

    def flatten(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """A new flat vector, shape `(P,)`, with no history.

        Raises:
            ConfigError: for a parameter that is missing or has another shape.
        """
        self._check(parameters)
        return torch.cat([parameters[name].detach().reshape(-1) for name in self.shapes])

    def tie(self, parameters: Mapping[str, nn.Parameter], theta: Tensor) -> None:
        """Copy the parameters into theta, shape `(P,)`, and let them live there from now on.

        What a trainer does to theta is then done to the module, and the other way round; `load_state_dict` copies into
        the same memory. A conversion to another device or precision, or a deep copy, cuts the tie.

        Raises:
            ConfigError: for a parameter that is missing or has another shape.
        """
        self._check(parameters)
        with torch.no_grad():
            for name, view in self.views(theta).items():
                view.copy_(parameters[name])
                parameters[name].data = view

    def _check(self, parameters: Mapping[str, Tensor]) -> None:
        for name, shape in self.shapes.items():
            if name not in parameters:
                raise ConfigError(f"expected parameters {', '.join(self.shapes)}, got {', '.join(parameters)}")
            if tuple(parameters[name].shape) != shape:
                raise ConfigError(f"`{name}` must have shape {shape}, got {tuple(parameters[name].shape)}")
