"""Penalties on what a solver recorded of its accepted steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import StepContext, Term
from heatbath.plugins.neural_ode import options as opt


class ErrorPenalty:
    """agg_j E_j^power |h_j| over accepted steps j.

    Symbols: E_j scaled error of a step, at most 1; h_j its length, a constant of the graph.

    Published settings: the mean over steps (the authors' repository), or the sum (the text), both of E_j |h_j|; and the
    sum of E_j^2. The weight depends on the step-size controller, since that holds E at a level of its own.

    With one step size a sample it is the mean over samples.

    Args:
        options: aggregate, power, whether lengths count.
        setup: unused.

    Reference:
        Pal, Ma, Shah, Rackauckas, ICML 2021, equations 9 and 10.
    """

    reduced = True

    def __init__(self, options: opt.ErrorPenalty, setup: Any) -> None:
        self.options = options
        self.needs = frozenset({"solution:error", "solution:h"})
        if options.unscaled:
            self.needs |= {"fact:tolerance"}

    def __call__(self, context: StepContext) -> Term:
        error, length = _steps(context, "error")
        value = error**self.options.power
        if self.options.unscaled:
            value = value * context["fact:tolerance"]
        if self.options.by_length:
            value = value * length
        penalty = _aggregated(value, length, self.options.aggregate)
        return Term(penalty, {"error": _aggregated(error.detach(), length, "mean"), **_count(length)})


class StiffnessPenalty:
    """agg_j S_j |h_j|^(0 or 1) over accepted steps j, in units of the solver's stability size or not.

    Symbols: S_j = ||k_s - k_{s-1}|| / ||g_s - g_{s-1}||, an estimate of |df/du|; h_j the step's length.

    Published settings: max_j S_j / 3.5068 (the authors' repository), or sum_j S_j |h_j| (the text).

    Args:
        options: aggregate, whether lengths count, the unit.
        setup: unused.

    Reference:
        Pal, Ma, Shah, Rackauckas, ICML 2021, equation 11; Shampine 1978.
    """

    reduced = True

    def __init__(self, options: opt.StiffnessPenalty, setup: Any) -> None:
        self.options = options
        self.needs = frozenset({"solution:stiffness", "solution:h"})
        if options.per_stability:
            self.needs |= {"fact:stability_size"}

    def __call__(self, context: StepContext) -> Term:
        stiffness, length = _steps(context, "stiffness")
        value = stiffness * length if self.options.by_length else stiffness
        penalty = _aggregated(value, length, self.options.aggregate)
        if self.options.per_stability:
            penalty = penalty / context["fact:stability_size"]
        return Term(penalty, {"stiffness": _aggregated(stiffness.detach(), length, "max"), **_count(length)})


def _steps(context: StepContext, name: str) -> tuple[Tensor, Tensor]:
    """What was recorded of each step and the steps' lengths, `(steps,)` or `(attempts, batch)`."""
    recorded = _stacked(context[f"solution:{name}"])
    lengths = _stacked(context["solution:h"]).to(recorded).detach().abs()
    return recorded, lengths


def _stacked(items: Tensor | Sequence[Any]) -> Tensor:
    """A solver may hand over a tensor, or a list of numbers or of tensors of no dimensions."""
    if isinstance(items, Tensor):
        return items
    if items and isinstance(items[0], Tensor):
        return torch.stack(list(items))
    return torch.tensor(list(items), dtype=torch.float64)


def _aggregated(value: Tensor, length: Tensor, aggregate: opt.Aggregate) -> Tensor:
    """Over the steps, those of length 0 left out; then the mean over samples. 0 where there is no step."""
    if not len(value):
        return value.sum()
    taken = length > 0
    if aggregate == "max":
        return torch.where(taken, value, 0.0).amax(0).mean()
    total = torch.where(taken, value, 0.0).sum(0)
    return (total if aggregate == "sum" else total / taken.sum(0).clamp_min(1)).mean()


def _count(length: Tensor) -> dict[str, Tensor]:
    return {"steps": (length > 0).to(length.dtype).sum(0).mean()}
