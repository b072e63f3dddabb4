"""Conformance of plugins: light to import, and every promise kept."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

from heatbath.core.errors import MissingExtra
from heatbath.core.host import Host
from heatbath.core.testing.expect import expect

HEAVY = ("torch", "numpy", "scipy", "gymnasium", "mujoco", "matplotlib")


def check_plugin(host: Host, name: str) -> None:
    """Check an installed plugin: its module imports nothing heavy, its targets and options exist.

    Args:
        host: with the plugin loaded.
        name: its entry point.

    Raises:
        ConformanceError: saying what is wrong.
    """
    row = next((row for row in host.plugins if row.name == name), None)
    expect(row is not None, f"no plugin {name!r}; there are {', '.join(row.name for row in host.plugins)}")
    assert row is not None
    expect(row.status == "loaded", f"{name}: {row.detail}")
    for kind, record in host.snapshot():
        if record.plugin != name:
            continue
        component = record.component
        if not _present(host, kind, component.name):
            continue
        expect(callable(host.target(kind, component.name)) or kind == "tables", f"{component.name}: not callable")
        options = host.options_type(kind, component.name)
        if options is None:
            continue
        frozen = dataclasses.is_dataclass(options) and options.__dataclass_params__.frozen  # type: ignore[attr-defined]
        expect(frozen, f"{component.name}: {options.__name__} must be a frozen dataclass")
        options()  # every option has a default
    modules = {
        r.component.config.partition(":")[0] for _, r in host.snapshot() if r.plugin == name and r.component.config
    }
    _check_light(name, sorted(modules))


def _present(host: Host, kind: str, name: str) -> bool:
    """Whether the component's extra is installed; what needs one that is not cannot be looked at here."""
    try:
        host.target(kind, name)
    except MissingExtra:
        return False
    return True


def _check_light(name: str, modules: list[str]) -> None:
    code = (
        "import sys, importlib; from heatbath import Host\n"
        f"Host(strict=True).load({name!r})\n"
        f"[importlib.import_module(module) for module in {modules!r}]\n"
        f"print(*(module for module in {HEAVY!r} if module in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"{name}: {done.stderr.strip()[-500:]}")
    expect(not done.stdout.strip(), f"{name}: registering it, or reading its options, imports {done.stdout.strip()}")
