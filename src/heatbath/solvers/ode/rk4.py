"""The classical Runge-Kutta method of order 4."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import torch
from torch import Generator

from heatbath.core.contracts import NOTHING, InitialValue, Solution, StepHook
from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode import options as opt
from heatbath.solvers.ode import status
from heatbath.solvers.ode.explicit import check
from heatbath.solvers.ode.steps import combine, like_state, stiffness
from heatbath.solvers.ode.tableaux import RK4 as TABLEAU

Y = TypeVar("Y")


def rk4_step(f: Callable[[float, Y], Y], t: float, y: Y, h: float) -> Y:
    """One step of length h from (t, y), for anything that adds and scales.

    y + h/6 (k1 + 2 k2 + 2 k3 + k4), k1 = f(t, y), k2 = f(t + h/2, y + h/2 k1), k3 = f(t + h/2, y + h/2 k2),
    k4 = f(t + h, y + h k3).

    >>> round(rk4_step(lambda t, y: -y, 0.0, 1.0, 0.1), 7)
    0.9048375
    """
    k1: Any = f(t, y)
    k2: Any = f(t + h / 2, y + h / 2 * k1)
    k3: Any = f(t + h / 2, y + h / 2 * k2)
    k4: Any = f(t + h, y + h * k3)
    stepped: Y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return stepped


class RK4:
    """Equal steps between output times, without an error estimate. Times may run backwards.

    The host waits for nothing while it steps. At the end it looks once whether every state is finite, unless
    `check=False`; where one is not, `value` still has all rows, and `stats` names the first time and the state before.

    `trace["t"]` and `trace["h"]` hold start and length of each step, `trace["stiffness"]` the estimate S of |df/dy|
    from its two middle stages, in the graph, `trace["proposal"]` the states at the ends before `on_step`, which is told
    `(t, y, {"h": h})`.
    """

    records = frozenset({"h", "t", "stiffness", "proposal"})
    stability_size = TABLEAU.stability_size
    withheld: ClassVar[Mapping[str, str]] = {"error": "fixed steps have no error estimate"}

    def __init__(self, options: opt.RK4, setup: Any) -> None:
        self.step, self.check = options.step, options.check

    def solve(
        self,
        problem: InitialValue,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """The states at `problem.times`, shape `(len(times), *initial_state.shape)`.

        Raises:
            InvalidInput: for unsorted times, a derivative of another shape than the state, and for an event, which
                needs an adaptive solver.
        """
        check(problem)
        if problem.event is not None:
            raise InvalidInput("rk4 finds no events; choose an adaptive solver such as tsit5")
        y = problem.initial_state
        values, evaluations = [y], 0
        stats: dict[str, float | str]
        trace: dict[str, list[Any]] = {name: [] for name in record}
        for begin, end in pairwise(problem.times):
            count = max(1, math.ceil(abs(end - begin) / self.step - 1e-9)) if end != begin else 0
            for i in range(count):
                t, h = begin + i * (end - begin) / count, (end - begin) / count
                slopes, states = self._stages(problem, t, h, y, check_shape=evaluations == 0)
                y = combine(y, h, TABLEAU.a[-1], slopes)
                evaluations += 4
                t_new = end if i == count - 1 else begin + (i + 1) * h
                for name, item in (("h", h), ("t", t), ("proposal", y)):
                    if name in record:
                        trace[name].append(item)
                if "stiffness" in record:
                    trace["stiffness"].append(stiffness(TABLEAU, slopes, states))
                if on_step is not None and (replaced := on_step(t_new, y, {"h": h})) is not None:
                    y = like_state("a state from `on_step`", replaced, y)
            values.append(y)
        kept = {name: _column(name, items, y) for name, items in trace.items()}
        value, stats = torch.stack(values), {"evaluations": evaluations, "status": status.REACHED}
        stats |= status.of_fixed_steps(value, problem.times) if self.check else {}
        return Solution(value, stats["status"] == status.REACHED, stats, kept)

    def _stages(
        self, problem: InitialValue, t: float, h: float, y: Any, check_shape: bool
    ) -> tuple[list[Any], list[Any]]:
        """Four slopes and the states that they belong to; the fifth stage, at the new state, is not needed."""
        k, g = [problem.derivative(t, y)], [y]
        if check_shape:
            like_state("the derivative", k[0], problem.initial_state)
        for c, row in zip(TABLEAU.c[1:-1], TABLEAU.a[1:-1], strict=True):
            g.append(combine(y, h, row, k))
            k.append(problem.derivative(t + c * h, g[-1]))
        return k, g


def _column(name: str, items: list[Any], y: Any) -> Any:
    if name in ("t", "h"):
        return torch.tensor(items, dtype=torch.float64, device=y.device)
    return torch.stack(items) if items else y.new_zeros((0, *(y.shape if name == "proposal" else ())))
