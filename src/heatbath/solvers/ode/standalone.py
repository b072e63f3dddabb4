"""A solver without a host: one call."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor

from heatbath.core.contracts import InitialValue, Solution, StepHook
from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode import options as opt
from heatbath.solvers.ode.explicit import ExplicitRungeKutta
from heatbath.solvers.ode.rk4 import RK4
from heatbath.solvers.ode.tableaux import ADAPTIVE


def solve(
    derivative: Callable[[Any, Tensor], Tensor],
    initial_state: Tensor,
    times: Sequence[float],
    method: str = "tsit5",
    *,
    record: Iterable[str] = (),
    on_step: StepHook | None = None,
    event: Callable[[Any, Tensor], Tensor] | None = None,
    parameters: Sequence[Tensor] = (),
    **options: Any,
) -> Solution:
    """Integrate y' = derivative(t, y) from times[0].

    Args:
        derivative: shaped like the state.
        initial_state: any shape; the first axis is the batch.
        times: where the answer is wanted, sorted up or down.
        method: tsit5, dopri5, bosh3, heun-euler, dopri8 or rk4.
        record: what the trace holds; `ExplicitRungeKutta` says what there is.
        on_step: `(t, y, info)` -> a state to go on from, or None.
        event: `(t, y)` -> a tensor; ends the integration where an entry changes sign.
        parameters: tensors for a backward pass by hand, as in `InitialValue`.
        options: of `heatbath.solvers.ode.Adaptive`, or `step` for rk4.

    Returns:
        `value`, shape `(len(times), *initial_state.shape)`, `ok`, `stats` and `trace`.

    Raises:
        InvalidInput: for a method, an option, a record, times or shapes that do not fit.
        ValueError: for an option out of range.
    """
    solver = _solver(method, options)
    try:
        grid = tuple(map(float, times))
    except (TypeError, ValueError):
        raise InvalidInput(f"`times` must be numbers, got {times!r}") from None
    wanted = frozenset(record)
    if strange := sorted(wanted - solver.records):
        raise InvalidInput(
            f"{method} does not record {strange[0]!r} with these options; it records {sorted(solver.records)}"
        )
    problem = InitialValue(derivative, initial_state, grid, event, tuple(parameters))
    return solver.solve(problem, record=wanted, on_step=on_step)


def _solver(method: str, options: dict[str, Any]) -> ExplicitRungeKutta | RK4:
    if method not in (*ADAPTIVE, "rk4"):
        raise InvalidInput(f"unknown method {method!r}; {_known(method, [*ADAPTIVE, 'rk4'])}")
    kind = opt.RK4 if method == "rk4" else opt.Adaptive
    names = [field.name for field in dataclasses.fields(kind)]
    if strange := [name for name in options if name not in names]:
        raise InvalidInput(f"{method} has no option {strange[0]!r}; {_known(strange[0], names)}")
    if method == "rk4":
        return RK4(opt.RK4(**options), None)
    return ExplicitRungeKutta(ADAPTIVE[method], opt.Adaptive(**options))


def _known(name: Any, names: list[str]) -> str:
    near = difflib.get_close_matches(str(name), names, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {names}"
