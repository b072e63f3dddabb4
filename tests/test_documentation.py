"""What the README and the docs show, works: blocks of Python run, commands parse, scripts end."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from heatbath.core.config import read_run
from heatbath.core.host import Host
from heatbath.core.reproduce import parse_seeds
from heatbath.testing import invoke

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEPS = {
    "first_run.py": "100",
    "own_cell.py": "50",
    "compare_forcing.py": "100",
    "own_loss.py": "100",
    "cut_and_resume.py": "400",
}

if not (ROOT / "docs").is_dir():
    pytest.skip("the documentation is not part of an installed package", allow_module_level=True)


def blocks(language: str) -> list[object]:
    found = []
    for page in PAGES:
        matches = (m for m in FENCE.finditer(page.read_text(encoding="utf-8")) if m[1] == language)
        name = page.relative_to(ROOT).as_posix()
        found += [pytest.param(m[2], id=f"{name}-{number}") for number, m in enumerate(matches, 1)]
    return found


def commands() -> list[object]:
    lines = {}
    for page in PAGES:
        for match in FENCE.finditer(page.read_text(encoding="utf-8")):
            if match[1] == "console":
                text = match[2].replace("\\\n", " ")
                for line in text.splitlines():
                    lines.setdefault(" ".join(line.removeprefix("$ ").split()), page)
    return [line for line in lines if line.startswith("heatbath ")]


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Host:
    """heatbath's own plugins and the example's, whether that is installed or not."""
    host = Host(strict=True).load()
    if not any(row.name == "acme" for row in host.plugins):
        monkeypatch.syspath_prepend(ROOT / "examples/heatbath-acme/src")
        host.add(importlib.import_module("heatbath_acme"), "acme", "heatbath-acme", "0.1.0")
    return host


@pytest.mark.parametrize("block", blocks("python"))
def test_a_block_of_python_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "<documentation>", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("line", commands())
def test_a_command_is_understood(line: str, everything: Host, tmp_path: Path) -> None:
    _, command, *words = shlex.split(line, comments=True)
    if command == "run" and "--help" not in words and "--config" not in words:
        read_run(everything, words[0], words[1:])
    elif command == "reproduce" and "--help" not in words:
        everything.record("tables", words[0])
        assert parse_seeds(words[words.index("--seeds") + 1])
    elif command in ("list", "describe", "plugins") or "--help" in words:
        assert invoke([command, *words], everything, cwd=tmp_path).exit_code == 0
    else:
        assert invoke([command, "--help"], everything, cwd=tmp_path).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "examples/scripts").glob("*.py")))
def test_an_example_script_ends_well(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/scripts" / script), STEPS[script]]
    environment = {**os.environ, "HEATBATH_STRICT": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if script == "cut_and_resume.py":
        assert "equal in every bit: True" in done.stdout
