"""The scan in plain torch: the reference that fast kernels are held against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator

from heatbath.core.contracts import NOTHING, Recurrence, Solution, StepHook


class Scan:
    """z_{t+1} = on_step(F(z_t)), step by step, on whatever device the state is.

    `value` holds the states gone on from, shape `(length, batch, dim)`, and `trace["proposal"]` those before `on_step`.

    >>> problem = Recurrence(lambda z: 2 * z, torch.ones(1, 1), 3)
    >>> Scan(None, None).solve(problem).value.flatten().tolist()
    [2.0, 4.0, 8.0]
    """

    records = frozenset({"proposal"})

    def __init__(self, options: None, setup: Any) -> None: ...

    def solve(
        self,
        problem: Recurrence,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """Go `length` steps. `on_step` is told `(t, z_t, {"index": t - 1})` for t = 1 .. length."""
        z, states, proposals = problem.initial_state, [], []
        for index in range(problem.length):
            z = problem.transition(z) if problem.inputs is None else problem.transition(z, problem.inputs[index])
            proposals.append(z)
            if on_step is not None and (replaced := on_step(float(index + 1), z, {"index": index})) is not None:
                z = replaced
            states.append(z)
        shape = (0, *problem.initial_state.shape)
        value = torch.stack(states) if states else problem.initial_state.new_empty(shape)
        trace = {}
        if "proposal" in record:
            trace["proposal"] = value if on_step is None or not states else torch.stack(proposals)
        return Solution(value, stats={"evaluations": problem.length}, trace=trace)
