"""What the benchmarks share: gates that are printed with what was measured, and the CPU time of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Report:
    """What was measured against what was asked."""

    failed: list[str] = field(default_factory=list)

    def gate(self, what: str, value: float, limit: float, at_least: bool, unit: str = "x") -> None:
        holds = value >= limit if at_least else value <= limit
        sign = ">=" if at_least else "<="
        print(f"    gate  {what}: {value:.3g}{unit} {sign} {limit:g}{unit}  {'holds' if holds else 'FAILS'}")
        if not holds:
            self.failed.append(what)


def cpu_seconds(repeats: int, function: Callable[..., object], *arguments: object) -> float:
    """The fastest of `repeats` calls."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        function(*arguments)
        times.append(time.process_time() - begin)
    return min(times)
