"""Exponential time differencing of order 4 for stiff semi-linear equations v' = L v + N(v), L diagonal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

V = TypeVar("V")


@dataclass(frozen=True)
class ETDRK4:
    """What a step of length h needs of L; arrays that broadcast with v.

    Symbols: E = exp(h L); E2 = exp(h L / 2); Q, f1, f2, f3 as in the paper, times h.
    """

    E: Any
    E2: Any
    Q: Any
    f1: Any
    f2: Any
    f3: Any


def etdrk4_coefficients(linear: Tensor, h: float, contour_points: int = 32) -> ETDRK4:
    """Coefficients for steps of length h.

    Functions such as (exp(z) - 1) / z lose all digits near 0; the mean over a unit circle around z gives them back.

    Args:
        linear: diagonal of L, real or complex, any shape.
        h: length of a step.
        contour_points: on each circle.

    Returns:
        Coefficients in the dtype and on the device of `linear`.

    Reference:
        Kassam and Trefethen, SIAM J. Sci. Comput. 26, 2005, equations 2.5 and 3.1.

    >>> c = etdrk4_coefficients(torch.zeros(1, dtype=torch.float64), 0.1)
    >>> round(float(c.Q), 12), round(float(c.f1 + 4 * c.f2 + c.f3), 12)  # h / 2, and h as in Runge-Kutta
    (0.05, 0.1)
    """
    precise = linear.to(torch.complex128)
    angles = math.pi * (2 * torch.arange(contour_points, dtype=torch.float64, device=linear.device) + 1)
    z = h * precise.unsqueeze(-1) + torch.polar(torch.ones_like(angles), angles / contour_points)
    exp = z.exp()

    def mean(values: Tensor) -> Tensor:
        averaged = values.mean(-1)
        return (averaged if linear.is_complex() else averaged.real).to(linear.dtype)

    return ETDRK4(
        E=mean((h * precise).exp().unsqueeze(-1)),
        E2=mean((h * precise / 2).exp().unsqueeze(-1)),
        Q=h * mean(((z / 2).exp() - 1) / z),
        f1=h * mean((-4 - z + exp * (4 - 3 * z + z**2)) / z**3),
        f2=h * mean((2 + z + exp * (z - 2)) / z**3),
        f3=h * mean((-4 - 3 * z - z**2 + exp * (4 - z)) / z**3),
    )


def etdrk4_step(c: ETDRK4, nonlinear: Callable[[V], V], v: V) -> V:
    """One step from v, for anything that adds and scales.

    a = E2 v + Q N(v), b = E2 v + Q N(a), c = E2 a + Q (2 N(b) - N(v)),
    E v + f1 N(v) + 2 f2 (N(a) + N(b)) + f3 N(c).

    Reference:
        Cox and Matthews, J. Comput. Phys. 176, 2002, equations 26-29.
    """
    here: Any = nonlinear(v)
    halfway = c.E2 * v
    a: Any = halfway + c.Q * here
    at_a: Any = nonlinear(a)
    b: Any = halfway + c.Q * at_a
    at_b: Any = nonlinear(b)
    end: Any = c.E2 * a + c.Q * (2 * at_b - here)
    at_end: Any = nonlinear(end)
    stepped: V = c.E * v + c.f1 * here + 2 * c.f2 * (at_a + at_b) + c.f3 * at_end
    return stepped
