"""Adaptive integration with one step size a sample; the host waits once an attempted step."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from heatbath.core.contracts import InitialValue, Solution, StepHook
from heatbath.solvers.ode import status
from heatbath.solvers.ode.controllers import TINY, Controller
from heatbath.solvers.ode.events import SampleEvents
from heatbath.solvers.ode.options import Adaptive
from heatbath.solvers.ode.steps import Step, Tolerance, VectorField, Wanted, by_sample, like_state, rms, take_step
from heatbath.solvers.ode.tableaux import Tableau

RECORDS = frozenset({"t", "h", "error", "stiffness", "proposal", "event_time"})
GIVE_UP_AFTER = 10
"""Attempts in a row of one sample whose error is not finite."""


class SampleIntegration:
    """One integration in which each sample has its own time, step and error; `run` it once.

    The derivative, the event and the hook are given `t` of shape `(batch, 1, .., 1)`. Samples that have arrived take
    steps of length 0 while the others go on. Args as for `BatchIntegration`.
    """

    def __init__(
        self,
        tableau: Tableau,
        options: Adaptive,
        controller: Controller,
        problem: InitialValue,
        slope: Tensor,
        record: frozenset[str],
        on_step: StepHook | None = None,
    ) -> None:
        self.tableau, self.options, self.controller, self.record = tableau, options, controller, record
        self.tolerance, self.state_shape = Tolerance(options.rtol, options.atol), problem.initial_state.shape
        self.sign = -1.0 if problem.times[-1] < problem.times[0] else 1.0
        self.times = [self.sign * time for time in problem.times]
        self.f: VectorField = problem.derivative if self.sign > 0 else _reversed(problem.derivative)
        self.on_step = on_step
        u = problem.initial_state
        self.u, self.k1 = u, slope * self.sign
        batch = u.shape[0] if u.dim() else 1
        if not u.dim():
            self.u, self.k1 = u.unsqueeze(0), self.k1.unsqueeze(0)
            self.f = _with_batch(self.f)
        self.t = torch.full((batch,), self.times[0], dtype=torch.float64, device=u.device)
        self.h = torch.zeros_like(self.t)
        self.memory = (torch.full_like(self.t, controller.memory),) * 2
        self.not_finite, self.attempted = torch.zeros_like(self.t), 0
        self.failed = torch.zeros(batch, dtype=torch.bool, device=u.device)
        self.counts = torch.zeros(2, dtype=torch.float64, device=u.device)
        self.values = [self.u if time == self.times[0] else torch.full_like(self.u, math.nan) for time in self.times]
        self.kept: dict[str, list[Tensor]] = {name: [] for name in record - {"event_time"}}
        self.evaluations = 1
        self.status, self.message = status.REACHED, ""
        self.forgotten: Tensor | None = None
        self.watch: SampleEvents | None = None
        if problem.event is not None:
            self.watch = SampleEvents(problem.event, self.sign, self.u, scalar=not u.dim())
            self.watch.look(self.t, self.u)

    def _wide(self, x: Tensor) -> Tensor:
        """A number a sample, to be broadcast against the state, in its dtype."""
        x = x if x.dtype == torch.bool else x.to(self.u.dtype)
        return x.view(-1, *(1,) * (self.u.dim() - 1))

    def run(self) -> Solution:
        """Integrate until every sample has arrived, met its event, or failed."""
        end = self.times[-1]
        if end > self.times[0] and self.u.shape[0]:
            self.h = self._first_step(end - self.times[0])
            running = True
            while running and self.status == status.REACHED:
                if self.attempted >= self.options.max_steps:
                    self.status = status.TOO_MANY_STEPS
                else:
                    running = self._attempt(end)
        return self._solution()

    @torch.no_grad()
    def _first_step(self, span: float) -> Tensor:
        """As `steps.first_step`, for each sample, on the device."""
        options = self.options
        if options.first_step:
            return torch.full_like(self.t, min(options.first_step, span))
        scale = self.tolerance.scale(self.u, self.u)
        d0, d1 = (rms(x / scale, True).to(torch.float64) for x in (self.u, self.k1))
        h0 = torch.where(torch.minimum(d0, d1) < 1e-5, 1e-6, 0.01 * d0 / d1).clamp_max(span)
        slope = self.f(self._wide(self.t + h0), self.u + self._wide(h0) * self.k1)
        self.evaluations += 1
        d2 = rms((slope - self.k1) / scale, True) / h0
        largest = torch.maximum(d1, torch.where(d2.isfinite(), d2, 0.0))
        h1 = torch.where(largest <= 1e-15, (1e-3 * h0).clamp_min(1e-6), (0.01 / largest) ** (1 / self.tableau.order))
        first = torch.minimum(100 * h0, h1).clamp_max(min(span, options.max_step))
        return torch.where(first.isfinite(), first, 1e-6)

    def _attempt(self, end: float) -> bool:
        """One attempted step of every sample that is under way; whether any still is."""
        remaining = end - self.t
        running = (remaining > 0) & ~self.failed
        if self.watch is not None:
            running = running & ~self.watch.ended
        landing = self.h * (1 + 1e-9) >= remaining
        h = torch.where(running, torch.where(landing, remaining, self.h), 0.0)
        step, error = self._step(h)
        finite = error.isfinite()
        accepted = running & finite & (error <= 1)
        t_new = torch.where(accepted, torch.where(landing, torch.full_like(self.t, end), self.t + h), self.t)
        crossing = torch.zeros_like(accepted)
        if self.watch is not None:
            crossing, strange = self.watch.crossed(t_new, step.state, accepted)
            finite, accepted = finite & ~strange, accepted & ~strange
            t_new = torch.where(strange, self.t, t_new)
        read = self._read(running, finite, accepted, crossing, t_new, end)
        if read.broken and torch.is_grad_enabled():
            # What is not finite would make gradients NaN, although `where` leaves it out.
            step, _ = self._step(torch.where(accepted, h, 0.0))
        state, slope = step.state, step.slope
        if self.watch is not None and read.crossing:
            theta = self.watch.first_root(crossing, self.t, h, lambda theta: self._between(step, h, theta))
            t_new = torch.where(crossing, self.t + theta * h, t_new)
            found = self._between(step, h, theta)
            self.evaluations += int(found.requires_grad)
            found = self.watch.differentiable(crossing, t_new, found, self.f)
            state = torch.where(self._wide(crossing), found, state)
        self._keep(step, h, accepted)
        if self.on_step is not None and read.accepted:
            state, slope = self._hear(accepted & ~crossing, t_new, state, slope, h, error)
        self._emit(step, state, h, accepted, t_new, read.low, read.high)
        self._control(error, h, accepted, running, finite, landing)
        wide = self._wide(accepted)
        self.u, self.k1 = torch.where(wide, state, self.u), torch.where(wide, slope, self.k1)
        self.t = t_new
        return read.going

    def _between(self, step: Step, h: Tensor, theta: Tensor) -> Tensor:
        """The dense output of each sample's step."""
        return self.u + self._wide(h) * _weighted(self.tableau, self._wide(theta), step.slopes)

    def _hear(
        self, over: Tensor, t_new: Tensor, state: Tensor, slope: Tensor, h: Tensor, error: Tensor
    ) -> tuple[Tensor, Tensor]:
        """State and slope after the hook: what it replaces counts for samples that took a step, and no other."""
        assert self.on_step is not None
        shown = state.reshape(self.state_shape)
        t: Any = self._shown(t_new)
        info = {"h": self.sign * torch.where(over, h, 0.0), "error": torch.where(over, error, 0.0), "accepted": over}
        replaced = self.on_step(t, shown, info)
        if replaced is None:
            return state, slope
        replaced = like_state("a state from `on_step`", replaced, shown).reshape(state.shape)
        changed = over & by_sample(replaced != state).any(1)
        state = torch.where(self._wide(changed), replaced, state)
        slope = torch.where(self._wide(changed), self.f(self._wide(t_new), state), slope)
        self.evaluations += 1
        self.forgotten = changed
        if self.watch is not None:
            self.watch.look(t_new, state, changed)
        return state, slope

    def _shown(self, t: Tensor) -> Tensor:
        """Times as the caller counts them, to be broadcast against the state."""
        return self.sign * (self._wide(t) if self.state_shape else t.squeeze(0).to(self.u.dtype))

    def _step(self, h: Tensor) -> tuple[Step, Tensor]:
        wanted = Wanted("error" in self.record, "stiffness" in self.record, True, True)
        size = self._wide(h)
        step = take_step(self.tableau, self.f, self.tolerance, self._wide(self.t), size, self.u, self.k1, wanted)
        self.evaluations += self.tableau.stages - 1
        self.attempted += 1
        return step, step.error.detach().to(torch.float64)

    def _read(
        self, running: Tensor, finite: Tensor, accepted: Tensor, crossing: Tensor, t_new: Tensor, end: float
    ) -> _Read:
        """What the host needs to know, in one transfer."""
        count = torch.where(running & ~finite, self.not_finite + 1, torch.where(accepted, 0.0, self.not_finite))
        stuck = running & ~accepted & (self.t + self.h * self.controller.least == self.t)
        self.not_finite, self.failed = count, self.failed | (count >= GIVE_UP_AFTER) | stuck
        self.counts = self.counts + torch.stack([accepted.sum(), (running & ~accepted).sum()])
        low = torch.where(accepted, self.t, end).amin()
        high = torch.where(accepted, t_new, self.times[0]).amax()
        flags = (running & (t_new < end) & ~self.failed & ~crossing, running & ~finite, crossing, accepted)
        row = torch.stack([*(flag.any().double() for flag in flags), low, high]).tolist()
        return _Read(*(bool(flag) for flag in row[:4]), *row[4:])

    def _emit(
        self, step: Step, state: Tensor, h: Tensor, accepted: Tensor, t_new: Tensor, low: float, high: float
    ) -> None:
        """Samples that stepped over an output time get their state there; at its end, that after the hook."""
        for index, time in enumerate(self.times):
            if not low < time <= high:
                continue
            over = accepted & (self.t < time) & (time <= t_new)
            theta = torch.where(over, (time - self.t) / torch.where(h > 0, h, 1.0), 0.0)
            between = torch.where(self._wide(over & (t_new == time)), state, self._between(step, h, theta))
            self.values[index] = torch.where(self._wide(over), between, self.values[index])

    def _keep(self, step: Step, h: Tensor, accepted: Tensor) -> None:
        columns = {"t": self.sign * self.t, "h": self.sign * h, "error": step.error, "stiffness": step.stiffness}
        for name, kept in self.kept.items():
            if name == "proposal":
                kept.append(torch.where(self._wide(accepted), step.state, self.u).reshape(self.state_shape))
                continue
            column = columns[name]
            assert column is not None
            kept.append(torch.where(accepted, column, 0.0))

    def _control(
        self, error: Tensor, h: Tensor, accepted: Tensor, running: Tensor, finite: Tensor, landing: Tensor
    ) -> None:
        """Lengths of the next steps; the memory of a rejected sample stays what it was."""
        controller, order = self.controller, self.tableau.order
        small = error.clamp_min(TINY)
        grown = controller.proposal(order, (small, *self.memory)).clamp(
            controller.least_after_acceptance, controller.most
        )
        exponent, _, _ = controller.exponents(order)
        shrunk = (controller.safety * small**exponent).clamp(controller.least, 1.0)
        factor = torch.where(accepted, grown, torch.where(finite, shrunk, controller.least))
        size = torch.where(accepted & landing, torch.maximum(h * factor, self.h), h * factor)
        self.h = torch.where(running, size.clamp_max(self.options.max_step), self.h)
        kept = error.clamp_min(controller.memory)
        self.memory = (
            torch.where(accepted, kept, self.memory[0]),
            torch.where(accepted, self.memory[0], self.memory[1]),
        )
        if self.forgotten is not None:
            first, second = (torch.where(self.forgotten, controller.memory, before) for before in self.memory)
            self.memory, self.forgotten = (first, second), None

    def _solution(self) -> Solution:
        failed, ended = self.failed, torch.zeros_like(self.failed) if self.watch is None else self.watch.ended
        numbers = [*self.counts, failed.sum(), ended.sum()]
        accepted, rejected, failures, events = (int(x) for x in torch.stack([x.double() for x in numbers]).tolist())
        if self.status == status.TOO_MANY_STEPS:
            late = ~failed & ~ended & (self.t < self.times[-1])
            self._explain(late, f"{self.options.max_steps} steps were attempted", "are before the end")
        elif failures:
            first = int(failed.nonzero()[0])
            self.status = status.NOT_FINITE if float(self.not_finite[first]) else status.UNDERFLOW
            self._explain(failed, self.status, "failed")
        elif events and events == len(failed):
            self.status = status.EVENT
        stats: dict[str, float | str] = {
            "evaluations": self.evaluations,
            "accepted": accepted,
            "rejected": rejected,
            "failed": failures,
            "attempts": self.attempted,
            "status": self.status,
        }
        if self.message:
            stats["message"] = self.message
        trace: dict[str, Any] = {name: self._column(name, kept) for name, kept in self.kept.items()}
        if self.watch is not None:
            stats["events"] = events
            if events:
                self.values = self.watch.held(self.times, self.values, self.u)
        if "event_time" in self.record:
            trace["event_time"] = None if self.watch is None else self.watch.time
        value = torch.stack(self.values).reshape(len(self.times), *self.state_shape)
        return Solution(value, self.status in (status.REACHED, status.EVENT), stats, trace)

    def _column(self, name: str, kept: list[Tensor]) -> Tensor:
        if kept:
            return torch.stack(kept)
        return self.u.new_zeros((0, *self.state_shape)) if name == "proposal" else self.t.new_zeros((0, len(self.t)))

    def _explain(self, these: Tensor, why: str, what: str) -> None:
        """Name the first of these samples, its time and value."""
        numbers = these.nonzero().flatten().tolist()
        first = numbers[0]
        self.message = (
            f"{why}: {len(numbers)} of {len(these)} samples {what}, the first is {first}, at "
            f"t = {self.sign * float(self.t[first]):g}, where {status.largest(self.u[first])}; rows beyond are nan"
        )


class _Read(NamedTuple):
    """Whether a sample goes on, met what is not finite, met its event, took a step; the span of time stepped over."""

    going: bool
    broken: bool
    crossing: bool
    accepted: bool
    low: float
    high: float


def _reversed(f: VectorField) -> VectorField:
    return lambda t, u: -f(-t, u)


def _with_batch(f: VectorField) -> VectorField:
    return lambda t, u: f(t.squeeze(0), u.squeeze(0)).unsqueeze(0)


def _weighted(tableau: Tableau, theta: Tensor, slopes: tuple[Tensor, ...]) -> Tensor:
    """sum_i b_i(theta) k_i with one theta a sample."""
    total = torch.zeros_like(slopes[0])
    for polynomial, k in zip(tableau.interpolant, slopes, strict=True):
        weight = torch.zeros_like(theta)
        for coefficient in reversed(polynomial):
            weight = (weight + coefficient) * theta
        total = total + weight * k
    return total
