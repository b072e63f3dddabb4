"""One step of a stochastic Runge-Kutta method, with its scaled error and its stiffness in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from heatbath.solvers.ode.steps import Tolerance, rms
from heatbath.solvers.sde.noise import Piece
from heatbath.solvers.sde.tableaux import Row, StochasticTableau

Field = Callable[[float, Tensor], Tensor]


class StochasticStep(NamedTuple):
    """State u_{n+1}, shaped like u; scaled error E, 0-d; stiffness S, 0-d, or None."""

    state: Tensor
    error: Tensor
    stiffness: Tensor | None


def take_step(
    tableau: StochasticTableau,
    drift: Field,
    diffusion: Field,
    tolerance: Tolerance,
    t: float,
    u: Tensor,
    noise: Piece,
    error_in_graph: bool = True,
    with_stiffness: bool = False,
) -> StochasticStep:
    """One step of du = f dt + g dW over `noise`.

    chi1 = (dW^2 - h) / (2 sqrt h),  chi2 = I_(1,0) / h,  chi3 = (dW^3 - 3 h dW) / (6 h)
    E2 = sum_i (chi2 beta3_i + chi3 beta4_i) g_i
    E = rms((h sum_i k_i + E2) / scale),  S = ||k_4 - k_3|| / ||H0_4 - H0_3||

    E is the reference implementation's: its drift part falls like h only, so a tolerance of 1e-4 takes 1e4 steps.

    Reference:
        Rackauckas and Nie 2017 and 2018; Roessler 2010.
    """
    h, dw = noise.length, noise.end
    chi2 = noise.area / h
    states, k, g = _stages(tableau, drift, diffusion, t, u, h, chi2)
    embedded = chi2 * weighted(tableau.beta3, g)
    u_next = u + h * weighted(tableau.alpha, k) + dw * weighted(tableau.beta1, g)
    if any(tableau.beta2):
        u_next = u_next + (dw.square() - h) / (2 * math.sqrt(h)) * weighted(tableau.beta2, g)
    if any(tableau.beta4):
        embedded = embedded + (dw**3 - 3 * h * dw) / (6 * h) * weighted(tableau.beta4, g)
    u_next = u_next + embedded
    with nullcontext() if error_in_graph else torch.no_grad():
        total = weighted((1.0,) * tableau.stages, k)
        error = rms((h * total + embedded) / tolerance.scale(u, u_next))
    stiff = _stiffness(tableau, k, states) if with_stiffness else None
    return StochasticStep(u_next, error, stiff)


def _stages(
    tableau: StochasticTableau, drift: Field, diffusion: Field, t: float, u: Tensor, h: float, chi2: Tensor
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Drift-stage states H0, drifts k and diffusions g, one a stage."""
    states, k, g = [u], [drift(t, u)], [diffusion(t + tableau.c1[0] * h, u)]
    root = math.sqrt(h)
    for i in range(1, tableau.stages):
        state = _plus(_plus(u, h, tableau.a0[i], k), chi2, tableau.b0[i], g)
        other = _plus(_plus(u, h, tableau.a1[i], k), root, tableau.b1[i], g)
        states.append(state)
        k.append(drift(t + tableau.c0[i] * h, state))
        g.append(diffusion(t + tableau.c1[i] * h, other))
    return states, k, g


def _stiffness(tableau: StochasticTableau, k: Sequence[Tensor], states: Sequence[Tensor]) -> Tensor:
    assert tableau.stiff_pair is not None
    i, j = tableau.stiff_pair
    rise, run = rms(k[i] - k[j]), rms(states[i] - states[j])
    return torch.where(run > 0, rise / torch.where(run > 0, run, 1.0), 0.0)


def _plus(u: Tensor, factor: float | Tensor, weights: Row, terms: Sequence[Tensor]) -> Tensor:
    """u + factor sum_i w_i x_i."""
    if not any(weights):
        return u
    if isinstance(factor, Tensor):
        return torch.addcmul(u, factor, weighted(weights, terms))
    for weight, term in zip(weights, terms, strict=True):
        if weight:
            u = torch.add(u, term, alpha=factor * weight)
    return u


def weighted(weights: Row, terms: Sequence[Tensor]) -> Tensor:
    """sum_i w_i x_i."""
    total = weights[0] * terms[0]
    for weight, term in zip(weights[1:], terms[1:], strict=True):
        if weight:
            total = torch.add(total, term, alpha=weight)
    return total


@torch.no_grad()
def first_step(
    drift: Field, diffusion: Field, t: float, u: Tensor, tolerance: Tolerance, span: float, order: float
) -> float:
    """A length for the first step, at most `span`: as for an ODE whose slope is f +- 3 g; two evaluations of each.

    Reference:
        Hairer, Norsett, Wanner I, section II.4, as adapted in StochasticDiffEq.jl.
    """
    scale = tolerance.scale(u, u)
    f, g = drift(t, u), 3 * diffusion(t, u)
    slope = torch.maximum((f + g).abs(), (f - g).abs())
    d0, d1 = torch.stack([rms(u / scale), rms(slope / scale)]).tolist()
    if not (math.isfinite(d0) and math.isfinite(d1)):
        return math.nan
    h0 = min(1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1, span)
    f1, g1 = drift(t + h0, u + h0 * f), 3 * diffusion(t + h0, u + h0 * f)
    change = torch.maximum((f1 - f + g1 - g).abs(), (f1 - f - g1 + g).abs())
    d2 = rms(change / scale).item() / h0
    largest = max(d1, d2) if math.isfinite(d2) else d1
    h1 = max(1e-6, 1e-3 * h0) if largest <= 1e-15 else (0.01 / largest) ** (1 / (order + 0.5))
    return float(min(100 * h0, h1, span))
