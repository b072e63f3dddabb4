"""torchdiffeq's adaptive methods as solvers, with the error and the stiffness of every accepted step in the open.

It rests on private names of torchdiffeq 0.2.5: `_interp_fit` of a solver runs once an accepted step and is handed all
stages, `_adaptive_step` once an attempted one, `_check_inputs` prepares a problem. Nothing of it is changed, so steps,
evaluations and values are torchdiffeq's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
import torchdiffeq  # type: ignore[import-untyped]
from torch import Generator, Tensor, nn
from torchdiffeq._impl.bosh3 import Bosh3Solver  # type: ignore[import-untyped]
from torchdiffeq._impl.dopri5 import Dopri5Solver  # type: ignore[import-untyped]
from torchdiffeq._impl.dopri8 import Dopri8Solver  # type: ignore[import-untyped]
from torchdiffeq._impl.misc import _check_inputs  # type: ignore[import-untyped]

from heatbath.core.contracts import NOTHING, InitialValue, Solution, StepHook
from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode import options as opt
from heatbath.solvers.ode import status
from heatbath.solvers.ode.explicit import check, warn_of_round_off
from heatbath.solvers.ode.steps import like_state, rms
from heatbath.solvers.ode.tableaux import ADAPTIVE, Tableau

RECORDS = frozenset({"t", "h", "error", "stiffness", "proposal"})
NO_STAGES = "a continuous adjoint solves the state back in time and has no graph through the stages that it is made of"
WHY = {
    "non-finite": status.NOT_FINITE,
    "underflow": status.UNDERFLOW,
    "max_num_steps": status.TOO_MANY_STEPS,
}
"""Words of torchdiffeq's assertions."""


class _Open:
    """What is seen of a torchdiffeq solver while it runs; mixed into its class."""

    ours: Tableau
    tableau: Any
    rk_state: Any

    def __init__(
        self, *args: Any, record: frozenset[str], sign: float, on_step: StepHook | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.record, self.sign, self.on_step = record, sign, on_step
        self.attempts, self.end = 0, 0.0
        self.trace: dict[str, list[Any]] = {name: [] for name in record | {"h"}}

    def rows(self, t: Tensor) -> tuple[list[Tensor], str]:
        """States at the times as far as they are reached, and torchdiffeq's complaint if they are not."""
        y0: Tensor = self.y0  # type: ignore[attr-defined]
        found, t, self.end = [y0], t.to(self.dtype), float(t[-1])  # type: ignore[attr-defined]
        try:
            self._before_integrate(t)
            for time in t[1:]:
                found.append(self._advance(time))  # type: ignore[attr-defined]  # noqa: PERF401  what was found before is kept
        except AssertionError as complaint:
            return found, str(complaint)
        found[-1] = self._heard(self.end, found[-1], self.end - float(self.rk_state.t0)) if self.on_step else found[-1]
        return found, ""

    def _before_integrate(self, t: Tensor) -> None:
        super()._before_integrate(t)  # type: ignore[misc]
        # Deviation: torchdiffeq lets a gradient flow through the length of the first step, and of no other.
        self.rk_state = self.rk_state._replace(dt=self.rk_state.dt.detach())

    def _heard(self, t: float, y: Tensor, h: float) -> Tensor:
        """The state after the hook."""
        assert self.on_step is not None
        replaced = self.on_step(self.sign * t, y, {"h": self.sign * h})
        return y if replaced is None else like_state("a state from `on_step`", replaced, y)

    def _interp_fit(self, y0: Tensor, y1: Tensor, k: Tensor, dt: Tensor) -> Any:
        """E = rms(h k error / (atol + rtol max(|y0|, |y1|))),  S = ||k_i - k_j|| / ||g_i - g_j||; k has stages last."""
        h, tableau = dt.type_as(y0).detach(), self.tableau
        self.trace["h"].append(dt.detach())
        if "t" in self.record:
            self.trace["t"].append(self.sign * self.rk_state.t1)
        if "error" in self.record:
            scale = self.atol + self.rtol * torch.maximum(y0.abs(), y1.abs())  # type: ignore[attr-defined]
            self.trace["error"].append(rms(((k @ (h * tableau.c_error)) / scale).to(y0.dtype)))
        if "stiffness" in self.record:
            i, j = self.ours.stiff_pair
            rise, run = rms(k[..., i] - k[..., j]), rms(y1 - (y0 + k[..., :j] @ (h * tableau.beta[j - 1])))
            self.trace["stiffness"].append(torch.where(run > 0, rise / torch.where(run > 0, run, 1.0), 0.0))
        if "proposal" in self.record:
            self.trace["proposal"].append(y1)
        return super()._interp_fit(y0, y1, k, dt)  # type: ignore[misc]

    def _adaptive_step(self, before: Any) -> Any:
        self.attempts += 1
        after = super()._adaptive_step(before)  # type: ignore[misc]
        if self.on_step is None or after.y1 is before.y1 or float(after.t1) >= self.end:
            return after
        state = self._heard(float(after.t1), after.y1, float(after.t1 - after.t0))
        return after if state is after.y1 else after._replace(y1=state, f1=self.func(after.t1, state))  # type: ignore[attr-defined]


class _Dopri5(_Open, Dopri5Solver):  # type: ignore[misc]
    ours = ADAPTIVE["dopri5"]


class _Bosh3(_Open, Bosh3Solver):  # type: ignore[misc]
    ours = ADAPTIVE["bosh3"]


class _Dopri8(_Open, Dopri8Solver):  # type: ignore[misc]
    ours = ADAPTIVE["dopri8"]


OPENED: Mapping[str, type] = {"dopri5": _Dopri5, "bosh3": _Bosh3, "dopri8": _Dopri8}


class TorchDiffEq:
    """A method of torchdiffeq. The trace is that of `ExplicitRungeKutta`, without dense output and events.

    As torchdiffeq does, it steps beyond the last time and interpolates; `on_step` is told the last time and the state
    there instead of the end of that step. The derivative is given `t` as a 0-d tensor.

    With `backward=adjoint`, gradients come from torchdiffeq's continuous adjoint, which has the state at the output
    times and nothing else: there is no trace, and hooks are refused.

    Reference:
        Chen, torchdiffeq, 2018; continuous adjoint: Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018.
    """

    def __init__(self, method: str, options: opt.TorchDiffEq) -> None:
        self.method, self.options = method, options
        continuous = options.backward == "adjoint"
        self.records = NOTHING if continuous else RECORDS
        self.withheld: Mapping[str, str] = dict.fromkeys(RECORDS, NO_STAGES) if continuous else {}
        self.stability_size = ADAPTIVE[method].stability_size

    def solve(
        self,
        problem: InitialValue,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """States at `problem.times`, shape `(len(times), *initial_state.shape)`.

        Raises:
            InvalidInput: for what torchdiffeq or this adapter does not do.
        """
        check(problem)
        warn_of_round_off(self.options.rtol, self.options.atol, problem.initial_state)
        if problem.event is not None:
            raise InvalidInput("this adapter finds no events; choose a solver such as tsit5")
        if record & self.withheld.keys():
            raise InvalidInput(f"{sorted(record)[0]!r} cannot be recorded: {NO_STAGES}")
        times = [problem.times[0], *(after for before, after in pairwise(problem.times) if after != before)]
        calls = _Counted(problem.derivative)
        stats: dict[str, Any]
        if len(times) == 1:
            rows, stats, trace = [problem.initial_state], {"evaluations": 0, "status": status.REACHED}, _nothing(record)
        elif self.options.backward == "adjoint":
            rows, stats, trace = self._by_adjoint(problem, calls, times, on_step)
        else:
            rows, stats, trace = self._by_stages(problem, calls, times, record, on_step)
        at = dict(zip(times, rows, strict=False))
        value = torch.stack([at[time] for time in problem.times if time in at])
        return Solution(value, stats["status"] == status.REACHED, stats, trace)

    def _by_stages(
        self,
        problem: InitialValue,
        calls: _Counted,
        times: list[float],
        record: frozenset[str],
        on_step: StepHook | None,
    ) -> tuple[list[Tensor], dict[str, Any], dict[str, Any]]:
        options: dict[str, Any] = {"max_num_steps": self.options.max_steps}
        y0, device = problem.initial_state, problem.initial_state.device
        t = torch.tensor(times, dtype=torch.float64, device=device)
        opened = {self.method: OPENED[self.method]}
        rtol, atol = self.options.rtol, self.options.atol
        _, f, y0, t, rtol, atol, _, options, _, backwards = _check_inputs(
            calls, y0, t, rtol, atol, self.method, options, None, opened
        )
        sign = -1.0 if backwards else 1.0
        solver = opened[self.method](
            func=f, y0=y0, rtol=rtol, atol=atol, record=record, sign=sign, on_step=on_step, **options
        )
        rows, complaint = solver.rows(t)
        sizes = torch.stack(solver.trace["h"]) if solver.trace["h"] else torch.zeros(0, dtype=torch.float64)
        accepted = len(sizes)
        stats: dict[str, Any] = {
            "evaluations": calls.count,
            "accepted": accepted,
            "rejected": solver.attempts - accepted,
            "status": _why(complaint) if complaint else status.REACHED,
        }
        if complaint:
            reached, largest = sign * float(solver.rk_state.t1), status.largest(solver.rk_state.y1)
            stats["message"] = f"torchdiffeq says: {complaint}; at t = {reached:g} {largest}"
        trace = _nothing(record)
        for name in record:
            if accepted:
                trace[name] = sign * sizes if name == "h" else torch.stack(solver.trace[name])
        return rows, stats, trace

    def _by_adjoint(
        self, problem: InitialValue, calls: _Counted, times: list[float], on_step: StepHook | None
    ) -> tuple[list[Tensor], dict[str, Any], dict[str, Any]]:
        if on_step is not None:
            raise InvalidInput("a continuous adjoint cannot go through a hook; choose backward=autograd")
        t = torch.tensor(times, dtype=torch.float64, device=problem.initial_state.device)
        listed = tuple(problem.parameters)
        if isinstance(problem.derivative, nn.Module):
            listed += tuple(problem.derivative.parameters())
        how = {"rtol": self.options.rtol, "atol": self.options.atol, "method": self.method}
        try:
            rows = torchdiffeq.odeint_adjoint(
                calls, problem.initial_state, t, adjoint_params=tuple(p for p in listed if p.requires_grad), **how,
                options={"max_num_steps": self.options.max_steps},
                adjoint_options={"max_num_steps": self.options.max_steps},
            )  # fmt: skip
        except AssertionError as complaint:
            message = f"torchdiffeq says: {complaint}; the derivative was last asked for at t = {float(calls.t):g}"
            stats = {"evaluations": calls.count, "status": _why(str(complaint)), "message": message}
            return [problem.initial_state], stats, {}
        return list(rows), {"evaluations": calls.count, "status": status.REACHED}, {}


class _Counted:
    """A derivative that counts its calls."""

    def __init__(self, f: Callable[[Any, Tensor], Tensor]) -> None:
        self.f, self.count = f, 0
        self.t: Any = math.nan

    def __call__(self, t: Any, y: Tensor) -> Tensor:
        self.count, self.t = self.count + 1, t
        return like_state("the derivative", self.f(t, y), y)


def _why(complaint: str) -> str:
    """A step of nan becomes one of 0, which torchdiffeq calls an underflow; a true one is never 0."""
    found = re.search(r"underflow in dt ([-+.\w]+)", complaint)
    if found and not abs(float(found[1])) > 0:
        return status.NOT_FINITE
    return next((why for word, why in WHY.items() if word in complaint), status.UNDERFLOW)


def _nothing(record: frozenset[str]) -> dict[str, Any]:
    return {name: torch.zeros(0, dtype=torch.float64) for name in record}


def dopri5(options: opt.TorchDiffEq, setup: Any) -> TorchDiffEq:
    """torchdiffeq's dopri5."""
    return TorchDiffEq("dopri5", options)


def bosh3(options: opt.TorchDiffEq, setup: Any) -> TorchDiffEq:
    """torchdiffeq's bosh3."""
    return TorchDiffEq("bosh3", options)


def dopri8(options: opt.TorchDiffEq, setup: Any) -> TorchDiffEq:
    """torchdiffeq's dopri8."""
    return TorchDiffEq("dopri8", options)
