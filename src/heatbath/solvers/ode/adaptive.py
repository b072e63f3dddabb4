"""Adaptive integration with one step size for the whole batch; the host waits once an attempted step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue, Solution, StepHook
from heatbath.solvers.ode import events, status
from heatbath.solvers.ode.controllers import TINY, Controller
from heatbath.solvers.ode.dense import DenseOutput
from heatbath.solvers.ode.options import Adaptive
from heatbath.solvers.ode.steps import (
    Step,
    TakeStep,
    Tolerance,
    Wanted,
    first_step,
    inside,
    like_state,
    take_step,
)
from heatbath.solvers.ode.tableaux import Tableau

RECORDS = frozenset({"t", "h", "error", "stiffness", "proposal", "dense", "event_time"})
GIVE_UP_AFTER = 10
"""Attempts in a row, each a fifth of the last, whose error is not finite."""


@dataclass
class Trace:
    """What was recorded of the accepted steps: their starts, lengths, errors, stiffness, states before `on_step`."""

    t: list[Any] = field(default_factory=list)
    h: list[Any] = field(default_factory=list)
    error: list[Tensor] = field(default_factory=list)
    stiffness: list[Tensor] = field(default_factory=list)
    proposal: list[Tensor] = field(default_factory=list)


class BatchIntegration:
    """One integration; `run` it once.

    Args:
        tableau: the method.
        options: tolerances and limits.
        controller: of the step size.
        problem: what is integrated.
        take_step: how a step is taken.
        slope: f at the initial state.
        record: names from RECORDS.
        on_step: the hook.
    """

    def __init__(
        self,
        tableau: Tableau,
        options: Adaptive,
        controller: Controller,
        problem: InitialValue,
        take_step: TakeStep,
        slope: Tensor,
        record: frozenset[str],
        on_step: StepHook | None,
    ) -> None:
        self.tableau, self.options, self.controller, self.problem = tableau, options, controller, problem
        self.take_step, self.record, self.on_step = take_step, record, on_step
        self.tolerance = Tolerance(options.rtol, options.atol)
        self.times = problem.times
        self.t, self.u, self.k1 = self.times[0], problem.initial_state, slope
        self.span = self.times[-1] - self.times[0]
        self.evaluations, self.accepted, self.rejected, self.not_finite = 1, 0, 0, 0
        self.trace, self.dense = Trace(), DenseOutput(tableau)
        self.values: list[Tensor] = []
        self.status, self.message = status.REACHED, ""
        self.memory = (controller.memory, controller.memory)
        self.memory_graph: tuple[Any, Any] = self.memory
        self.attached = options.differentiate_step_size and torch.is_grad_enabled()
        self.signs: list[float] = []
        self.event_time: Tensor | float | None = None
        self.h = 0.0
        self.h_graph: Any = None
        self.t_graph: Any = self.t
        self.sizes = (math.inf, 0.0)

    @property
    def due(self) -> int:
        """The output time that comes next, counted from 0."""
        return len(self.values)

    def run(self) -> Solution:
        """Integrate to the last time, an event, or what stops it."""
        self._emit()
        if self.due < len(self.times) and self._begin():
            while self.due < len(self.times) and self.status == status.REACHED:
                self._advance()
        return self._solution()

    # The loop

    def _begin(self) -> bool:
        options = self.options
        if options.first_step:
            self.h = math.copysign(min(options.first_step, abs(self.span)), self.span)
        else:
            self.h = first_step(
                self.tableau, self.problem.derivative, self.t, self.u, self.k1, self.tolerance, self.span
            )
            self.evaluations += 1
        if not math.isfinite(self.h):
            self._stop(status.NOT_FINITE, f"{self._what_is_not_finite()} at t = {self.t:g}")
            return False
        self.h = math.copysign(min(abs(self.h), options.max_step), self.span)
        self._look_for_event()
        return True

    def _what_is_not_finite(self) -> str:
        for name, value in (("the state", self.u), ("the derivative", self.k1)):
            if not bool(value.isfinite().all()):
                return f"{name} is not finite"
        return "the scaled error is not finite (`atol` is 0 and so is an entry of the state)"

    def _advance(self) -> None:
        """One attempted step."""
        if self.accepted + self.rejected >= self.options.max_steps:
            self._stop(status.TOO_MANY_STEPS, f"{self.options.max_steps} steps were attempted")
            return
        h, landing = self._clipped()
        if self.t + h == self.t:
            self._stop_short(h)
            return
        t_new = landing if landing is not None else self.t + h
        between = [time for time in self.times[self.due :] if self._before(time, t_new)]
        h_graph = self._clipped_graph(landing) if self.attached else h
        fractions = [(time - self.t) / h for time in between]
        t = self.t_graph if self.attached else self.t
        step = self.take_step(t, h_graph, self.u, self.k1, self._wanted(between), fractions)
        self.evaluations += self.tableau.stages - 1
        error, signs = self._read(step, t_new)
        if not math.isfinite(error) or any(map(math.isnan, signs)):
            self._reject(h, self.controller.least)
        elif error > 1.0:
            self._reject(h, self.controller.after_rejection(self.tableau.order, error), step.error, h_graph)
        else:
            self._accept(step, h, h_graph, t_new, error, signs, between, fractions)

    def _wanted(self, between: Sequence[float]) -> Wanted:
        slopes = bool(between) or "dense" in self.record or self.problem.event is not None
        return Wanted("error" in self.record or self.attached, "stiffness" in self.record, slopes)

    def _before(self, time: float, t_new: float) -> bool:
        """Whether an output time lies within the step, its end not included."""
        return time < t_new if self.span > 0 else time > t_new

    def _clipped(self) -> tuple[float, float | None]:
        """The length of the next step, and the time that it lands on, if it does (one a hair short is stretched)."""
        target = self.times[self.due] if self.options.land else self.times[-1]
        remaining = target - self.t
        if abs(self.h) * (1 + 1e-9) >= abs(remaining):
            return remaining, target
        return self.h, None

    def _clipped_graph(self, landing: float | None) -> Any:
        if landing is not None:
            return landing - self.t_graph
        return self.h if self.h_graph is None else self.h_graph

    def _read(self, step: Step, t_new: float) -> tuple[float, list[float]]:
        """The error, and the event's values, in one transfer."""
        if self.problem.event is None:
            return step.error.item(), []
        with torch.no_grad():
            values = events.values(self.problem.event, t_new, step.state)
            error, *signs = torch.cat([step.error.reshape(1), values]).tolist()
        return error, signs

    def _reject(self, h: float, factor: float, error: Tensor | None = None, h_graph: Any = None) -> None:
        """`error` is None where it is not finite."""
        self.rejected += 1
        self.not_finite = self.not_finite + 1 if error is None else 0
        self.h = h * factor
        if self.attached:
            self.h_graph = None if error is None else self._graph_after_rejection(error, h_graph, factor)
        if self.not_finite >= GIVE_UP_AFTER:
            self._stop_short(h)

    def _accept(
        self, step: Step, h: float, h_graph: Any, t_new: float, error: float, signs: list[float],
        between: Sequence[float], fractions: Sequence[float],
    ) -> None:  # fmt: skip
        self.accepted += 1
        self.not_finite = 0
        self.sizes = (min(self.sizes[0], abs(h)), max(self.sizes[1], abs(h)))
        crossings = events.crossed(self.signs, signs)
        self.signs = signs
        start = self.t
        self._note(step, h, h_graph, t_new)
        if crossings:
            self._end_at_event(self._with_slopes(step, h, h_graph), start, h, crossings, fractions)
            return
        self.values += self._inside(step, h, fractions)
        self._control(step.error, error, h, h_graph)
        self.t_graph = self.t_graph + h_graph if self.attached else t_new
        self.t, self.u, self.k1 = t_new, step.state, step.slope
        self._call_hook(step, h, error)
        self._emit()

    def _inside(self, step: Step, h: float, fractions: Sequence[float]) -> list[Tensor]:
        """States at fractions of the step."""
        if step.inside:
            return list(step.inside)
        return [inside(self.tableau, theta, h, self.u, step.slopes) for theta in fractions]

    def _emit(self) -> None:
        """The state, at output times that are now."""
        while self.due < len(self.times) and self.times[self.due] == self.t:
            self.values.append(self.u)

    def _note(self, step: Step, h: float, h_graph: Any, t_new: float) -> None:
        trace = self.trace
        trace.t.append(self.t_graph if self.attached else self.t)
        trace.h.append(h_graph)
        trace.error.append(step.error)
        if step.stiffness is not None:
            trace.stiffness.append(step.stiffness)
        if "proposal" in self.record:
            trace.proposal.append(step.state)
        if "dense" in self.record:
            self.dense.add(self.t, h, self.u, step.slopes)

    # Step sizes

    def _control(self, error_graph: Tensor, error: float, h: float, h_graph: Any) -> None:
        """The next length; one that was cut short to land does not make the next ones short."""
        controller, order = self.controller, self.tableau.order
        factor = controller.after_acceptance(order, (error, *self.memory))
        proposed = h * factor
        cut_short = abs(h) < abs(self.h) and abs(proposed) < abs(self.h)
        size = self.h if cut_short else proposed
        self.h = math.copysign(min(abs(size), self.options.max_step), self.span)
        if self.attached:
            self.h_graph = self.h_graph if cut_short else self._graph_after_acceptance(error_graph, h, h_graph, factor)
            kept = error_graph if error > controller.memory else controller.memory
            self.memory_graph = (kept, self.memory_graph[0])
        self.memory = (max(error, controller.memory), self.memory[0])

    def _forget(self) -> None:
        """Of the errors of accepted steps."""
        self.memory = self.memory_graph = (self.controller.memory, self.controller.memory)

    def _graph_after_acceptance(self, error: Tensor, h: float, h_graph: Any, factor: float) -> Any:
        """The proposed length with its gradient; where a limit was met, it is constant or in proportion to the last."""
        if abs(h * factor) > self.options.max_step:
            return None
        proposal = self.controller.proposal(self.tableau.order, (error.clamp_min(TINY), *self.memory_graph))
        limited = factor in (self.controller.most, self.controller.least_after_acceptance)
        return h_graph * (factor if limited else proposal.to(torch.float64))

    def _graph_after_rejection(self, error: Tensor, h_graph: Any, factor: float) -> Any:
        exponent, _, _ = self.controller.exponents(self.tableau.order)
        limited = factor == self.controller.least
        return h_graph * (factor if limited else (self.controller.safety * error**exponent).to(torch.float64))

    # Hooks and events

    def _call_hook(self, step: Step, h: float, error: float) -> None:
        """A replaced state needs its own slope; the controller forgets the errors before it."""
        if self.on_step is None:
            return
        replaced = self.on_step(self.t, self.u, {"h": h, "error": error})
        if replaced is None:
            return
        self.u = like_state("a state from `on_step`", replaced, self.u)
        self.k1 = self.problem.derivative(self.t, replaced)
        self.evaluations += 1
        self._forget()
        self._look_for_event()

    @torch.no_grad()
    def _look_for_event(self) -> None:
        if self.problem.event is not None:
            self.signs = events.values(self.problem.event, self.t, self.u).tolist()

    def _with_slopes(self, step: Step, h: float, h_graph: Any) -> Step:
        """The step, or the same taken again through autograd, where the one taken keeps none."""
        if step.slopes:
            return step
        self.evaluations += self.tableau.stages - 1
        t = self.t_graph if self.attached else self.t
        return take_step(
            self.tableau, self.problem.derivative, self.tolerance, t, h_graph, self.u, self.k1, Wanted(slopes=True)
        )

    def _end_at_event(
        self, step: Step, start: float, h: float, crossings: list[int], fractions: Sequence[float]
    ) -> None:
        """The last row of the answer is the state where the first of the crossings happens."""
        event = self.problem.event
        assert event is not None

        @torch.no_grad()
        def value(theta: float, index: int) -> float:
            state = inside(self.tableau, theta, h, self.u, step.slopes)
            return float(events.values(event, start + theta * h, state)[index])

        roots = {i: events.find_root(lambda x, i=i: value(x, i), value(0.0, i), value(1.0, i)) for i in crossings}  # type: ignore[misc]
        index = min(roots, key=roots.__getitem__)
        theta = roots[index]
        before = [x for x in fractions if x < theta]
        self.values += [inside(self.tableau, x, h, self.u, step.slopes) for x in before]
        state = inside(self.tableau, theta, h, self.u, step.slopes)
        self.t = start + theta * h
        self.event_time = torch.full((), self.t, dtype=torch.float64, device=state.device)
        if state.requires_grad:
            self.event_time, state = events.differentiable(event, self.problem.derivative, self.t, state, index)
            self.evaluations += 1
        self.values.append(state)
        self._stop(status.EVENT, f"entry {index} of the event changed sign at t = {self.t:g}")

    # The end

    def _stop_short(self, h: float) -> None:
        """No step is short enough."""
        if self.not_finite:
            message = f"what follows is not finite, however short the step (the last: {abs(h):g})"
            self._stop(status.NOT_FINITE, f"{message}; at t = {self.t:g} {status.largest(self.u)}")
        else:
            self._stop(status.UNDERFLOW, f"a step of {abs(h):g} is too short to move from t = {self.t:g}")

    def _stop(self, why: str, message: str) -> None:
        self.status, self.message = why, message
        if why in (status.UNDERFLOW, status.TOO_MANY_STEPS) and self.trace.stiffness:
            reach = float(self.trace.stiffness[-1].detach()) * abs(self.h)
            self.message += f"; h S = {reach:.2g}, stable up to {self.tableau.stability_size:.2g}"
        if why in (status.UNDERFLOW, status.TOO_MANY_STEPS):
            self.message += f"; at t = {self.t:g} {status.largest(self.u)}: relax the tolerance where this is stiff"

    def _solution(self) -> Solution:
        stats: dict[str, float | str] = {
            "evaluations": self.evaluations,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "h_min": self.sizes[0] if self.accepted else 0.0,
            "h_max": self.sizes[1],
            "t": float(self.t),
            "status": self.status,
        }
        if self.message:
            stats["message"] = self.message
        ok = self.status in (status.REACHED, status.EVENT)
        return Solution(torch.stack(self.values), ok, stats, self._recorded())

    def _recorded(self) -> dict[str, Any]:
        trace: dict[str, Any] = {}
        for name in sorted(self.record):
            if name == "dense":
                trace[name] = self.dense
            elif name == "event_time":
                trace[name] = self.event_time
            elif name in ("t", "h"):
                trace[name] = self._column(getattr(self.trace, name))
            else:
                trace[name] = self._stacked(getattr(self.trace, name), name)
        return trace

    def _column(self, numbers: list[Any]) -> Tensor:
        """Times or lengths, float64, `(steps,)`, on the state's device: one upload, unless they are in the graph."""
        device = self.u.device
        if self.attached and any(isinstance(number, Tensor) for number in numbers):
            return torch.stack([torch.as_tensor(number, dtype=torch.float64, device=device) for number in numbers])
        return torch.tensor(numbers, dtype=torch.float64, device=device)

    def _stacked(self, items: list[Tensor], name: str) -> Tensor:
        shape = self.u.shape if name == "proposal" else ()
        return torch.stack(items) if items else self.u.new_zeros((0, *shape))
