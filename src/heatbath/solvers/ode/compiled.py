"""One step compiled with torch.compile, and the plain step where that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from heatbath.solvers.ode.steps import PlainStep, Step, Tolerance, VectorField, Wanted, take_step
from heatbath.solvers.ode.tableaux import Tableau

logger = logging.getLogger("heatbath")


class Compiler:
    """Compiles the step of one method; what was compiled is kept for as long as this is.

    Times and lengths go in as tensors of no dimensions, so that no new ones are compiled for. The derivative gets its
    `t` so. It is compiled for each derivative, shape and dtype: pass the same module or function each time.

    Attributes:
        failed: why compilation was given up, or None.
    """

    def __init__(self, tableau: Tableau, tolerance: Tolerance) -> None:
        self.tableau, self.tolerance = tableau, tolerance
        self.failed: str | None = None
        self._compiled: Callable[..., Step] | None = None

    def __call__(self, f: VectorField) -> CompiledStep:
        return CompiledStep(self, f)

    def take(self, f: VectorField, t: Tensor, h: Tensor, u: Tensor, k1: Tensor, wanted: Wanted) -> Step:
        """The compiled step. Raises whatever the compiler raises."""
        if self._compiled is None:
            tableau, tolerance = self.tableau, self.tolerance

            def step(f: VectorField, t: Tensor, h: Tensor, u: Tensor, k1: Tensor, wanted: Wanted) -> Step:
                return take_step(tableau, f, tolerance, t, h, u, k1, wanted)

            self._compiled = torch.compile(step, dynamic=False)
        return self._compiled(f, t, h, u, k1, wanted)


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
