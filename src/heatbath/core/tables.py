"""What a published table is: rows of options, and the values that were published. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        name: letters, digits, '.', '_' and '-'; also the folder of its runs.
        options: what distinguishes it, as for `heatbath.run`.
        published: the published value of a metric, or `(value, spread)`.
        note: what a reader must know.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float | tuple[float, float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A published table: which experiment, which rows, which metrics, and where the published values stand.

    Among the metrics may be `wall_seconds` and `cpu_seconds`, what a run cost.
    """

    experiment: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    source: str
