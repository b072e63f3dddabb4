"""The command line inside this process, for tests."""

from __future__ import annotations

import io
import os
import shlex
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from heatbath.core.cli import main
from heatbath.core.host import Host


@dataclass(frozen=True)
class Invocation:
    """What a command answered."""

    exit_code: int
    stdout: str
    stderr: str


def invoke(line: str | list[str], host: Host | None = None, cwd: Path | str = os.curdir) -> Invocation:
    """Carry out a command line, and catch what it prints.

    >>> invoke("list schedules").exit_code
    0
    """
    argv = shlex.split(line) if isinstance(line, str) else line
    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(argv, host)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
    return Invocation(code, out.getvalue(), err.getvalue())
