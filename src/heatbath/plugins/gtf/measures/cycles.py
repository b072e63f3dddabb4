"""Fixed points and cycles of maps, found where linear pieces close on themselves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from heatbath.plugins.gtf.measures.lyapunov import Step, jacobian_of
from heatbath.solvers.recurrence.shallow import ShallowStep, as_shallow


@dataclass(frozen=True)
class Cycle:
    """A periodic orbit.

    Args:
        points: z_1 .. z_k, shape `(k, dim)`, float64; a fixed point has k = 1.
        eigenvalues: of the Jacobian of F^k at z_1, largest modulus first, shape `(dim,)`, complex128.
    """

    points: Tensor
    eigenvalues: Tensor

    @property
    def period(self) -> int:
        return len(self.points)

    @property
    def stable(self) -> bool:
        """Whether all neighbours come nearer: every eigenvalue lies within the unit circle."""
        return bool(self.eigenvalues[0].abs() < 1)


def fixed_points(model: Any, starts: Tensor, generator: Generator, **search: Any) -> list[Cycle]:
    """Where F(z) = z; see `find_cycles`.

    >>> ramp = lambda z: 1 - torch.relu(2 * z)  # slope 0 below 0, else -2
    >>> found = fixed_points(ramp, torch.randn(8, 1, dtype=torch.float64), torch.Generator().manual_seed(0))
    >>> [(round(c.points.item(), 6), c.stable) for c in found]
    [(0.333333, False)]
    """
    return find_cycles(model, 1, starts, generator, **search)


def find_cycles(
    model: Any,
    period: int,
    starts: Tensor,
    generator: Generator,
    tries: int = 256,
    rounds: int = 20,
    tolerance: float = 1e-8,
) -> list[Cycle]:
    """Cycles of exactly that period, by a search over linear pieces.

    Each try is a guess z_1 .. z_k. Around each z_t the map is z -> J_t z + b_t; the cycle of those pieces solves
    (1 - J_k .. J_1) z_1 = c. If its points lie in the pieces that it was made of, it is a true cycle; if not, their
    pieces are the next guess, also of a virtual cycle. A try that has not closed in time begins anew.

    For piecewise-linear models a piece is a pattern of active units, and this is the search over masks of SCYFI with
    the search for several starts side by side. For smooth maps it is Newton's method.

    Whatever is returned was checked by stepping the map. That all cycles were found, nobody can say; more `tries` and
    starts from a long free run find more.

    Args:
        model: one step, on states of shape `(batch, dim)`; its own `jacobian` where it has one. A module is copied to
            double precision.
        period: k.
        starts: states in the region of interest, shape `(n, dim)`; tries begin from k of them in a row where the row
            is long enough, which a free run makes a good guess, or from k at random.
        generator: of the choice of starts.
        tries: followed side by side.
        rounds: solutions before a try begins anew, and times that it does.
        tolerance: on |F(z) - z|, relative to 1 + |z|.

    Returns:
        The cycles, each once, from whichever point; stable ones first, then by the first coordinate.

    Reference:
        Eisenmann, Monfared, Göring, Durstewitz, NeurIPS 2023 (SCYFI).
    """
    step, jacobian = in_double(model)
    search = _Search(step, jacobian, period, tolerance)
    starts = starts.detach().to(torch.float64)
    found: list[Cycle] = []
    with torch.no_grad():
        for attempt in range(rounds):
            z = _guesses(starts, period, tries, in_a_row=attempt % 2 == 0, generator=generator)
            for _ in range(rounds):
                z = search.next(z)
                closed = search.closed(z)
                for points in z[closed]:
                    if not _known(points, found, tolerance):
                        found.append(search.cycle(points))
                z = z[~closed & z.isfinite().flatten(1).all(1)]
                if not len(z):
                    break
    return sorted(found, key=lambda cycle: (not cycle.stable, float(cycle.points[0, 0])))


class _Search:
    def __init__(self, step: Step, jacobian: Step, period: int, tolerance: float) -> None:
        self.step, self.jacobian, self.period, self.tolerance = step, jacobian, period, tolerance

    def next(self, z: Tensor) -> Tensor:
        """The cycles of the linear pieces at guesses `(tries, k, dim)`, of the same shape; NaN where there is none."""
        tries, _, dim = z.shape
        flat = z.reshape(-1, dim)
        J = self.jacobian(flat)
        b = (self.step(flat) - (J @ flat.unsqueeze(-1)).squeeze(-1)).view(z.shape)
        J = J.view(tries, self.period, dim, dim)
        identity = torch.eye(dim, dtype=z.dtype, device=z.device)
        product, constant = identity.expand(tries, dim, dim), torch.zeros_like(b[:, 0])
        for t in range(self.period):
            product = J[:, t] @ product
            constant = (J[:, t] @ constant.unsqueeze(-1)).squeeze(-1) + b[:, t]
        first, info = torch.linalg.solve_ex(identity - product, constant.unsqueeze(-1))
        points = [first.squeeze(-1).masked_fill((info != 0).unsqueeze(-1), torch.nan)]
        for t in range(self.period - 1):
            points.append((J[:, t] @ points[-1].unsqueeze(-1)).squeeze(-1) + b[:, t])
        return torch.stack(points, 1)

    def closed(self, z: Tensor) -> Tensor:
        """Which are true cycles of the map, of no shorter period; shape `(tries,)`."""
        stepped = self.step(z.reshape(-1, z.shape[-1])).view(z.shape)
        size = 1 + z.abs().amax((1, 2))
        true = (stepped - z.roll(-1, 1)).abs().amax((1, 2)) <= self.tolerance * size
        for shorter in range(1, self.period):
            if self.period % shorter == 0:
                true &= (z.roll(-shorter, 1) - z).abs().amax((1, 2)) > self.tolerance**0.5 * size
        return true

    def cycle(self, points: Tensor) -> Cycle:
        """A cycle from its points, with their eigenvalues."""
        product = torch.eye(points.shape[-1], dtype=points.dtype, device=points.device)
        for J in self.jacobian(points):
            product = J @ product
        eigenvalues = torch.linalg.eigvals(product)
        return Cycle(points, eigenvalues[eigenvalues.abs().argsort(descending=True)])


def _guesses(starts: Tensor, period: int, tries: int, in_a_row: bool, generator: Generator) -> Tensor:
    """Points to begin from, shape `(tries, k, dim)`."""
    device = generator.device
    if in_a_row and len(starts) >= period:
        first = torch.randint(len(starts) - period + 1, (tries, 1), generator=generator, device=device)
        index = first + torch.arange(period, device=device)
    else:
        index = torch.randint(len(starts), (tries, period), generator=generator, device=device)
    return starts[index.to(starts.device)]


def _known(points: Tensor, found: list[Cycle], tolerance: float) -> bool:
    """Whether a cycle is among those found, begun at another of its points."""
    if not found:
        return False
    near = tolerance**0.5 * (1 + points.abs().max())
    return bool(((torch.cat([cycle.points for cycle in found]) - points[0]).abs().amax(1) <= near).any())


def in_double(model: Any) -> tuple[Callable[[Tensor], Tensor], Step]:
    """A model's step and Jacobian in double precision, in which alone a cycle can be told from its neighbours."""
    shallow = as_shallow(model)
    if shallow is not None:
        names = [name for name in ("A", "W1", "W2", "h1", "h2", "C") if getattr(shallow, name) is not None]
        exact: ShallowStep = replace(shallow, **{name: getattr(shallow, name).detach().double() for name in names})
        return exact, exact.jacobian
    if isinstance(model, nn.Module):
        model = copy.deepcopy(model).double()
    return model, jacobian_of(model)
