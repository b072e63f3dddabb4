"""Systems of ordinary differential equations, by Runge-Kutta of order 4 with its derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from heatbath.envs.chaotic import compiled
from heatbath.envs.chaotic.flow import System
from heatbath.solvers.ode.rk4 import rk4_step

Components = Sequence[float]


class Equations(System):
    """y' = f(y), stepped `substeps` times between two points.

    Three ways give the same bits: tensors on any device (`step`), a compiled kernel, and Python numbers where there is
    neither a compiler nor a batch.

    Attributes:
        kernel: the name by which `compiled.flow` knows the system, or None.
        parameters: what the kernel needs to know.
    """

    substeps: int
    kernel: str | None = None
    parameters: tuple[float, ...] = ()

    def derivative(self, t: float, state: Tensor) -> Tensor:
        """The right-hand side f, for the problem `ode`; state of shape `(..., dim)`."""
        raise NotImplementedError

    def gradient(self, state: Tensor) -> Tensor:
        """The Jacobian of the right-hand side, shape `(..., dim, dim)`."""
        raise NotImplementedError

    def step(self, state: Tensor) -> Tensor:
        h = self.time_step / self.substeps
        for _ in range(self.substeps):
            state = rk4_step(self.derivative, 0.0, state, h)
        return state

    def jacobian(self, state: Tensor) -> Tensor:
        """The derivative of `step`, shape `(..., dim, dim)`: the same Runge-Kutta on the variational equation.

        Y' = f'(y) Y, Y(0) = 1. Runge-Kutta methods commute with differentiation, so this is exact.
        """
        identity = torch.eye(self.dim, dtype=state.dtype, device=state.device)
        both = torch.cat([state.unsqueeze(-1), identity.expand(*state.shape, self.dim)], -1)
        h = self.time_step / self.substeps
        for _ in range(self.substeps):
            both = rk4_step(self._variation, 0.0, both, h)
        return both[..., 1:]

    def _variation(self, t: float, both: Tensor) -> Tensor:
        state = both[..., 0]
        return torch.cat([self.derivative(t, state).unsqueeze(-1), self.gradient(state) @ both[..., 1:]], -1)

    def _run(self, state: Tensor, points: int, skip: int) -> Tensor:
        if self.kernel is not None and compiled.fits(state):
            h = self.time_step / self.substeps
            return compiled.flow(self.kernel, self.parameters, h, self.substeps, state, points, skip)
        return super()._run(state, points, skip)


class FewEquations(Equations):
    """Equations whose right-hand side is written component by component."""

    def flow(self, *components: Any) -> tuple[Any, ...]:
        """Derivatives of the components, numbers or tensors alike."""
        raise NotImplementedError

    def derivative(self, t: float, state: Tensor) -> Tensor:
        return torch.stack(self.flow(*state.unbind(-1)), -1)

    def _run(self, state: Tensor, points: int, skip: int) -> Tensor:
        plain = len(state) == 1 and state.device.type == "cpu" and state.dtype == torch.float64
        if not plain or compiled.fits(state):
            return super()._run(state, points, skip)
        h, steps = self.time_step / self.substeps, (skip + points) * self.substeps
        return trajectory(self.flow, state[0].tolist(), h, steps, self.substeps)[skip:].unsqueeze(0)


def trajectory(f: Callable[..., Components], start: Components, h: float, steps: int, every: int = 1) -> Tensor:
    """Runge-Kutta of order 4 over Python numbers; for three variables ten times as fast as tensors.

    Args:
        f: derivatives of the components, from the components.
        start: the first state, which is not part of the result.
        h: length of a step.
        steps: how many.
        every: steps between two that are kept.

    Returns:
        The states after every, 2 every, .. steps, shape `(steps // every, dim)`, float64.
    """
    y, half, sixth, states = tuple(start), h / 2, h / 6, []
    for index in range(1, steps + 1):
        k1 = f(*y)
        k2 = f(*[a + half * b for a, b in zip(y, k1, strict=True)])
        k3 = f(*[a + half * b for a, b in zip(y, k2, strict=True)])
        k4 = f(*[a + h * b for a, b in zip(y, k3, strict=True)])
        y = tuple([a + sixth * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(y, k1, k2, k3, k4, strict=True)])
        if index % every == 0:
            states.append(y)
    return torch.tensor(states, dtype=torch.float64).reshape(len(states), len(y))


def matrix(rows: Sequence[Sequence[Tensor | float]], like: Tensor) -> Tensor:
    """Rows of numbers and tensors of one shape as matrices, shape `(..., len(rows), len(rows[0]))`.

    >>> matrix([[1.0, torch.zeros(2)]], torch.zeros(2)).shape
    torch.Size([2, 1, 2])
    """
    return torch.stack([torch.stack([torch.zeros_like(like) + entry for entry in row], -1) for row in rows], -2)
