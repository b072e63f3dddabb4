"""Published tables, made again: rows of runs, a few seeds each, ours beside what was published."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from heatbath.core import api, loop
from heatbath.core.config import merge, read_run, to_argv
from heatbath.core.directory import finite_or_null, write_atomically, write_json
from heatbath.core.errors import ConfigError, RunError
from heatbath.core.host import Host
from heatbath.core.runs import Run
from heatbath.core.tables import Table
from heatbath.core.text import columns, number

logger = logging.getLogger("heatbath")

COSTS = ("wall_seconds", "cpu_seconds")
"""Columns of a table that are not metrics; those of a run that was resumed are of its last part."""


@dataclass(frozen=True)
class Cell:
    """A metric over seeds: median and median absolute deviation (raw) of the finite values, and how many are not."""

    values: tuple[float, ...]

    def __str__(self) -> str:
        finite = [value for value in self.values if math.isfinite(value)]
        if not finite:
            return "nan" if self.values else "-"
        middle = median(finite)
        spread = f" ± {number(median(abs(v - middle) for v in finite))}" if len(finite) > 1 else ""
        lost = f" ({len(finite)} of {len(self.values)})" if len(finite) < len(self.values) else ""
        return f"{number(middle)}{spread}{lost}"


def parse_seeds(text: str) -> list[int]:
    """Seeds from `a:b` (a to b - 1) or `a,b,c`.

    Raises:
        ConfigError: for anything else.

    >>> parse_seeds("1:4"), parse_seeds("7,9")
    ([1, 2, 3], [7, 9])
    """
    try:
        if ":" in text:
            first, _, last = text.partition(":")
            seeds = list(range(int(first or 0), int(last)))
        else:
            seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0:
        raise ConfigError(f"--seeds: expected a:b (a to b - 1) or a,b,c, numbers from 0 on, got {text!r}")
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds: a seed counts once, got {text!r}")
    return seeds


def reproduce(
    host: Host,
    name: str,
    seeds: Sequence[int],
    root: Path = Path("runs"),
    argv: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Make a registered table, run after run; runs that have ended are kept, one that was cut off is resumed.

    Args:
        host: the plugins.
        name: the table.
        seeds: of the runs of each row.
        root: folder of all runs; the table's are under `tables/<name>`.
        argv: options given to every run, over those of the rows.
        say: told what is under way.

    Returns:
        The table as text; also written to `table.md` and `table.json` beside the runs.
    """
    target = host.target("tables", name)
    table: Table = target if isinstance(target, Table) else target()
    folder = root / "tables" / name.replace("/", "-")
    made: dict[str, list[Run]] = {}
    total, done = len(table.rows) * len(seeds), 0
    for row in table.rows:
        for seed in seeds:
            done += 1
            say(f"[{done}/{total}] {row.name}, seed {seed}")
            options = merge(to_argv(row.options), [*argv, "--seed", str(seed)])
            run = _made(host, table.experiment, options, folder / row.name / f"seed-{seed}")
            say(f"[{done}/{total}] {row.name}, seed {seed}: {run.status}")
            made.setdefault(row.name, []).append(run)
    text = _render(name, table, made, seeds, argv)
    write_atomically(folder / "table.md", text.encode())
    write_json(folder / "table.json", _data(table, made))
    return text


def _made(host: Host, experiment: str, argv: Sequence[str], folder: Path) -> Run:
    """The run of one cell, made, resumed or found; one that diverges or fails is a result too."""
    options, plan, _ = read_run(host, experiment, argv)
    wanted = Run(host, experiment, options, plan, folder)
    if wanted.files.exists:
        found = api.load_run(folder, host)
        if {**found.table(), "watched": {}} != {**wanted.table(), "watched": {}}:
            raise RunError(f"{folder} was made with other options; choose another --runs, or remove it")
        if found.status == "diverged":
            return found
    try:
        if wanted.files.exists:
            return api.resume(folder, host=host)
        with wanted.files.locked():
            loop.start(wanted)
            loop.advance(wanted)
    except RunError:
        raise
    except Exception as error:
        if not wanted.files.result.exists():
            raise
        logger.warning("%s: %s: %s", folder, type(error).__name__, error)
    return wanted


def _cells(table: Table, runs: Sequence[Run]) -> Iterator[tuple[str, Cell]]:
    """What a run measured before it diverged or failed does not count: it has no last checkpoint to judge."""
    for metric in table.metrics:
        yield metric, Cell(tuple(_value(run, metric) for run in runs))


def _value(run: Run, metric: str) -> float:
    """A metric of the last evaluation, or what the run cost; of a run that diverged or failed, neither."""
    if run.status not in ("finished", "collapsed"):
        return math.nan
    if metric in COSTS:
        return float((run.result or {}).get(metric, math.nan))
    return run.metrics.get(metric, math.nan)


def _best(table: Table, runs: Sequence[Run]) -> Iterator[Cell]:
    """The evaluation of each run with the smallest score, chosen after the fact."""
    values = [(run.best or {}).get("metrics", {}) for run in runs]
    for metric in table.metrics:
        yield Cell(tuple(math.nan if (v := one.get(metric)) is None else v for one in values))


def _published(value: float | tuple[float, float] | None) -> str:
    return f"{number(value[0])} ± {number(value[1])}" if isinstance(value, tuple) else number(value)


def _render(
    name: str, table: Table, made: Mapping[str, Sequence[Run]], seeds: Sequence[int], argv: Sequence[str]
) -> str:
    heads = ("row", "", *table.metrics, "ended")
    lines = [heads]
    for row in table.rows:
        ended = Counter(run.status for run in made[row.name])
        counts = ", ".join(f"{count} {status}" for status, count in sorted(ended.items()))
        lines.append((row.name, "ours", *(str(cell) for _, cell in _cells(table, made[row.name])), counts))
        if any(run.best for run in made[row.name]):
            lines.append(("", "ours, best", *(str(cell) for cell in _best(table, made[row.name])), ""))
        if row.published:
            lines.append(("", "published", *(_published(row.published.get(metric)) for metric in table.metrics), ""))
    changed = f", with {' '.join(argv)}" if argv else ""
    notes = [f"{row.name}: {row.note}" for row in table.rows if row.note]
    about = f"{name}: median ± MAD over seeds {', '.join(map(str, seeds))}, last checkpoint{changed}"
    return "\n".join([about, "", columns(lines), "", *notes, f"published: {table.source}", ""])


def _kept(run: Run) -> dict[str, Any] | None:
    return run.best and {**run.best, "metrics": finite_or_null(run.best["metrics"])}


def _data(table: Table, made: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    return {
        "experiment": table.experiment,
        "source": table.source,
        "rows": [
            {
                "name": row.name,
                "options": json.loads(json.dumps(dict(row.options))),
                "published": dict(row.published),
                "runs": [
                    {"seed": r.plan.seed, "status": r.status, "metrics": finite_or_null(r.metrics), "best": _kept(r)}
                    for r in made[row.name]
                ],
            }
            for row in table.rows
        ],
    }
