"""Counting, by name and by section."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(repr=False)
class Counts:
    """Launches, synchronisations and uploads of a section, each a `Counter` by the operation's name."""

    launched: Counter[str] = field(default_factory=Counter)
    synchronised: Counter[str] = field(default_factory=Counter)
    uploaded: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)

    @property
    def launches(self) -> int:
        return self.launched.total()

    @property
    def syncs(self) -> int:
        return self.synchronised.total()

    @property
    def uploads(self) -> int:
        return self.uploaded.total()

    def copied(self) -> Counts:
        return Counts(*(Counter(counter) for counter in (self.launched, self.synchronised, self.uploaded, self.places)))

    def __repr__(self) -> str:
        """What a failing assertion should show.

        >>> Counts(Counter(mm=2), Counter(nonzero=1))
        2 launches (2 mm), 1 synchronisation (1 nonzero), 0 uploads
        """
        parts = []
        for word, counter in (
            ("launch", self.launched),
            ("synchronisation", self.synchronised),
            ("upload", self.uploaded),
        ):
            total = counter.total()
            plural = "" if total == 1 else "es" if word.endswith("ch") else "s"
            names = ", ".join(f"{count} {name}" for name, count in counter.most_common())
            parts.append(f"{total} {word}{plural}" + (f" ({names})" if names else ""))
        where = "".join(f"\n  waits: {count} at {place}" for place, count in self.places.most_common())
        return ", ".join(parts) + where


open_counts: list[Counts] = []
"""Whom a launch is told to: the accelerator of `emulated()`, and the sections that are open."""


@contextmanager
def section(counts: Counts) -> Iterator[Counts]:
    """Count into `counts` for a while."""
    open_counts.append(counts)
    try:
        yield counts
    finally:
        open_counts[:] = [other for other in open_counts if other is not counts]


def count(kind: str, name: str, times: int = 1) -> None:
    """`kind` is `launched`, `synchronised` or `uploaded`."""
    if times == 0:
        return
    for counts in open_counts:
        getattr(counts, kind)[name] += times
        if kind == "synchronised":
            counts.places[f"{name}: {_caller()}"] += times


_HERE = str(Path(__file__).parent)


def _caller() -> str:
    """The nearest line of code that is neither torch's nor the emulation's."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_HERE) and "/torch/" not in path and not path.startswith("<"):
            return f"{Path(path).name}:{frame.f_lineno}"
        frame = frame.f_back
    return "unknown"
