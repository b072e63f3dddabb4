"""A conserved quantity kept while a solver steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import Diagonal, LinearConstraint, condition
from heatbath.solvers.gaussian.shapes import tensor


@dataclass(frozen=True, slots=True)
class MassCorrection:
    """y <- the mean of N(y, diag(variance)), given w . y = mass(t): an `on_step` for any solver of `ode`.

    After each accepted step the state has the right total to round-off, where a scheme that does not conserve drifts.
    No synchronisation while it steps: `weights` and a `variance` that is a tensor are checked when it is made. What a
    function gives is checked at each step where that costs no wait, on the CPU; on an accelerator it is trusted, and a
    negative or NaN variance there gives a wrong state.

    Args:
        weights: w, quadrature weights, shape `(n,)`.
        mass: the total at a time, a number or of the state's batch shape.
        variance: where the scheme is to be trusted less, at least 0, of the state's shape, or a function of the state;
            None trusts it alike everywhere, and so is done for a state whose variance is 0 wherever w is not: the total
            is kept first of all.

    Raises:
        InvalidInput: for weights that are all 0 or not finite, and variances that are negative or not finite, or no
            tensor.

    >>> weights = torch.full((4,), 0.25, dtype=torch.float64)
    >>> correction = MassCorrection(weights, lambda t: 1.0)
    >>> correction(0.5, torch.zeros(4, dtype=torch.float64), {}).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    weights: Tensor
    mass: Callable[[float], Tensor | float]
    variance: Tensor | Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not bool(self.weights.isfinite().all()) or not bool(self.weights.any()):
            raise InvalidInput("`weights` must be finite and not all 0: such a total cannot be changed")
        if isinstance(self.variance, Tensor):
            _check(self.variance)

    def __call__(self, t: float, y: Tensor, info: Mapping[str, Any]) -> Tensor:
        trust = self._trust(y)
        if trust is None:
            law = Diagonal(torch.ones_like(y))
        else:
            moves = ((trust * self.weights.square()).sum(-1, keepdim=True) > 0).to(trust.dtype)
            law = Diagonal(trust + (1 - moves))
        known = LinearConstraint.weighted(self.weights, self.mass(t))
        return condition(y, law, known, check=False).mean.to(y.dtype)

    def _trust(self, y: Tensor) -> Tensor | None:
        if not callable(self.variance):
            return self.variance
        trust = self.variance(y)
        tensor("what the function `variance` gives", trust, "(..., n)", 1)
        if trust.device.type == "cpu":
            _check(trust)
        return trust


def _check(variance: Tensor) -> None:
    if not bool(((variance >= 0) & variance.isfinite()).all()):
        raise InvalidInput(
            f"`variance` must be finite and at least 0, got values from {float(variance.min()):g} to "
            f"{float(variance.max()):g}"
        )
