"""Explicit Runge-Kutta methods with adaptive steps, as solvers."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import NOTHING, InitialValue, Solution, StepHook
from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode import tableaux
from heatbath.solvers.ode.adaptive import RECORDS, BatchIntegration
from heatbath.solvers.ode.adjoint import CheckpointedStep, parameters_of
from heatbath.solvers.ode.compiled import Compiler
from heatbath.solvers.ode.controllers import CONTROLLERS
from heatbath.solvers.ode.options import Adaptive
from heatbath.solvers.ode.samples import RECORDS as SAMPLE_RECORDS
from heatbath.solvers.ode.samples import SampleIntegration
from heatbath.solvers.ode.steps import PlainStep, TakeStep, Tolerance, like_state
from heatbath.solvers.ode.tableaux import Tableau


class ExplicitRungeKutta:
    """An explicit method with an embedded error estimate.

    The trace of accepted steps, in order; `n` of them:

    ===========  ======================================================================================
    `t`, `h`     start and length of each, float64, shape `(n,)`; h is negative where time runs backwards
    `error`      scaled error E of each, in the graph, shape `(n,)`; E <= 1
    `stiffness`  estimate S of |df/du| of each, in the graph, shape `(n,)`; h S above `stability_size` is unstable
    `proposal`   states at the ends before `on_step`, shape `(n, *state)`
    `dense`      the solution between the steps, a callable of times
    `event_time` when the event happened, 0-d and in the graph, or None
    ===========  ======================================================================================

    With one step size a sample, `t`, `h`, `error` and `stiffness` have shape `(attempts, batch)` and are 0 where a
    sample took no step, `proposal` has shape `(attempts, *state)`, and there is no `dense`. Derivative, event and hook
    are given `t` of shape `(batch, 1, .., 1)`. An event gives a tensor whose first axis is the batch; each sample ends
    at its own, `event_time` has shape `(batch,)` and is nan for those that had none, rows after it repeat the state
    there, and `stats` counts `events`. A hook is called after each attempt in which a sample took a step; `info` holds
    `h`, `error` and `accepted`, shape `(batch,)`, and what it replaces counts for samples that are `accepted`.

    Step sizes carry no gradient unless asked for. `stats` holds `evaluations`, `accepted`, `rejected`, `h_min`,
    `h_max`, the time `t` that was reached, and `status`: `reached`, `event`, `not finite`, `step underflow` or `too
    many steps`, with a `message` that names time and value. Unless the end is reached, `value` has the rows up to
    where it went.

    Args:
        tableau: the method.
        options: tolerances, controller, limits, the backward pass.
    """

    def __init__(self, tableau: Tableau, options: Adaptive) -> None:
        self.tableau, self.options = tableau, options
        self.stability_size = tableau.stability_size
        self.records = SAMPLE_RECORDS if options.steps == "sample" else RECORDS
        if options.backward == "checkpointed":
            self.records -= {"dense"}
        self._compiler = Compiler(tableau, Tolerance(options.rtol, options.atol)) if options.compile else None

    def solve(
        self,
        problem: InitialValue,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """States at `problem.times`, shape `(len(times), *initial_state.shape)`.

        `on_step(t, y, info)` is told the length `h` and the scaled `error`; where it replaces the state, the derivative
        is evaluated anew and the controller forgets what was before.

        Raises:
            InvalidInput: for unsorted times, a derivative of another shape or dtype than the state, and what cannot be
                combined.
        """
        check(problem)
        warn_of_round_off(self.options.rtol, self.options.atol, problem.initial_state)
        slope = problem.derivative(problem.times[0], problem.initial_state)
        like_state("the derivative", slope, problem.initial_state)
        controller = CONTROLLERS[self.options.controller]
        if self.options.steps == "sample":
            return SampleIntegration(self.tableau, self.options, controller, problem, slope, record, on_step).run()
        take = self._take_step(problem, slope)
        solution = BatchIntegration(self.tableau, self.options, controller, problem, take, slope, record, on_step).run()
        if self._compiler is not None:
            return _with(solution, compiled=float(self._compiler.failed is None))
        return solution

    def _take_step(self, problem: InitialValue, slope: Tensor) -> TakeStep:
        tolerance = Tolerance(self.options.rtol, self.options.atol)
        if self._compiler is not None:
            return self._compiler(problem.derivative)
        if self.options.backward == "checkpointed" and torch.is_grad_enabled():
            return CheckpointedStep(self.tableau, problem.derivative, tolerance, parameters_of(problem, slope))
        return PlainStep(self.tableau, problem.derivative, tolerance)


def _with(solution: Solution, **stats: float) -> Solution:
    return Solution(solution.value, solution.ok, {**solution.stats, **stats}, solution.trace)


def check(problem: InitialValue) -> None:
    """Raise `InvalidInput` unless times and state can be integrated."""
    times, state = problem.times, problem.initial_state
    if not times:
        raise InvalidInput("`times` is empty; the first is the initial time")
    if not all(math.isfinite(time) for time in times):
        raise InvalidInput(f"`times` must be finite, got {tuple(times)}")
    direction = times[-1] - times[0]
    for index, (before, after) in enumerate(pairwise(times), 1):
        if (after - before) * direction < 0 or (direction == 0 and after != before):
            raise InvalidInput(f"`times` must be sorted, up or down; entry {index} is {after}, the one before {before}")
    if not isinstance(state, Tensor) or not state.is_floating_point():
        kind = state.dtype if isinstance(state, Tensor) else type(state).__name__
        raise InvalidInput(f"`initial_state` must be a tensor of floating point, got {kind}")


def warn_of_round_off(rtol: float, atol: float, state: Tensor) -> None:
    """A tolerance near round-off makes the error estimate noise, and the steps short."""
    eps = torch.finfo(state.dtype).eps
    if rtol < 10 * eps and atol < 10 * eps:
        warnings.warn(
            f"tolerances {rtol:g} and {atol:g} are below ten times the round-off of {state.dtype} "
            f"({eps:.1e}): step sizes will follow noise; use float64, or tolerances from {10 * eps:.0e} on",
            RuntimeWarning,
            stacklevel=3,
        )


def tsit5(options: Adaptive, setup: Any) -> ExplicitRungeKutta:
    """Tsitouras 5(4)."""
    return ExplicitRungeKutta(tableaux.TSIT5, options)


def dopri5(options: Adaptive, setup: Any) -> ExplicitRungeKutta:
    """Dormand-Prince 5(4)."""
    return ExplicitRungeKutta(tableaux.DOPRI5, options)


def bosh3(options: Adaptive, setup: Any) -> ExplicitRungeKutta:
    """Bogacki-Shampine 3(2)."""
    return ExplicitRungeKutta(tableaux.BOSH3, options)


def heun_euler(options: Adaptive, setup: Any) -> ExplicitRungeKutta:
    """Heun-Euler 2(1)."""
    return ExplicitRungeKutta(tableaux.HEUN_EULER, options)


def dopri8(options: Adaptive, setup: Any) -> ExplicitRungeKutta:
    """Prince-Dormand 8(7)."""
    return ExplicitRungeKutta(tableaux.DOPRI8, options)
