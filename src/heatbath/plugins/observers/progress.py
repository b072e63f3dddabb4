"""A progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from heatbath.core.hookspecs import hookimpl

if TYPE_CHECKING:
    from tqdm import tqdm

    from heatbath.core.runs import Run

SHOWN = 4
"""Metrics shown beside the bar."""


class Progress:
    """One bar a run, on standard error, and only where that is a terminal."""

    def __init__(self) -> None:
        self._bars: WeakKeyDictionary[Run, tqdm[Any]] = WeakKeyDictionary()

    @hookimpl
    def run_started(self, run: Run) -> None:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bars[run] = tqdm(
                total=run.clock.total, initial=run.clock.step, desc=run.experiment, unit="step", dynamic_ncols=True
            )

    @hookimpl
    def run_metrics(self, run: Run, step: int, metrics: Mapping[str, float]) -> None:
        if bar := self._bars.get(run):
            bar.update(step - bar.n)
            bar.set_postfix({name: f"{value:.3g}" for name, value in list(metrics.items())[:SHOWN]})

    @hookimpl
    def run_finished(self, run: Run) -> None:
        if bar := self._bars.pop(run, None):
            bar.close()


plugin = Progress()
