"""Step-size controllers as data: from scaled errors to the factor by which a step grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Controller:
    """factor = safety E_n^(-(p + i + d) / k) E_{n-1}^((p + 2 d) / k) E_{n-2}^(-d / k), clipped.

    Symbols: E scaled errors of the last accepted steps; k the order; p, i, d the gains.

    A step is taken where E <= 1. After a rejection the factor is safety E_n^(-(p + i + d) / k), at most 1, and the
    memory stays what it was.

    Args:
        p: gain on the change of the error.
        i: gain on the error.
        d: gain on the change of its change.
        safety: aims below the tolerance.
        least: factor that a step shrinks by at most.
        most: factor that a step grows by at most.
        least_after_acceptance: 1 where an accepted step is never followed by a smaller one.
        memory: what stands for the errors before the first step, and the least that is remembered.
    """

    p: float
    i: float
    d: float
    safety: float = 0.9
    least: float = 0.2
    most: float = 10.0
    least_after_acceptance: float = 0.2
    memory: float = 1e-4

    def exponents(self, order: float) -> tuple[float, float, float]:
        """Of E_n, E_{n-1} and E_{n-2}."""
        return -(self.p + self.i + self.d) / order, (self.p + 2 * self.d) / order, -self.d / order

    def proposal(self, order: float, errors: tuple[Any, Any, Any]) -> Any:
        """The factor before it is clipped; for numbers and tensors. `errors` are E_n, E_{n-1}, E_{n-2}, none 0."""
        factor: Any = self.safety
        for error, exponent in zip(errors, self.exponents(order), strict=True):
            if exponent:
                factor = factor * error**exponent
        return factor

    def after_acceptance(self, order: float, errors: tuple[float, float, float]) -> float:
        """The factor after a step whose error E_n is the first of `errors`, at most 1.

        >>> round(I.after_acceptance(5, (0.01, 1.0, 1.0)), 3)
        2.261
        """
        factor: float = self.proposal(order, (max(errors[0], TINY), *errors[1:]))
        return min(max(factor, self.least_after_acceptance), self.most)

    def after_rejection(self, order: float, error: float) -> float:
        """The factor after a step whose error exceeds 1."""
        exponent, _, _ = self.exponents(order)
        factor: float = self.safety * error**exponent
        return min(max(factor, self.least), 1.0)


TINY = 1e-12
"""An error of 0 would give an infinite factor."""

I = Controller(p=0.0, i=1.0, d=0.0)  # noqa: E741
"""The error alone."""
TORCHDIFFEQ = Controller(p=0.0, i=1.0, d=0.0, least_after_acceptance=1.0)
"""torchdiffeq's: an accepted step is never followed by a smaller one, so that more steps are rejected. For parity."""
PI = Controller(p=0.4, i=0.3, d=0.0)
"""That of SciML for explicit methods: beta1 = 0.7 / k, beta2 = 0.4 / k. Calmer, at some 28 % more steps than I.

Reference:
    Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, section II.4.
"""
PID = Controller(p=0.375, i=0.875, d=0.05)
"""Gains 0.075, 0.175 and 0.01 at order 5, in proportion at others.

Reference:
    Valli, Carey, Coutinho, Communications in Numerical Methods in Engineering 18, 2002.
"""

CONTROLLERS = {"i": I, "pi": PI, "pid": PID, "torchdiffeq": TORCHDIFFEQ}
