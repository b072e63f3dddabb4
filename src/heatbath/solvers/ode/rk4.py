"""The classical Runge-Kutta method of order 4."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Generator

from heatbath.core.contracts import NOTHING, InitialValue, Solution, StepHook
from heatbath.solvers.ode import options as opt

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
    """Equal steps between output times; no error estimate. Times may run backwards.

    `trace["h"]` lists the steps' lengths, `trace["t"]` the times at their ends; `trace["proposal"]` the states there
    before `on_step`, which is told `(t, y, {"h": h})`.
    """

    records = frozenset({"h", "t", "proposal"})

    def __init__(self, options: opt.RK4, setup: Any) -> None:
        self.step = options.step

    def solve(
        self,
        problem: InitialValue,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """The states at `problem.times`, shape `(len(times), *initial_state.shape)`."""
        y = problem.initial_state
        values, trace, evaluations = [y], {"h": [], "t": [], "proposal": []}, 0  # type: ignore[var-annotated]
        for begin, end in pairwise(problem.times):
            count = max(1, math.ceil(abs(end - begin) / self.step - 1e-9))
            h = (end - begin) / count
            for i in range(count):
                y = rk4_step(problem.derivative, begin + i * h, y, h)
                t = end if i == count - 1 else begin + (i + 1) * h
                evaluations += 4
                for name, item in (("h", h), ("t", t), ("proposal", y)):
                    if name in record:
                        trace[name].append(item)
                if on_step is not None and (replaced := on_step(t, y, {"h": h})) is not None:
                    y = replaced
            values.append(y)
        kept: dict[str, Any] = {name: trace[name] for name in record & self.records}
        if kept.get("proposal"):
            kept["proposal"] = torch.stack(kept["proposal"])
        return Solution(torch.stack(values), stats={"evaluations": evaluations}, trace=kept)
