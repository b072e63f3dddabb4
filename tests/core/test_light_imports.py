"""Help, lists and descriptions leave the heavy packages out of `sys.modules`."""

import pytest

from heatbath import Host
from heatbath.core.hookspecs import KINDS

HEAVY = ("torch", "numpy", "scipy", "gymnasium", "mujoco", "matplotlib")
PROBE = """
import io, sys
from contextlib import redirect_stdout, suppress

def look(what):
    if found := [name for name in {heavy!r} if name in sys.modules]:
        print(what, "imports", *found)
        sys.exit()

import heatbath
look("heatbath itself")
from heatbath.core.cli import main
look("the command line")
for line in {lines!r}:
    with redirect_stdout(io.StringIO()) as page, suppress(SystemExit):
        code = main(line.split())
    if not page.getvalue():
        print(line, "printed nothing, exit code", code)
    look(line)
print("done")
"""


@pytest.fixture
def probe(python):
    """A function that carries out command lines in one fresh process, and gives what was imported too much."""

    def run(lines, *folders, **environment):
        done = python(PROBE.format(heavy=HEAVY, lines=lines), *folders, HEATBATH_STRICT="1", **environment)
        assert not done.stderr
        return done.stdout.splitlines()

    return run


def test_commands_that_run_nothing_import_nothing_heavy(probe):
    lines = ["", "--help", "--version", "list", "plugins", "run --help", "run", "resume --help", "reproduce --help"]
    lines += [f"list {kind}" for kind in KINDS]
    assert probe([*lines, "list --help", "describe --help", "plugins --help"]) == ["done"]


def test_describing_any_component_imports_nothing_heavy(probe):
    host = Host().load()
    names = sorted({name for kind in KINDS for name in host.names(kind)})
    assert "mse" in names
    assert probe([f"describe {name}" for name in names]) == ["done"]


def test_the_help_of_any_experiment_imports_nothing_heavy(probe):
    names = Host().load().names("experiments")
    assert "gtf.lorenz63" in names
    assert probe([f"run {name} --help" for name in names]) == ["done"]


def test_an_option_that_is_wrong_is_refused_before_anything_heavy_is_imported(python):
    code = (
        "import sys; from heatbath.core.cli import main\n"
        "assert main(['run', 'gtf.lorenz63', '--window', '0']) == 2\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    assert python(code).stdout == "\n"


PLUGIN = """
{first}
from heatbath import Component, hookimpl

@hookimpl
def register_losses(register):
    register(Component("fat/loss", "a loss", "fat_losses:Loss", "fat_options:Options"))
"""
OPTIONS = """
{first}
from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    power: int = 1
"""


@pytest.mark.parametrize(
    ("plugin", "options", "said"),
    [
        ("import numpy", "", "list imports numpy"),
        ("", "import numpy", "describe fat/loss imports numpy"),
        ("", "", "done"),
    ],
)
def test_the_probe_sees_a_plugin_that_is_not_light(probe, install, plugin, options, said):
    folder = install(
        "fat-parts",
        {"fat": "fat_parts"},
        fat_parts=PLUGIN.format(first=plugin),
        fat_options=OPTIONS.format(first=options),
        fat_losses="import torch",
    )
    assert probe(["list", "describe fat/loss"], folder, HEATBATH_PLUGINS="fat") == [said]
