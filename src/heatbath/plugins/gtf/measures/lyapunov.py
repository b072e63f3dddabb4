"""Lyapunov spectra of anything that has a Jacobian, and the dimension that follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import jacrev, vjp, vmap

from heatbath.plugins.gtf.measures.series import SeriesError
from heatbath.solvers.recurrence.shallow import as_shallow

Step = Callable[[Tensor], Tensor]
Tangent = Callable[[Tensor, Tensor], Tensor]
"""(z, Q) -> J(z) Q, shapes `(batch, dim)` and `(batch, dim, count)`."""
NUMBERS_AT_ONCE = 2**15
"""Entries of the Jacobians that are held at a time; what they are made of then stays in the cache."""


def jacobian_of(model: Any) -> Step:
    """A model's own `jacobian`, else one by automatic differentiation; states `(batch, dim)`."""
    if hasattr(model, "jacobian"):
        return model.jacobian  # type: ignore[no-any-return]
    return vmap(jacrev(lambda z: model(z.unsqueeze(0)).squeeze(0)))


def tangent_of(model: Any) -> Tangent:
    """What a model's Jacobian does to a few directions, without making the Jacobian.

    A shallow network's is two products; another model's own `tangent(z, Q)` is used where it has one, else automatic
    differentiation.
    """
    shallow = as_shallow(model)
    if shallow is not None:
        step = shallow
        return lambda z, Q: step.A.unsqueeze(-1) * Q + step.W1 @ (step.mask(z).unsqueeze(-1) * (step.W2 @ Q))
    if hasattr(model, "tangent"):
        return model.tangent  # type: ignore[no-any-return]

    def tangent(z: Tensor, Q: Tensor) -> Tensor:
        """J Q as the derivative of u -> J^T u against Q: all that can be differentiated twice goes backwards."""
        value, pull, *_ = vjp(model, z)
        _, push, *_ = vjp(lambda u: pull(u)[0], torch.zeros_like(value))
        carried: Tensor = vmap(lambda q: push(q)[0], in_dims=-1, out_dims=-1)(Q)
        return carried

    return tangent


def lyapunov_spectrum(
    step: Step,
    jacobian: Step,
    start: Tensor,
    steps: int,
    transient: int = 0,
    every: int = 10,
    count: int | None = None,
) -> Tensor:
    """Lyapunov exponents per step, by QR decomposition of Jacobian products, averaged over trajectories.

    Q <- J(z) Q along each trajectory; every few steps QR = Q is split and log |diag R| summed.

    Args:
        step: z -> F(z), on states of shape `(batch, dim)`.
        jacobian: z -> dF/dz, of shape `(batch, dim, dim)`.
        start: states on the attractor, shape `(batch, dim)`.
        steps: averaged over.
        transient: steps before that, in which Q aligns.
        every: steps between two decompositions. Between them, exponents that lie (log 1e16) / every apart are lost.
        count: how many of the largest; None for all.

    Returns:
        Exponents in descending order, shape `(count,)`, float64; NaN where a trajectory leaves the numbers.

    Reference:
        Benettin et al., Meccanica 15, 1980; Geist, Parlitz, Lauterborn, Prog. Theor. Phys. 83, 1990.

    >>> halve = lambda z: z / 2
    >>> lyapunov_spectrum(halve, jacobian_of(halve), torch.ones(1, 2), 10).tolist() == [-math.log(2)] * 2
    True
    """
    growth = Growth(start, transient, every, count)
    z, left = start, transient + steps
    while left:
        orbit = []
        for _ in range(min(left, growth.length)):
            orbit.append(z)
            z = step(z)
        growth.along(jacobian, torch.stack(orbit), last=len(orbit) == left)
        left -= len(orbit)
    return growth.exponents()


def orbit_spectrum(
    jacobian: Step,
    orbit: Tensor,
    transient: int = 0,
    every: int = 10,
    count: int | None = None,
    tangent: Tangent | None = None,
) -> Tensor:
    """Lyapunov exponents along states that are known already, as `lyapunov_spectrum` gives them.

    All Jacobians of a stretch are computed side by side, so this is the quick way where a free run is at hand.

    Args:
        jacobian: z -> dF/dz, of shape `(batch, dim, dim)`.
        orbit: states that follow from one another, shape `(time, batch, dim)`.
        transient: of them, those in which Q aligns.
        every: steps between two decompositions.
        count: how many of the largest; None for all.
        tangent: used in place of `jacobian` where given: the quicker for a few exponents of many.
    """
    if len(orbit) <= transient:
        raise SeriesError(f"expected an orbit longer than its transient of {transient} states, got {len(orbit)}")
    growth = Growth(orbit[0], transient, every, count)
    for first in range(0, len(orbit), growth.length):
        part = orbit[first : first + growth.length]
        growth.along(jacobian, part, last=first + len(part) == len(orbit), tangent=tangent)
    return growth.exponents()


class Growth:
    """Directions carried along orbits, and how much they have grown."""

    def __init__(self, start: Tensor, transient: int, every: int, count: int | None) -> None:
        batch, dim = start.shape
        count = dim if count is None else count
        if not 1 <= count <= dim or every < 1 or transient < 0:
            raise SeriesError(
                f"expected `count` in 1 .. {dim}, `every` of at least 1 and `transient` of at least 0, "
                f"got {count}, {every} and {transient}"
            )
        self.transient, self.every, self.done = transient, every, 0
        self.length = max(1, NUMBERS_AT_ONCE // (batch * dim * dim))
        self.Q = torch.eye(dim, count, dtype=torch.float64, device=start.device).repeat(batch, 1, 1)
        self.sums = torch.zeros(batch, count, dtype=torch.float64, device=start.device)

    def along(self, jacobian: Step, orbit: Tensor, last: bool, tangent: Tangent | None = None) -> None:
        """Go on over the states `(time, batch, dim)`; `last` closes the sum."""
        dim = orbit.shape[-1]
        self.sums += (0 * orbit).sum((0, 2)).unsqueeze(-1)  # NaN where the orbit is not finite, though J may be
        if tangent is None:
            jacobians = jacobian(orbit.reshape(-1, dim)).to(torch.float64).view(*orbit.shape, dim).unbind(0)
        for index, z in enumerate(orbit.unbind(0), 1):
            if tangent is None:
                self.Q = jacobians[index - 1] @ self.Q
            else:
                self.Q = tangent(z, self.Q.to(z.dtype)).to(torch.float64)
            self.done += 1
            closing = last and index == len(orbit)
            if self.done % self.every == 0 or self.done == self.transient or closing:
                self._split()

    def _split(self) -> None:
        if self.Q.shape[-1] == 1:
            size = torch.linalg.vector_norm(self.Q, dim=-2)
            self.Q = self.Q / size.unsqueeze(-2)
        else:
            self.Q, R = torch.linalg.qr(self.Q)
            size = R.diagonal(dim1=-2, dim2=-1).abs()
        if self.done > self.transient:
            self.sums += size.log()

    def exponents(self) -> Tensor:
        return (self.sums / (self.done - self.transient)).mean(0).sort(descending=True).values


def kaplan_yorke_dimension(spectrum: Tensor | Sequence[float]) -> float:
    """Dimension of an attractor from its exponents, k + (l_1 + .. + l_k) / |l_{k+1}|.

    k is the largest number of exponents whose sum is not negative. 0 where the first is negative; the number of
    exponents where no partial sum is, which says that there are too few of them, or no attractor.

    Args:
        spectrum: exponents in descending order, in any unit.

    Reference:
        Kaplan and Yorke, Lecture Notes in Mathematics 730, 1979.

    >>> round(kaplan_yorke_dimension([0.9056, 0.0, -14.5723]), 4)
    2.0621
    """
    exponents = [float(value) for value in spectrum]
    if not all(map(math.isfinite, exponents)):
        return math.nan
    total = 0.0
    for k, exponent in enumerate(exponents):
        if total + exponent < 0:
            return k + total / -exponent
        total += exponent
    return float(len(exponents))
