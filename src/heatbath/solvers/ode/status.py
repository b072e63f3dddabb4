"""How an integration ends: the words of `stats["status"]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

REACHED = "reached"
"""The last time was reached."""
EVENT = "event"
"""An event ended it; the last row of the answer is the state there."""
NOT_FINITE = "not finite"
UNDERFLOW = "step underflow"
TOO_MANY_STEPS = "too many steps"


def of_fixed_steps(value: Tensor, times: Sequence[float]) -> dict[str, float | str]:
    """Status and message where a state is not finite, else nothing. The host waits once where all is well.

    Args:
        value: shape `(times, ..)`.
        times: of its rows.
    """
    finite = value.detach().isfinite().reshape(len(times), -1).all(1).tolist()
    if all(finite):
        return {}
    first = finite.index(False)
    message = f"the state is not finite at t = {times[first]:g}"
    if first:
        message += f"; at t = {times[first - 1]:g} {largest(value[first - 1])}"
    return {"status": NOT_FINITE, "message": message}


def largest(state: Tensor) -> str:
    """In words."""
    return f"the largest |y| is {float(state.detach().abs().max()):.3g}" if state.numel() else "there is no entry"
