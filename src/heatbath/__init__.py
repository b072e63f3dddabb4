"""heatbath: a host for scientific machine learning and reinforcement-learning simulations, made of plugins."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heatbath.core.api import components, load_run, resume, run
    from heatbath.core.errors import HeatbathError
    from heatbath.core.hookspecs import Component, hookimpl
    from heatbath.core.host import Host
    from heatbath.core.runs import Run

_HOMES = {
    "Component": "hookspecs",
    "HeatbathError": "errors",
    "Host": "host",
    "Run": "runs",
    "components": "api",
    "hookimpl": "hookspecs",
    "load_run": "api",
    "resume": "api",
    "run": "api",
}

__all__ = [
    "Component",
    "HeatbathError",
    "Host",
    "Run",
    "__version__",
    "components",
    "hookimpl",
    "load_run",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first asked for (PEP 562), so that a plugin's entry module stays light."""
    if name == "__version__":
        return version("heatbath")
    if name in _HOMES:
        return getattr(import_module(f"heatbath.core.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'heatbath' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
