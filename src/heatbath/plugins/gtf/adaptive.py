"""The forcing strength that keeps gradients bounded, estimated from the model's Jacobians as it learns.

With k a norm of the T-th root of a product of T Jacobians, alpha = 1 - 1 / k makes the product of the forced ones
neither grow nor vanish. Five estimators of k are in `ESTIMATORS` by name; each gives the largest over sequences, 0-d.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import Clock
from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.norms import spectral_norms
from heatbath.plugins.gtf.observation import jacobian


@dataclass(frozen=True, slots=True)
class Jacobians:
    """What an adaptive schedule is told as `feedback:jacobians`: of which model, and where; computed when asked for.

    Args:
        dynamics: z -> F(z), with `jacobian`, `mean_jacobian` and `norm_bound` where it has them.
        states: forcing signals, that is states inferred from data, shape `(sequences, time, M)`.
    """

    dynamics: Any
    states: Tensor

    def each(self) -> Tensor:
        """Of every sequence and time, shape `(sequences, time, M, M)`."""
        return jacobian(self.dynamics, self.states)

    def mean(self) -> Tensor:
        """Averaged along each sequence, shape `(sequences, M, M)`; from averaged slopes where the model has them."""
        if hasattr(self.dynamics, "mean_jacobian"):
            averaged: Tensor = self.dynamics.mean_jacobian(self.states)
            return averaged
        return self.each().mean(1)

    def bound(self) -> Tensor:
        """On the norm of every Jacobian, data or no data, 0-d."""
        if not hasattr(self.dynamics, "norm_bound"):
            raise ConfigError(
                f"the estimator `jacobian-upper-bound` needs a model with a `norm_bound`, which "
                f"{type(self.dynamics).__name__} has not; `product-upper-bound` works for any"
            )
        found: Tensor = self.dynamics.norm_bound()
        return found


def arithmetic_mean(jacobians: Jacobians) -> Tensor:
    """|(1/T) sum_t J_t|."""
    return spectral_norms(jacobians.mean()).max()


def product_upper_bound(jacobians: Jacobians) -> Tensor:
    """exp((1/T) sum_t log |J_t|), which bounds the T-th root of the product's norm from above."""
    return spectral_norms(jacobians.each()).log().mean(-1).exp().max()


def explog_approx(jacobians: Jacobians) -> Tensor:
    """|exp((1/T) sum_t log J_t)|, by matrix logarithms and exponentials, as if the Jacobians commuted.

    A logarithm comes from the eigendecomposition, so a Jacobian that has none gives what rounding makes of it; one that
    is singular makes the mean unbounded and the estimate 0.
    """
    each = jacobians.each()
    if not bool(each.isfinite().all()):
        return each.new_tensor(math.nan)
    values, vectors = torch.linalg.eig(each.to(torch.float64))
    logarithms = vectors * values.log().unsqueeze(-2) @ torch.linalg.pinv(vectors)
    mean = logarithms.mean(1)
    usable = mean.isfinite().all(-1).all(-1)
    norms = torch.linalg.matrix_norm(torch.linalg.matrix_exp(torch.where(usable[:, None, None], mean, 0.0)), 2)
    return torch.where(usable, norms, 0.0).max().to(each.dtype)


def batch_maximum(jacobians: Jacobians) -> Tensor:
    """max_t |J_t|."""
    return spectral_norms(jacobians.each()).max()


def jacobian_upper_bound(jacobians: Jacobians) -> Tensor:
    """A bound on |J| anywhere, from the weights alone."""
    return jacobians.bound()


ESTIMATORS: Mapping[str, Callable[[Jacobians], Tensor]] = {
    "arithmetic-mean": arithmetic_mean,
    "product-upper-bound": product_upper_bound,
    "explog-approx": explog_approx,
    "batch-maximum": batch_maximum,
    "jacobian-upper-bound": jacobian_upper_bound,
}


class Adaptive:
    """alpha jumps up to max(0, 1 - 1 / k) at once, and decays towards it: alpha <- g alpha + (1 - g) estimate.

    Args:
        options: the estimator, where alpha starts, the decay g, and how many optimiser steps pass between estimates.
        setup: unused.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, algorithm 1.

    >>> schedule = Adaptive(opt.Adaptive(estimator="jacobian-upper-bound", start=0.0), None)
    >>> class Doubling:
    ...     def norm_bound(self):
    ...         return torch.tensor(2.0)
    >>> schedule.observe({"jacobians": Jacobians(Doubling(), torch.zeros(1, 1, 1))})
    >>> schedule.value(Clock(5, 100))
    0.5
    """

    needs = frozenset({"feedback:jacobians"})

    def __init__(self, options: opt.Adaptive, setup: Any) -> None:
        self.every, self.decay = options.every, options.decay
        self.estimate, self.alpha = ESTIMATORS[options.estimator], options.start

    def value(self, clock: Clock) -> float:
        return self.alpha

    def sample(self, clock: Clock, count: int, generator: Generator) -> Tensor:
        return torch.full((count,), self.alpha, device=generator.device)

    @torch.no_grad()
    def observe(self, feedback: Mapping[str, Any]) -> None:
        """Estimate anew, which reads one number on the host. A norm that is not finite changes nothing: the run is
        about to stop, for a loss that is not finite either."""
        norm = float(self.estimate(feedback["jacobians"]))
        if not math.isfinite(norm):
            return
        estimate = max(0.0, 1 - 1 / norm) if norm > 0 else 0.0
        jumps = estimate > self.alpha
        self.alpha = estimate if jumps else self.decay * self.alpha + (1 - self.decay) * estimate

    def state_dict(self) -> dict[str, Any]:
        return {"alpha": self.alpha}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.alpha = state["alpha"]
