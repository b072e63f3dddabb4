"""One step compiled with torch.compile, and the plain step where that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from heatbath.solvers.ode.steps import PlainStep, Step, Tolerance, VectorField, Wanted, take_step
from heatbath.solvers.ode.tableaux import Tableau

logger = logging.getLogger("heatbath")


MOST_KEPT = 64
"""Compiled steps that are kept; a solver that is given a new function each time compiles without end."""


class Compiler:
    """Compiles the step of one method, for each derivative, shape, dtype and mode of autograd; what was is kept.

    Times and lengths go in as tensors of no dimensions, so that no new ones are compiled for. The derivative gets its
    `t` so. Pass the same module or function each time.

    Attributes:
        failed: why compilation was given up, or None.
    """

    def __init__(self, tableau: Tableau, tolerance: Tolerance) -> None:
        self.tableau, self.tolerance = tableau, tolerance
        self.failed: str | None = None
        self._compiled: dict[Any, Callable[..., Step]] = {}

    def __call__(self, f: VectorField) -> CompiledStep:
        return CompiledStep(self, f)

    def take(self, f: VectorField, t: Tensor, h: Tensor, u: Tensor, k1: Tensor, wanted: Wanted) -> Step:
        """The compiled step. Raises whatever the compiler raises."""
        modes = torch.is_grad_enabled(), u.requires_grad, k1.requires_grad
        key = (id(f), wanted, modes, u.shape, u.dtype, u.device)
        if key not in self._compiled:
            if len(self._compiled) >= MOST_KEPT:
                self._compiled.clear()
            self._compiled[key] = torch.compile(self._step(), dynamic=False, fullgraph=True)
        return self._compiled[key](f, t, h, u, k1, wanted)

    def _step(self) -> Callable[..., Step]:
        """A function whose code is its own: torch counts compilations by code, and gives up after a few of one."""
        tableau, tolerance = self.tableau, self.tolerance

        def step(f: VectorField, t: Tensor, h: Tensor, u: Tensor, k1: Tensor, wanted: Wanted) -> Step:
            return take_step(tableau, f, tolerance, t, h, u, k1, wanted)

        return FunctionType(step.__code__.replace(), step.__globals__, step.__name__, None, step.__closure__)


class CompiledStep:
    """A step by the compiler's function; once that fails, by the plain one, for good."""

    def __init__(self, compiler: Compiler, f: VectorField) -> None:
        self._compiler, self._f = compiler, f
        self._plain = PlainStep(compiler.tableau, f, compiler.tolerance)

    def __call__(self, t: Any, h: Any, u: Tensor, k1: Tensor, wanted: Wanted, fractions: Sequence[float] = ()) -> Step:
        if self._compiler.failed is None:
            size = torch.full((), h, dtype=torch.float64)
            time = torch.full((), t, dtype=torch.float64)
            try:
                return self._compiler.take(self._f, time, size, u, k1, wanted)
            except Exception as failure:
                # Any backend may be missing or broken, each with errors of its own; one of f comes again below.
                self._compiler.failed = f"{type(failure).__name__}: {failure}"
                logger.info("the step is not compiled: %s", self._compiler.failed)
        return self._plain(t, h, u, k1, wanted)
