"""Stochastic Runge-Kutta methods as solvers: adaptive ones, and two with fixed steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import NOTHING, Solution, StepHook, StochasticInitialValue
from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode import status
from heatbath.solvers.ode.controllers import PI, Controller, I
from heatbath.solvers.ode.explicit import warn_of_round_off
from heatbath.solvers.ode.steps import Tolerance, like_state
from heatbath.solvers.sde import options as opt
from heatbath.solvers.sde import tableaux
from heatbath.solvers.sde.noise import BrownianPath, Piece
from heatbath.solvers.sde.steps import Field, StochasticStep, first_step, take_step

ORDER = 1.5
GIVE_UP_AFTER = 10
"""Attempts in a row, each a fifth of the last, whose error is not finite."""


class StochasticRungeKutta:
    """A method of strong order 1.5 with an embedded error estimate.

    It steps onto every output time. The trace of `n` accepted steps: `t` and `h`, their starts and lengths, float64;
    `error`, the scaled error E, and `stiffness` (of sosri2), in the graph; `proposal`, the states before `on_step`.
    Step sizes and noise are constants of the graph. `stats` counts evaluations of the drift, which are those of the
    diffusion too, and ends in a `status` as the ODE solvers do. The host waits once an attempted step.

    Noise is drawn from the generator that is passed, which lives on the state's device; the same seed is the same path.

    Args:
        tableau: the method.
        options: tolerances and limits.
    """

    def __init__(self, tableau: tableaux.StochasticTableau, options: opt.Adaptive) -> None:
        self.tableau, self.options = tableau, options
        self.records = frozenset({"t", "h", "error", "proposal"})
        self.withheld: Mapping[str, str] = {}
        if tableau.stiff_pair is None:
            self.withheld = {"stiffness": f"{tableau.name} has no two stages at one time to compare; sosri2 has"}
        else:
            self.records |= {"stiffness"}
        self.stability_size = tableau.stability_size

    def solve(
        self,
        problem: StochasticInitialValue,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """States at `problem.times`, shape `(len(times), *initial_state.shape)`.

        Raises:
            InvalidInput: for times that do not increase, a drift or diffusion of another shape than the state, noise
                that is not additive where the method needs it, and without a generator.
        """
        check(problem)
        warn_of_round_off(self.options.rtol, self.options.atol, problem.initial_state)
        if self.tableau.additive:
            _check_additive(problem, self.tableau.name)
        generator = given(generator)
        return _Integration(self, problem, record, on_step, generator).run()


class _Integration:
    def __init__(
        self,
        solver: StochasticRungeKutta,
        problem: StochasticInitialValue,
        record: frozenset[str],
        on_step: StepHook | None,
        generator: Generator,
    ) -> None:
        self.tableau, self.options, self.problem = solver.tableau, solver.options, problem
        self.record, self.on_step = record, on_step
        self.tolerance = Tolerance(self.options.rtol, self.options.atol)
        base = PI if self.options.controller == "pi" else I
        self.controller: Controller = replace(base, most=self.options.most_growth)
        self.memory = (base.memory, base.memory)
        self.path = BrownianPath(problem.initial_state, generator)
        self.t, self.u, self.h = problem.times[0], problem.initial_state, 0.0
        self.values = [self.u]
        self.accepted, self.rejected, self.not_finite, self.evaluations = 0, 0, 0, 0
        self.trace: dict[str, list[Any]] = {name: [] for name in record}
        self.status, self.message = status.REACHED, ""

    def run(self) -> Solution:
        times = self.problem.times
        if times[-1] > times[0]:
            self._begin(times[-1] - times[0])
        for target in times[1:]:
            while self.t < target and self.status == status.REACHED:
                self._attempt(target)
            if self.status != status.REACHED:
                break
            self.values.append(self.u)
        return self._solution()

    def _begin(self, span: float) -> None:
        p, options = self.problem, self.options
        if options.first_step:
            self.h = min(options.first_step, span)
        else:
            self.h = first_step(p.drift, p.diffusion, self.t, self.u, self.tolerance, span, ORDER)
            self.evaluations += 2
        self.h = min(self.h, options.max_step) if math.isfinite(self.h) else self.h
        if not math.isfinite(self.h):
            self._stop(status.NOT_FINITE, "the state, its drift or diffusion is not finite")

    def _attempt(self, target: float) -> None:
        if self.accepted + self.rejected >= self.options.max_steps:
            self._stop(status.TOO_MANY_STEPS, f"{self.options.max_steps} steps were attempted")
            return
        landing = self.h * (1 + 1e-9) >= target - self.t
        h = target - self.t if landing else self.h
        if self.t + h == self.t:
            why = status.NOT_FINITE if self.not_finite else status.UNDERFLOW
            self._stop(why, f"the step has shrunk to {h:g}, too short to move")
            return
        p = self.problem
        step = take_step(
            self.tableau, p.drift, p.diffusion, self.tolerance, self.t, self.u, self.path.look(h),
            "error" in self.record, "stiffness" in self.record,
        )  # fmt: skip
        self.evaluations += self.tableau.stages
        error = step.error.item()
        if error <= 1.0:
            self._accept(step, h, target if landing else self.t + h, error)
        else:
            finite = math.isfinite(error)
            self._reject(h, self.controller.after_rejection(ORDER, error) if finite else self.controller.least, finite)

    def _accept(self, step: StochasticStep, h: float, t_new: float, error: float) -> None:
        self.accepted, self.not_finite = self.accepted + 1, 0
        noted = {"t": self.t, "h": h, "error": step.error, "stiffness": step.stiffness, "proposal": step.state}
        for name, kept in self.trace.items():
            kept.append(noted[name])
        factor = self.controller.after_acceptance(ORDER, (error, *self.memory))
        self.memory = (max(error, self.controller.memory), self.memory[0])
        self.h = min(max(h * factor, self.h) if h < self.h else h * factor, self.options.max_step)
        self.path.go(h)
        self.t, self.u = t_new, step.state
        if self.on_step is not None:
            replaced = self.on_step(self.t, self.u, {"h": h, "error": error})
            self.u = self.u if replaced is None else like_state("a state from `on_step`", replaced, self.u)

    def _reject(self, h: float, factor: float, finite: bool) -> None:
        self.rejected += 1
        self.not_finite = 0 if finite else self.not_finite + 1
        self.h = h * factor
        if self.not_finite >= GIVE_UP_AFTER:
            self._stop(status.NOT_FINITE, f"the drift or diffusion is not finite, however short the step ({h:g})")

    def _stop(self, why: str, message: str) -> None:
        self.status, self.message = why, f"{message}; at t = {self.t:g} {status.largest(self.u)}"

    def _solution(self) -> Solution:
        stats: dict[str, float | str] = {
            "evaluations": self.evaluations,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "t": self.t,
            "status": self.status,
        }
        if self.message:
            stats["message"] = self.message
        trace = {name: _column(name, kept, self.u) for name, kept in self.trace.items()}
        return Solution(torch.stack(self.values), self.status == status.REACHED, stats, trace)


class _FixedSteps:
    """Equal steps between output times. The trace holds `t`, `h` and `proposal`.

    The host waits for nothing while it steps, and once at the end, to see whether every state is finite, unless
    `check=False`. Where one is not, `value` still has all rows.
    """

    records = frozenset({"t", "h", "proposal"})
    withheld: ClassVar[Mapping[str, str]] = dict.fromkeys(("error", "stiffness"), "fixed steps have no error estimate")
    evaluations_per_step = 1

    def __init__(self, options: opt.Fixed, setup: Any) -> None:
        self.step, self.check = options.step, options.check

    def advance(self, f: Field, g: Field, t: float, u: Tensor, noise: Piece) -> Tensor:
        """The state after a step over `noise`."""
        raise NotImplementedError

    def solve(
        self,
        problem: StochasticInitialValue,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """States at `problem.times`, shape `(len(times), *initial_state.shape)`. Raises as the adaptive solvers do."""
        check(problem)
        path, u = BrownianPath(problem.initial_state, given(generator)), problem.initial_state
        values, trace, steps = [u], {name: list[Any]() for name in record}, 0
        for begin, end in pairwise(problem.times):
            count = max(1, math.ceil((end - begin) / self.step - 1e-9)) if end > begin else 0
            for i in range(count):
                t, h = begin + i * (end - begin) / count, (end - begin) / count
                u = self.advance(problem.drift, problem.diffusion, t, u, path.look(h))
                path.go(h)
                steps += 1
                noted = {"t": t, "h": h, "proposal": u}
                for name, kept in trace.items():
                    kept.append(noted[name])
                t_new = end if i == count - 1 else begin + (i + 1) * (end - begin) / count
                if on_step is not None and (replaced := on_step(t_new, u, {"h": h})) is not None:
                    u = like_state("a state from `on_step`", replaced, u)
            values.append(u)
        stats: dict[str, float | str] = {"evaluations": steps, "accepted": steps, "status": status.REACHED}
        value = torch.stack(values)
        stats |= status.of_fixed_steps(value, problem.times) if self.check else {}
        columns = {name: _column(name, kept, u) for name, kept in trace.items()}
        return Solution(value, stats["status"] == status.REACHED, stats, columns)


class EulerMaruyama(_FixedSteps):
    """u + h f + dW g: strong order 1/2, weak order 1.

    Reference:
        Maruyama, Rendiconti del Circolo Matematico di Palermo 4, 1955.
    """

    def advance(self, f: Field, g: Field, t: float, u: Tensor, noise: Piece) -> Tensor:
        return u + noise.length * f(t, u) + noise.end * g(t, u)


class Milstein(_FixedSteps):
    """u + h f + dW g + (dW^2 - h) / (2 sqrt h) (g(v) - g), v = u + h f + sqrt(h) g: strong order 1.

    It needs no derivative of g, but two evaluations of it a step.

    Reference:
        Kloeden and Platen, Numerical Solution of Stochastic Differential Equations, 1992, section 11.1.
    """

    def advance(self, f: Field, g: Field, t: float, u: Tensor, noise: Piece) -> Tensor:
        h, dw = noise.length, noise.end
        root, slope, size = math.sqrt(h), f(t, u), g(t, u)
        beside = g(t, u + h * slope + root * size)
        return u + h * slope + dw * size + (dw.square() - h) / (2 * root) * (beside - size)


def given(generator: Generator | None) -> Generator:
    """Raise `InvalidInput` where there is no generator: nothing is drawn from a global one."""
    if generator is None:
        raise InvalidInput("a stochastic solver needs a `generator`, on the state's device, to draw its noise from")
    return generator


def check(problem: StochasticInitialValue) -> None:
    """Raise `InvalidInput` unless times, state, drift and diffusion fit together."""
    times, state = problem.times, problem.initial_state
    if not times or not all(math.isfinite(time) for time in times):
        raise InvalidInput(f"`times` must be finite and not empty, got {tuple(times)}")
    for index, (before, after) in enumerate(pairwise(times), 1):
        if after < before:
            raise InvalidInput(f"`times` must increase; entry {index} is {after}, the one before {before}")
    if not isinstance(state, Tensor) or not state.is_floating_point():
        kind = state.dtype if isinstance(state, Tensor) else type(state).__name__
        raise InvalidInput(f"`initial_state` must be a tensor of floating point, got {kind}")
    for name, field in (("drift", problem.drift), ("diffusion", problem.diffusion)):
        with torch.no_grad():
            value = field(times[0], state)
        like_state(f"the {name}", value, state, "" if name == "drift" else "; noise is diagonal")


@torch.no_grad()
def _check_additive(problem: StochasticInitialValue, name: str) -> None:
    """Compare the diffusion at two states: where it depends on the state, the law would be wrong in silence."""
    t, u = problem.times[0], problem.initial_state
    if not torch.equal(problem.diffusion(t, u), problem.diffusion(t, u + 0.5)):
        raise InvalidInput(
            f"{name} is for additive noise, and the diffusion at t = {t:g} depends on the state: choose sosri or sosri2"
        )


def _column(name: str, items: list[Any], u: Tensor) -> Tensor:
    if name in ("t", "h"):
        return torch.tensor(items, dtype=torch.float64, device=u.device)
    return torch.stack(items) if items else u.new_zeros((0, *(u.shape if name == "proposal" else ())))


def sosri(options: opt.Adaptive, setup: Any) -> StochasticRungeKutta:
    """Stability-optimised, for diagonal noise."""
    return StochasticRungeKutta(tableaux.SOSRI, options)


def sosri2(options: opt.Adaptive, setup: Any) -> StochasticRungeKutta:
    """Stability-optimised, for diagonal noise, with a stiffness estimate."""
    return StochasticRungeKutta(tableaux.SOSRI2, options)


def sra1(options: opt.Adaptive, setup: Any) -> StochasticRungeKutta:
    """For additive noise."""
    return StochasticRungeKutta(tableaux.SRA1, options)
