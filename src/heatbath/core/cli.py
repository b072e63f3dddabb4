"""The command line. Torch is imported only to run."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from heatbath.core import listing
from heatbath.core.config import merge, read_run, take, to_argv
from heatbath.core.errors import ConfigError, HeatbathError, NotFinite, RunError
from heatbath.core.hookspecs import KINDS
from heatbath.core.host import Host
from heatbath.core.text import result_table

HELP = """\
usage: heatbath [--plugins all|none|a,b] COMMAND ...

Compose experiments of scientific machine learning and reinforcement learning from plugins, and run them.

  run EXPERIMENT [--key value ...]        run an experiment: heatbath run gtf.lorenz63 --seed 1
  resume [RUN]                            go on with a run that was cut off, from its newest checkpoint
  reproduce TABLE --seeds 1:4             make a published table again: medians over seeds beside its values
  list [KIND]                             what there is: experiments, losses, solvers, schedules, ...
  describe NAME                           one component: what it is, where it comes from, its options
  plugins                                 which plugins are installed, and why one failed

`heatbath COMMAND --help` says more. Runs are written to runs/<experiment>/<name>/, and each can be read back with
heatbath.load_run(path). HEATBATH_PLUGINS=all|none|a,b says which plugins load, HEATBATH_STRICT=1 makes a failing one an
error.
"""

RUN_HELP = """\
usage: heatbath run EXPERIMENT [--config FILE.toml] [--key value ...]

Run an experiment to its end and print what it found. All that is chosen by name can be swapped, with its options:

  heatbath run gtf.lorenz63 --steps 2000 --alpha 0.2
  heatbath run gtf.lorenz63 --losses.smooth acme/jerk --losses.smooth.power 1 --losses.smooth.weight 0.01

A file given with --config is read first, and the arguments win; --preset NAME does the same with published settings
that the experiment knows (`heatbath describe EXPERIMENT`). `heatbath run EXPERIMENT --help` lists all options.
"""

REPRODUCE_HELP = """\
usage: heatbath reproduce TABLE --seeds A:B [--runs DIR] [--key value ...]

Make a registered table of runs, one run after the other, and print medians over seeds beside the published values.
Runs that have ended are kept, one that was cut off is resumed: to go on with a table, give the same command again.

  heatbath reproduce gtf.lorenz63 --seeds 1:4            seeds 1, 2 and 3
  heatbath reproduce gtf.lorenz63 --seeds 7 --steps 500  another length for every run

Other options are given to every run.
"""


def entry() -> NoReturn:
    """The `heatbath` command: `main`, in a process that has numpy's threads to itself."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # a run computes on one thread, whose count changes bits
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough; a shell says 128 + SIGPIPE
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def main(argv: Sequence[str] | None = None, host: Host | None = None) -> int:
    """Carry out a command line.

    Args:
        argv: the words after `heatbath`; those of this process when None.
        host: the plugins; loaded when None.

    Returns:
        0, or 1 for a run that diverged, 2 for what was asked wrongly, 130 after Ctrl-C.
    """
    with _logging_to_stderr():
        try:
            return _main(list(sys.argv[1:] if argv is None else argv), host)
        except HeatbathError as error:
            print(f"heatbath: {' '.join(str(error).split())}", file=sys.stderr)
            return 1 if isinstance(error, NotFinite) else 2
        except KeyboardInterrupt:
            return 130


def _main(argv: list[str], host: Host | None) -> int:
    switch = None
    while argv and argv[0].startswith("-"):
        option, equals, value = argv.pop(0).partition("=")
        if option in ("-h", "--help"):
            print(HELP, end="")
            return 0
        if option == "--version":
            print(listing.version_line())
            return 0
        if option != "--plugins":
            raise ConfigError(f"unknown option {option}; before the command go --plugins, --version and --help")
        if not (equals or argv):
            raise ConfigError("--plugins needs a value: all, none, or names of plugins joined by commas")
        switch = value if equals else argv.pop(0)
    if not argv:
        print(HELP, end="")
        return 0
    command = _command(argv.pop(0))
    if host is None:
        host = Host().load(switch)
        for name, reason in host.failed.items():
            logging.getLogger("heatbath").warning("plugin %s failed: %s", name, reason)
    return COMMANDS[command](host, argv)


def _command(name: str) -> str:
    if name in COMMANDS:
        return name
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
    raise ConfigError(f"no command {name!r}; {hint}")


# Commands


def _run(host: Host, argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(RUN_HELP)
        print(listing.listing(host, ["experiments"]))
        return 0 if argv else 2
    experiment, *rest = argv
    argv = _with_file(rest)
    read_run(host, experiment, argv)  # complain, or help, before torch is imported
    from heatbath.core import api

    with _resumable() as note:
        run = api.run_argv(host, experiment, argv, note)
    return _conclude(run)


def _resume(host: Host, argv: list[str]) -> int:
    parser = _Parser("resume", "Go on with a run, from its newest sound checkpoint, to its end.")
    parser.add_argument("run", nargs="?", type=Path, help="run directory (default: the newest that has not ended)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where to look for the newest (default: runs)")
    parser.add_argument("--steps", type=int, help="a new total, to train longer; schedules stretch to it")
    parser.add_argument("--allow-drift", action="store_true", help="go on although a component's version has changed")
    chosen = parser.parse_args(argv)
    place = chosen.run or _newest_unfinished(chosen.runs)
    from heatbath.core import api

    with _resumable() as note:
        run = api.resume(place, host=host, steps=chosen.steps, allow_drift=chosen.allow_drift, note=note)
    return _conclude(run)


def _reproduce(host: Host, argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(REPRODUCE_HELP)
        print(listing.listing(host, ["tables"]))
        return 0 if argv else 2
    table, *rest = argv
    host.record("tables", table)
    rest, seeds = take(rest, "--seeds")
    rest, runs = take(rest, "--runs")
    if seeds is None:
        raise ConfigError("--seeds is needed: a:b (a to b - 1) or a,b,c")
    from heatbath.core import reproduce

    text = reproduce.reproduce(
        host, table, reproduce.parse_seeds(seeds), Path(runs or "runs"), rest, lambda line: print(line, file=sys.stderr)
    )
    print(text)
    return 0


def _list(host: Host, argv: list[str]) -> int:
    parser = _Parser("list", "List what there is to choose from.")
    parser.add_argument("kind", nargs="?", metavar="KIND", help=", ".join(KINDS))
    chosen = parser.parse_args(argv)
    print(listing.listing(host, [chosen.kind] if chosen.kind else KINDS))
    return 0


def _describe(host: Host, argv: list[str]) -> int:
    parser = _Parser("describe", "Say what a component is, where it comes from, and what its options are.")
    parser.add_argument("name", help="a name that `heatbath list` shows")
    print(listing.describe(host, parser.parse_args(argv).name))
    return 0


def _plugins(host: Host, argv: list[str]) -> int:
    _Parser("plugins", "List the installed plugins, what each offers, and why one failed.").parse_args(argv)
    print(listing.plugins(host))
    return 0


COMMANDS: dict[str, Callable[[Host, list[str]], int]] = {
    "run": _run,
    "resume": _resume,
    "reproduce": _reproduce,
    "list": _list,
    "describe": _describe,
    "plugins": _plugins,
}


# Parts


class _Parser(argparse.ArgumentParser):
    """argparse, complaining in one line."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(f"heatbath {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog.removeprefix('heatbath ')}: {message}")


def _with_file(argv: Sequence[str]) -> list[str]:
    """Arguments behind those of the file that `--config` names."""
    rest, path = take(argv, "--config")
    if path is None:
        return rest
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config: {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config: {path} is not TOML: {error}") from None
    return merge(to_argv(table), rest)


def _newest_unfinished(runs: Path) -> Path:
    found = [p.parent for p in runs.rglob("config.json") if not (p.parent / "result.json").exists()]
    if not found:
        raise RunError(f"no run under {runs} waits to be resumed; name a run directory")
    return max(found, key=lambda place: (place / "config.json").stat().st_mtime)


@contextmanager
def _resumable() -> Iterator[Callable[[Path], None]]:
    """Tell where a run is written, and how to go on after Ctrl-C."""
    places: list[Path] = []

    def note(place: Path) -> None:
        places.append(place)
        print(f"heatbath: writing {place}", file=sys.stderr)

    try:
        yield note
    except KeyboardInterrupt:
        if places:
            print(
                f"\nheatbath: interrupted; go on with: heatbath resume {shlex.quote(str(places[0]))}", file=sys.stderr
            )
        raise


def _conclude(run: object) -> int:
    """Print what a run found."""
    from heatbath.core.runs import Run

    assert isinstance(run, Run)
    result = run.result or {}
    print(f"{run.experiment}: {run.status} at step {result.get('step')}, seed {run.plan.seed}")
    print()
    best, last = result.get("best"), result.get("step")
    columns = {f"best, step {best['step']}": best["metrics"]} if best and best["step"] != last else {}
    print(result_table(run.metrics, {**columns, **result.get("references", {})}))
    print()
    for path in run.figures.values():
        print(f"figure  {path}")
    print(f"run     {run.directory}")
    return 0


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("heatbath"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("heatbath: %(message)s"))
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
