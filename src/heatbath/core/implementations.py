"""What a plugin implements, checked before it is registered: pluggy lets pass what it can never call rightly."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

import pluggy

from heatbath.core.errors import PluginError
from heatbath.core.hookspecs import Hooks

HOOK_NAMES = tuple(name for name in vars(Hooks) if not name.startswith("_"))
RUN_HOOKS = tuple(name for name in HOOK_NAMES if name.startswith("run_"))


def signature(hook: str) -> str:
    """How a hook is called; an implementation may take any of the arguments.

    >>> signature("run_metrics")
    'run_metrics(run, step, metrics)'
    """
    return f"{hook}({', '.join(_arguments(hook))})"


def check(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse hooks that are misspelt or unmarked, and arguments that a hook does not have or pluggy does not fill.

    Raises:
        PluginError: naming the hook, and what is wrong with it.
    """
    marked = set()
    for name, function, options in _marked(manager, plugin):
        hook = options.get("specname") or name
        marked.add(hook)
        if hook in HOOK_NAMES:
            _check_arguments(hook, function)
        elif not options.get("optionalhook"):
            near = difflib.get_close_matches(hook, HOOK_NAMES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(HOOK_NAMES)}"
            raise PluginError(f"there is no hook {hook!r}; {hint}")
    for name in HOOK_NAMES:
        if name not in marked and callable(inspect.getattr_static(plugin, name, None)):
            raise PluginError(f"{name}: the function lacks `@hookimpl`")
    if not marked:
        raise PluginError(f"implements no hook; there are {', '.join(HOOK_NAMES)}")


def _marked(manager: pluggy.PluginManager, plugin: object) -> Iterator[tuple[str, Any, Any]]:
    for name in dir(plugin):
        if (options := manager.parse_hookimpl_opts(plugin, name)) is not None:
            yield name, getattr(plugin, name), options


def _arguments(hook: str) -> list[str]:
    return list(inspect.signature(getattr(Hooks, hook)).parameters)[1:]


def _check_arguments(hook: str, function: Any) -> None:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise PluginError(f"{hook}: `{parameter.name}` is keyword-only, which pluggy never passes")
        if parameter.name == "self":
            raise PluginError(f"{hook}: belongs to a class; hand over an instance of it")
        if parameter.name not in _arguments(hook):
            raise PluginError(f"{hook}: has no argument `{parameter.name}`; it is called as {signature(hook)}")
