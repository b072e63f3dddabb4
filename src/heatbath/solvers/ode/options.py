"""Options of the ODE solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RK4:
    """Fixed steps."""

    step: float = 0.01
    """longest step; each interval between output times is cut into equal steps no longer than this"""

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
        check_tolerances(self.rtol, self.atol)
        if not self.max_step > 0 or self.first_step < 0:
            raise ValueError(
                f"`max_step` must be positive and `first_step` at least 0, got {self.max_step} and {self.first_step}"
            )
        if self.max_steps < 1:
            raise ValueError(f"`max_steps` must be at least 1, got {self.max_steps}")
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
        check_tolerances(self.rtol, self.atol)
        if self.max_steps < 1:
            raise ValueError(f"`max_steps` must be at least 1, got {self.max_steps}")
