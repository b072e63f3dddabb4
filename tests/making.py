"""Plugins made on the spot: in this process, or as distributions on `sys.path`."""

import importlib
import os
import subprocess
import sys
from types import ModuleType

import pytest

from heatbath.core.discovery import Offer
from heatbath.core.hookspecs import Component, hookimpl


def make_plugin(**hooks):
    """A module with these hooks; a list of components stands for a hook that registers them."""
    module = ModuleType("made")
    for name, hook in hooks.items():
        function = _registering(hook) if isinstance(hook, list) else hook
        setattr(module, name, function if hasattr(function, "heatbath_impl") else hookimpl(function))
    return module


def _registering(components):
    def hook(register):
        for component in components:
            register(component)

    return hook


def make_loss(name, **parts):
    return Component(name, "a loss", "made.losses:Loss", **parts)


def make_offer(name, plugin=None, distribution="acme-parts", version="1.0"):
    """An installed plugin; an exception instead of a plugin is raised when it is loaded."""

    def load():
        if isinstance(plugin, BaseException):
            raise plugin
        return plugin if plugin is not None else make_plugin(register_losses=[make_loss(f"{name}/loss")])

    return Offer(name, distribution, version, load)


@pytest.fixture
def parts(monkeypatch):
    """A function that makes an importable module of attributes, for targets such as `parts_of_a_test:Options`."""

    def make(name="parts_of_a_test", **attributes):
        module = ModuleType(name)
        for key, value in attributes.items():
            setattr(module, key, value)
        monkeypatch.setitem(sys.modules, name, module)
        return name

    return make


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that writes a distribution with entry points into a folder of its own, and gives that folder.

    Modules are given as source by name, and forgotten when the test is over.
    """
    names = set()

    def write(distribution, entry_points, version="1.0", **modules):
        folder = tmp_path / "site" / f"{distribution}-{version}"
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[heatbath.plugins]\n{lines}\n")
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
            names.add(name)
        importlib.invalidate_caches()
        return folder

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def python(tmp_path):
    """A function that runs a program in a fresh interpreter, in an empty folder, with more folders on its path."""

    def run(code, *folders, **environment):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HEATBATH_")}
        path = os.pathsep.join(map(str, folders))
        place = tmp_path / "elsewhere"
        place.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=place,
            env={**clean, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
