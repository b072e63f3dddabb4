"""One step of an explicit Runge-Kutta method, with its scaled error and its stiffness in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode.tableaux import Row, Tableau, dense_weights

VectorField = Callable[[Any, Tensor], Tensor]
Size = float | Tensor
"""A step's length: a number, or a tensor that broadcasts against the state (0-d, or one a sample)."""


@dataclass(frozen=True)
class Tolerance:
    """The error of a step counts in units of atol + rtol max(|u_n|, |u_{n+1}|)."""

    rtol: float
    atol: float

    def scale(self, u: Tensor, u_next: Tensor) -> Tensor:
        """Shaped like the state."""
        return torch.maximum(u.abs(), u_next.abs()).mul(self.rtol).add(self.atol)


@dataclass(frozen=True)
class Wanted:
    """What of a step is used, beside its end.

    Args:
        error: the scaled error is differentiated.
        stiffness: it is computed.
        slopes: they are kept for the dense output.
        per_sample: norms are over all axes but the first.
    """

    error: bool = False
    stiffness: bool = False
    slopes: bool = False
    per_sample: bool = False


class Step(NamedTuple):
    """The end of a step.

    Args:
        state: u_{n+1}.
        slope: f there, with which the next step begins.
        error: E, 0-d, or `(batch,)` for one a sample.
        stiffness: S, shaped like E, or None.
        slopes: k_1 .. k_s, or none.
        inside: states at the fractions that were asked for (of a step that cannot give its slopes).
    """

    state: Tensor
    slope: Tensor
    error: Tensor
    stiffness: Tensor | None
    slopes: tuple[Tensor, ...]
    inside: tuple[Tensor, ...] = ()


class TakeStep(Protocol):
    """A way to take a step: plain, compiled, or with a backward pass by hand."""

    def __call__(
        self, t: Any, h: Any, u: Tensor, k1: Tensor, wanted: Wanted, fractions: Sequence[float] = ()
    ) -> Step: ...


def combine(u: Tensor, h: Size, weights: Row, slopes: Sequence[Tensor]) -> Tensor:
    """u + h sum_i w_i k_i."""
    if isinstance(h, float):
        for weight, k in zip(weights, slopes, strict=False):
            if weight:
                u = torch.add(u, k, alpha=h * weight)
        return u
    return u + h * weighted_sum(weights, slopes)


def weighted_sum(weights: Row, slopes: Sequence[Tensor]) -> Tensor:
    """sum_i w_i k_i; at least one weight is not 0."""
    total: Tensor | None = None
    for weight, k in zip(weights, slopes, strict=False):
        if weight:
            total = weight * k if total is None else torch.add(total, k, alpha=weight)
    assert total is not None
    return total


def stages(
    tableau: Tableau, f: VectorField, t: Any, h: Any, u: Tensor, k1: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """g_i = u + h sum_{j<i} a_ij k_j and k_i = f(t + c_i h, g_i).

    Returns:
        Slopes k and stage states g, one a stage, shaped like u. The last g is the new state.
    """
    k, g = [k1], [u]
    for c, row in zip(tableau.c[1:], tableau.a[1:], strict=True):
        g.append(combine(u, h, row, k))
        k.append(f(t + c * h, g[-1]))
    return k, g


def like_state(what: str, got: Any, state: Tensor, hint: str = "") -> Tensor:
    """What was got; raise `InvalidInput` unless it is a tensor with shape and dtype of the state."""
    if not isinstance(got, Tensor) or got.shape != state.shape:
        found = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        raise InvalidInput(f"{what} must have the state's shape {tuple(state.shape)}, got {found}{hint}")
    if got.dtype != state.dtype:
        raise InvalidInput(f"{what} must have the state's dtype {state.dtype}, got {got.dtype}{hint}")
    return got


def by_sample(x: Tensor) -> Tensor:
    """A row for each entry of the first axis, `(batch, entries)`."""
    return x.flatten(1) if x.dim() > 1 else x.unsqueeze(1)


def rms(x: Tensor, per_sample: bool = False) -> Tensor:
    """Root of the mean square: over everything, 0-d, or over all axes but the first, `(batch,)`."""
    if per_sample:
        x = by_sample(x)
        norms: Tensor = torch.linalg.vector_norm(x, dim=1)
        return norms / math.sqrt(max(x.shape[1], 1))
    norm: Tensor = torch.linalg.vector_norm(x)
    return norm / math.sqrt(max(x.numel(), 1))


def error_ratio(tableau: Tableau, h: Size, k: Sequence[Tensor], scale: Tensor) -> Tensor:
    """r = h sum_i error_i k_i / scale, shaped like the state; E is its root mean square."""
    if isinstance(h, float):
        weights = tuple(h * weight for weight in tableau.error)
        return weighted_sum(weights, k) / scale
    return h * weighted_sum(tableau.error, k) / scale


def stiffness(tableau: Tableau, k: Sequence[Tensor], g: Sequence[Tensor], per_sample: bool = False) -> Tensor:
    """S = ||k_i - k_j|| / ||g_i - g_j|| of two stages at one abscissa, an estimate of |df/du|; 0 where both coincide.

    Reference:
        Shampine, Mathematics and Computers in Simulation 20, 1978; Hairer and Wanner II, section IV.2.
    """
    i, j = tableau.stiff_pair
    rise, run = rms(k[i] - k[j], per_sample), rms(g[i] - g[j], per_sample)
    apart = run > 0
    return torch.where(apart, rise / torch.where(apart, run, 1.0), 0.0)


def inside(tableau: Tableau, theta: float, h: Size, u: Tensor, k: Sequence[Tensor]) -> Tensor:
    """The dense output u + h sum_i b_i(theta) k_i."""
    return combine(u, h, dense_weights(tableau, theta), k)


@dataclass(frozen=True)
class PlainStep:
    """Autograd goes through the stages."""

    tableau: Tableau
    f: VectorField
    tolerance: Tolerance

    def __call__(self, t: Any, h: Any, u: Tensor, k1: Tensor, wanted: Wanted, fractions: Sequence[float] = ()) -> Step:
        return take_step(self.tableau, self.f, self.tolerance, t, h, u, k1, wanted)


def take_step(
    tableau: Tableau, f: VectorField, tolerance: Tolerance, t: Any, h: Any, u: Tensor, k1: Tensor, wanted: Wanted
) -> Step:
    """One step of length h from (t, u) with slope k1.

    E = rms(r), r = h sum_i error_i k_i / (atol + rtol max(|u_n|, |u_{n+1}|))
    """
    k, g = stages(tableau, f, t, h, u, k1)
    with nullcontext() if wanted.error else torch.no_grad():
        error = rms(error_ratio(tableau, h, k, tolerance.scale(u, g[-1])), wanted.per_sample)
    stiff = stiffness(tableau, k, g, wanted.per_sample) if wanted.stiffness else None
    return Step(g[-1], k[-1], error, stiff, tuple(k) if wanted.slopes else ())


@torch.no_grad()
def first_step(
    tableau: Tableau, f: VectorField, t: float, u: Tensor, k1: Tensor, tolerance: Tolerance, span: float
) -> float:
    """A length for the first step, at most |span| and of its sign; one evaluation of f, and two reads of the host.

    Reference:
        Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, section II.4.
    """
    scale = tolerance.scale(u, u)
    d0, d1 = torch.stack([rms(u / scale), rms(k1 / scale)]).tolist()
    if not (math.isfinite(d0) and math.isfinite(d1)):
        return math.nan
    sign = math.copysign(1.0, span)
    h0 = min(1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1, abs(span))
    d2 = rms((f(t + sign * h0, torch.add(u, k1, alpha=sign * h0)) - k1) / scale).item() / h0
    largest = max(d1, d2) if math.isfinite(d2) else d1
    h1 = max(1e-6, 1e-3 * h0) if largest <= 1e-15 else (0.01 / largest) ** (1 / tableau.order)
    return sign * min(100 * h0, h1, abs(span))
