"""Text for a terminal: aligned columns, numbers, the table at the end of a run."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Page(io.StringIO):
    """Catches text for a terminal of this encoding: where that is UTF-8, tyro draws its boxes with lines."""

    def __init__(self, encoding: str | None = None) -> None:
        super().__init__()
        self._encoding = encoding or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def columns(rows: Iterable[Sequence[str]], gap: str = "  ") -> str:
    """Rows with their cells aligned to the left.

    A column without any text takes no room.

    >>> print(columns([("a", "", "bb"), ("ccc", "", "d")]))
    a    bb
    ccc  d
    """
    table = [tuple(row) for row in rows]
    widths = [max(len(row[i]) for row in table if i < len(row)) for i in range(max(map(len, table), default=0))]
    cells = ([c.ljust(width) for c, width in zip(row, widths, strict=False) if width] for row in table)
    return "\n".join(gap.join(row).rstrip() for row in cells)


def number(value: float | None) -> str:
    """Four significant digits; a dash for nothing.

    >>> number(0.123456), number(float("nan")), number(None)
    ('0.1235', 'nan', '-')
    """
    if value is None:
        return "-"
    return f"{value:.4g}" if math.isfinite(value) else str(value)


def result_table(metrics: Mapping[str, float], references: Mapping[str, Mapping[str, float | None]]) -> str:
    """Metrics of a run, with a column for each set of values to hold them against."""
    heads = ("metric", "this run", *references)
    body = (
        (name, number(value), *(number(column.get(name)) for column in references.values()))
        for name, value in metrics.items()
    )
    return columns([heads, *body])


def option_lines(options: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Options of a table as `name value` lines, nested names with dots."""
    lines = []
    for key, value in options.items():
        if isinstance(value, Mapping):
            lines += option_lines(value, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key} {value}".replace(".use ", " "))
    return lines
