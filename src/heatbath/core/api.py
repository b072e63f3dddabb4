"""The Python API: run an experiment, read a run back, see what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from heatbath.core import loop
from heatbath.core.config import read_run, to_argv
from heatbath.core.directory import RunDirectory
from heatbath.core.hookspecs import KINDS
from heatbath.core.host import Host
from heatbath.core.runs import Run


def run(experiment: str, /, *, host: Host | None = None, **config: Any) -> Run:
    """Run an experiment to its end.

    Args:
        experiment: a registered name, as `heatbath list experiments` shows.
        host: the plugins; those that are installed when None.
        config: options as on the command line: `steps=500`, `alpha=0.2`, and for a component with options of its own a
            mapping with its name as `use`: `alpha={"use": "acme/cosine", "start": 0.3}`.

    Returns:
        The run, with its `metrics`, `figures`, `history()` and built `task`.

    Raises:
        ConfigError: for an unknown name or option, or a value of the wrong type or out of range.
        NotFinite: when it diverges.
    """
    return run_argv(host or Host().load(), experiment, to_argv(config))


def run_argv(
    host: Host, experiment: str, argv: Sequence[str], note: Callable[[Path], None] = lambda place: None
) -> Run:
    """`run`, with the options as arguments; `note` is told the run directory before the first step."""
    options, plan, place = read_run(host, experiment, argv)
    files = RunDirectory.named(place.runs, experiment, place.name, plan.seed)
    with files.locked():
        made = Run(host, experiment, options, plan, files.path, {"tensorboard": place.tensorboard})
        loop.start(made)
        note(made.directory)
        loop.advance(made)
    return made


def load_run(path: Path | str, host: Host | None = None, step: int | None = None) -> Run:
    """A run from its directory: its numbers at once, its `task` built from a checkpoint when first asked for.

    Args:
        path: the run directory.
        host: the plugins; those that are installed when None.
        step: of the checkpoint, such as `run.best["step"]`; the newest when None.

    Raises:
        RunError: where there is no run, or, when the task is asked for, no such checkpoint.
    """
    found = Run.load(path, host or Host().load())
    found.at = step
    return found


def resume(
    path: Path | str,
    *,
    host: Host | None = None,
    steps: int | None = None,
    allow_drift: bool = False,
    note: Callable[[Path], None] = lambda place: None,
) -> Run:
    """Go on from the newest sound checkpoint to the end; a run that has ended is left as it is.

    Args:
        path: the run directory.
        host: the plugins; those that are installed when None.
        steps: a new total, to train longer; schedules stretch to it, so this is not the run that it would have been.
        allow_drift: go on although a component's version or target has changed.
        note: told the run directory before the first step.

    Raises:
        Drift: when components have changed.
        RunError: where there is no run, or another process owns it.
    """
    restored = load_run(path, host)
    with restored.files.locked():
        if restored.status in ("finished", "collapsed") and steps in (None, restored.plan.steps):
            return restored
        if steps is not None and steps != restored.plan.steps:
            restored = Run(
                restored.host, restored.experiment, restored.config, replace(restored.plan, steps=steps),
                restored.directory, restored.watched,
            )  # fmt: skip
        loop.restore(restored, allow_drift)
        note(restored.directory)
        loop.advance(restored)
    return restored


def components(kind: str | None = None, host: Host | None = None) -> dict[str, list[str]]:
    """Registered names by kind.

    Raises:
        ConfigError: for a kind that there is not.

    >>> "mse" in components("losses")["losses"]
    True
    """
    host = host or Host().load()
    return {name: host.names(name) for name in ([kind] if kind else KINDS)}
