"""Options of the ODE solvers."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints


def check_words(options: Any) -> None:
    """Raise `ValueError` where a field that is one of several words holds another: the host looks, a plain call not."""
    for name, kind in get_type_hints(type(options)).items():
        if get_origin(kind) is Literal and (got := getattr(options, name)) not in get_args(kind):
            near = difflib.get_close_matches(str(got), get_args(kind), 1)
            raise ValueError(
                f"`{name}` must be one of {', '.join(get_args(kind))}, got {got!r}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )


def check_limits(first_step: float, max_step: float, max_steps: int) -> None:
    """Raise `ValueError` where no step could be taken."""
    if not max_step > 0 or not first_step >= 0:
        raise ValueError(f"`max_step` must be positive and `first_step` at least 0, got {max_step} and {first_step}")
    if not max_steps >= 1:
        raise ValueError(f"`max_steps` must be at least 1, got {max_steps}")


@dataclass(frozen=True)
class RK4:
    """Fixed steps."""

    step: float = 0.01
    """longest step; each interval between output times is cut into equal steps no longer than this"""
    check: bool = True
    """look at the end whether every state is finite, for which the host waits once"""

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise ValueError(f"`step` must be positive, got {self.step}")


def check_tolerances(rtol: float, atol: float) -> None:
    """Raise `ValueError` unless both are numbers of at least 0, and not both 0."""
    if not (math.isfinite(rtol) and math.isfinite(atol) and min(rtol, atol) >= 0 and max(rtol, atol) > 0):
        raise ValueError(f"`rtol` and `atol` must be at least 0 and not both 0, got {rtol} and {atol}")


@dataclass(frozen=True)
class Adaptive:
    """Steps as long as the tolerance allows."""

    rtol: float = 1e-6
    """relative tolerance; the error of a step counts in units of atol + rtol max(|y_n|, |y_{n+1}|)"""
    atol: float = 1e-6
    """absolute tolerance"""
    controller: Literal["i", "pi", "pid", "torchdiffeq"] = "i"
    """what sets the step size; `pi` is calmer and takes some 28 % more steps, `torchdiffeq` takes those of its name"""
    steps: Literal["batch", "sample"] = "batch"
    """one step size for the whole batch, or one for each sample (of the first axis)"""
    first_step: float = 0.0
    """length of the first step; 0 finds one"""
    max_step: float = math.inf
    """longest step"""
    max_steps: int = 100_000
    """attempted steps after which the solver gives up"""
    land: bool = False
    """step onto every output time, instead of reading those in between off the dense output"""
    backward: Literal["autograd", "checkpointed"] = "autograd"
    """`checkpointed` keeps two states a step, computes its stages again, and pulls back through them by hand"""
    differentiate_step_size: bool = False
    """let gradients flow through the step sizes; it weakens what an error penalty does"""
    compile: bool = False
    """compile one step with torch.compile; where that fails, the plain step is taken"""

    def __post_init__(self) -> None:
        check_words(self)
        check_tolerances(self.rtol, self.atol)
        check_limits(self.first_step, self.max_step, self.max_steps)
        self._check_combination()

    def _check_combination(self) -> None:
        chosen = {
            "steps=sample": self.steps == "sample",
            "backward=checkpointed": self.backward == "checkpointed",
            "differentiate_step_size": self.differentiate_step_size,
            "compile": self.compile,
        }
        both = [name for name, on in chosen.items() if on]
        if len(both) > 1:
            raise ValueError(f"{' and '.join(both)} do not go together; choose one of them")
        if self.land and self.steps == "sample":
            raise ValueError("`land` needs one step size for the whole batch, got steps=sample")


@dataclass(frozen=True)
class TorchDiffEq:
    """A method of torchdiffeq."""

    rtol: float = 1e-6
    """relative tolerance"""
    atol: float = 1e-6
    """absolute tolerance"""
    max_steps: int = 100_000
    """attempted steps between two output times after which it gives up"""
    backward: Literal["autograd", "adjoint"] = "autograd"
    """gradients through the stages, or by torchdiffeq's continuous adjoint, which records nothing of the steps"""

    def __post_init__(self) -> None:
        check_words(self)
        check_tolerances(self.rtol, self.atol)
        check_limits(0.0, math.inf, self.max_steps)
