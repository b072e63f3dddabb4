"""A run directory: its name, its files, and the lock that lets one process own it."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from heatbath.core.errors import ConfigError, RunError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LOCK = "run.lock"


class RunDirectory:
    """`config.json`, `environment.json`, `metrics.jsonl`, `result.json`, `figures/` and `checkpoints/` of one run."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.environment = self.path / "environment.json"
        self.metrics = self.path / "metrics.jsonl"
        self.result = self.path / "result.json"
        self.figures = self.path / "figures"
        self.checkpoints = self.path / "checkpoints"

    @classmethod
    def named(cls, root: Path, experiment: str, name: str, seed: int) -> RunDirectory:
        """`root/<experiment>/<name>`; without a name, one made of the date and the seed that is still free.

        Raises:
            ConfigError: for a name that is not plain, or that leads out of the root.
        """
        folder = root / experiment.replace("/", "-")
        if name:
            if not NAME.fullmatch(name):
                raise ConfigError(
                    f"--name: expected letters, digits, '.', '_' and '-', a letter or a digit first, got {name!r}"
                )
            if not (folder / name).resolve().is_relative_to(root.resolve()):
                raise ConfigError(f"--name: {name!r} leads out of {root}")
            return cls(folder / name)
        stem = f"{datetime.now():%Y%m%d-%H%M%S}-seed{seed}"
        free = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
        return cls(next(folder / name for name in free if not (folder / name).exists()))

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return self.config.is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the directory. The lock is the operating system's, so it dies with its process.

        Raises:
            RunError: when another process owns it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock, note = FileLock(self.path / LOCK), self.path / "owner"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            owner = ""
            with suppress(OSError):
                owner = f" ({note.read_text().strip()})"
            raise RunError(
                f"{self.path} belongs to another process{owner}; wait for it, or choose another --name"
            ) from None
        try:
            note.write_text(
                f"process {os.getpid()} on {os.uname().nodename if hasattr(os, 'uname') else 'this machine'}\n"
            )
            yield
        finally:
            note.unlink(missing_ok=True)
            lock.release()
            self._leave_nothing()

    def _leave_nothing(self) -> None:
        """A run that was refused before it began leaves no folder behind."""
        if {path.name for path in self.path.iterdir()} <= {LOCK}:
            (self.path / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # the folder of the experiment, if there is no other run in it
                self.path.rmdir()
                self.path.parent.rmdir()

    def history(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`; a last row that a kill has torn is left out."""
        return [row for row, _ in self._rows()]

    def _rows(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        with suppress(FileNotFoundError):
            for line in self.metrics.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield json.loads(line), line
                except ValueError:
                    return

    def append_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a row to `metrics.jsonl`."""
        with self.metrics.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps({"step": step, **finite_or_null(metrics)}) + "\n")

    def forget_after(self, step: int) -> None:
        """Cut `metrics.jsonl` back to a step."""
        if self.metrics.exists():
            write_atomically(self.metrics, b"".join(line for row, line in self._rows() if row["step"] <= step))


def finite_or_null(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN; a measure that is not a finite number is written as null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()}


def write_json(path: Path, value: Any) -> None:
    """Write a file wholly or not at all."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside, fsync, rename."""
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())
    beside.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a folder last, where the system can."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
