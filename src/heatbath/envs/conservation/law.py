"""What a conservation law knows about itself, and the ranges in which its formulas hold."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput


class Law(Protocol):
    """u_t + F_x = 0 on a domain, one parameter a field. All arguments broadcast; all results are float64.

    The integral of u over the domain is U(0) + int_0^t (F at the left end - F at the right end).

    Attributes:
        name: as a reader knows it.
        symbol: of the parameter, in metric names.
        domain: (left, right).
        end: last time of interest.
        table_time: when the paper's tables look.
        training: range of the parameter that models are trained on.
        tests: parameters that they are tested on.
        periodic: whether the ends are one.
    """

    name: str
    symbol: str
    domain: tuple[float, float]
    end: float
    table_time: float
    training: tuple[float, float]
    tests: tuple[float, ...]
    periodic: bool

    def solution(self, parameter: Tensor, t: Tensor, x: Tensor, *, check: bool = True) -> Tensor:
        """u(t, x)."""

    def flux(self, parameter: Tensor, t: Tensor, x: Tensor, *, check: bool = True) -> Tensor:
        """F at t, x; the mean of both sides counts at a jump nowhere."""

    def mass(self, parameter: Tensor, t: Tensor, *, check: bool = True) -> Tensor:
        """The integral of u over the domain at t."""


Number = Any
"""A tensor, a number, or what torch makes a tensor of: an array, nested lists."""


class ExactLaw:
    """What the exact laws share: arguments in float64, and the check that they lie where the formulas hold.

    `check=False` leaves out the check, which reads from the device; samplers draw inside of the ranges anyway.
    """

    name: str
    symbol: str
    domain: tuple[float, float]
    end: float
    table_time: float
    training: tuple[float, float]
    tests: tuple[float, ...]
    periodic = False
    parameters = (0.0, math.inf)
    """open interval of parameters that make sense"""

    def __init__(self, options: Any = None, setup: Any = None) -> None: ...

    def solution(self, parameter: Number, t: Number, x: Number, *, check: bool = True) -> Tensor:
        """u(t, x), in the shape that the arguments broadcast to.

        Raises:
            InvalidInput: for arguments outside of the law's ranges, or that are no numbers.
        """
        p, t, x = self._arguments(parameter, t, x, check=check)
        return self._solution(p, t, x)

    def flux(self, parameter: Number, t: Number, x: Number, *, check: bool = True) -> Tensor:
        """F(t, x), that of the side whose value `solution` gives. Raises as `solution` does."""
        p, t, x = self._arguments(parameter, t, x, check=check)
        return self._flux(p, t, x)

    def mass(self, parameter: Number, t: Number, *, check: bool = True) -> Tensor:
        """The integral of u over the domain at t, in closed form. Raises as `solution` does."""
        p, t, _ = self._arguments(parameter, t, self.domain[0], check=check)
        return self._mass(p, t)

    def valid_until(self, parameter: Tensor) -> Tensor:
        """The last time at which the formulas hold, in the parameter's shape."""
        return torch.full_like(parameter, math.inf)

    def inflow(self, parameter: Number, t: Number) -> Tensor:
        """The value at the left end, for a solver's boundary."""
        return self.solution(parameter, t, self.domain[0], check=False)

    def _solution(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _flux(self, p: Tensor, t: Tensor, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _mass(self, p: Tensor, t: Tensor) -> Tensor:
        raise NotImplementedError

    def _arguments(self, parameter: Number, t: Number, x: Number, check: bool) -> tuple[Tensor, Tensor, Tensor]:
        device = next((item.device for item in (parameter, t, x) if isinstance(item, Tensor)), None)
        named = {"parameter": parameter, "t": t, "x": x}
        p, t, x = (_float64(name, item, device) for name, item in named.items())
        if check:
            self._check(p, t, x)
        return p, t, x

    def _check(self, p: Tensor, t: Tensor, x: Tensor) -> None:
        low, high = self.parameters
        if not bool(((p > low) & (p < high)).all()):
            raise InvalidInput(
                f"{self.name}: the parameter {self.symbol} must lie between {low:g} and {high:g} (both excluded), "
                f"got {_extremes(p)}"
            )
        left, right = self.domain
        if not bool(((x >= left - 1e-12) & (x <= right + 1e-12)).all()):
            raise InvalidInput(f"{self.name}: x must lie in [{left:g}, {right:g}], got {_extremes(x)}")
        until = self.valid_until(p)
        if not bool((t >= 0).all()):
            raise InvalidInput(f"{self.name}: t must be at least 0, got {_extremes(t)}")
        if not bool((t <= until * (1 + 1e-12)).all()):
            first = float(p.flatten()[until.argmin()])
            raise InvalidInput(
                f"{self.name}: the exact solution holds until its front leaves the domain, at t = "
                f"{float(until.min()):.6g} for {self.symbol} = {first:g}; got t = {float(t.max()):.6g}"
            )


def _float64(name: str, value: Any, device: torch.device | None) -> Tensor:
    if isinstance(value, Tensor) and not value.is_complex():
        return value.double()
    if isinstance(value, int | float):
        # Filled in on the device: a copy from the host would be waited for.
        return torch.full((), value, dtype=torch.float64, device=device)
    try:
        if torch.as_tensor(value).is_complex():
            raise TypeError
        return torch.as_tensor(value, dtype=torch.float64, device=device)
    except (TypeError, ValueError, RuntimeError):
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise InvalidInput(f"`{name}` must be a number or a tensor of them, real, got {kind}: {value!r:.60}") from None


def _extremes(values: Tensor) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:g}" if low == high or low != low else f"values from {low:g} to {high:g}"
