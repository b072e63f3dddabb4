"""The host: who offers what, found one plugin at a time, imported only when used. Imports nothing heavy."""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from heatbath.core import discovery
from heatbath.core.discovery import Offer
from heatbath.core.errors import ConfigError, Drift, HeatbathError, MissingExtra, PluginError
from heatbath.core.hookspecs import KINDS, SERVING, Component, Hooks

if TYPE_CHECKING:
    from heatbath.core.runs import Run

logger = logging.getLogger("heatbath")

HOOK_NAMES = tuple(name for name in vars(Hooks) if not name.startswith("_"))
RUN_HOOKS = tuple(name for name in HOOK_NAMES if name.startswith("run_"))
LOCAL = "(local)"
"""The distribution of a plugin that was handed over as an object."""


@dataclass(frozen=True, slots=True)
class Record:
    """A component and where it came from."""

    component: Component
    plugin: str
    distribution: str
    version: str

    @property
    def source(self) -> str:
        return f"plugin {self.plugin} ({self.distribution} {self.version})".replace(" )", ")")


@dataclass(frozen=True, slots=True)
class PluginRow:
    """One line of `heatbath plugins`; `detail` counts what a loaded plugin offers, or says why it failed."""

    name: str
    distribution: str
    version: str
    status: Literal["loaded", "failed", "off"]
    detail: str


class Host:
    """Tables of components and the run hooks; the only place that touches pluggy.

    >>> host = Host().load()
    >>> "mse" in host.names("losses")
    True
    """

    def __init__(self, *, strict: bool | None = None) -> None:
        self._manager = pluggy.PluginManager("heatbath")
        self._manager.add_hookspecs(Hooks)
        self._tables: dict[str, dict[str, Record]] = {kind: {} for kind in KINDS}
        self._strict = discovery.strict_by_environment() if strict is None else strict
        self.plugins: list[PluginRow] = []

    # Loading

    def load(self, switch: str | None = None, *, offers: Iterable[Offer] | None = None) -> Host:
        """Load installed plugins one by one; a failing one costs only itself, and becomes a row in `plugins`.

        Args:
            switch: `all`, `none` or names joined by commas; `None` asks `HEATBATH_PLUGINS`, else loads all.
            offers: what to choose from, when not what is installed.

        Raises:
            ConfigError: when the switch names a plugin that is not installed.
            PluginError: when a plugin fails and the host is strict.
        """
        wanted, unwanted = discovery.select(discovery.installed() if offers is None else offers, switch)
        taken = {row.name for row in self.plugins if row.status == "loaded"}
        times = Counter(offer.name for offer in wanted)
        for offer in sorted(wanted, key=lambda o: (not o.first_party, o.name, o.distribution)):
            rivals = [o for o in wanted if o.name == offer.name and o is not offer]
            if offer.name in taken or (times[offer.name] > 1 and not offer.first_party):
                others = " and ".join(f"{o.distribution} {o.version}" for o in rivals) or "a plugin that is loaded"
                self._fail(offer, f"the name {offer.name!r} is also offered by {others}")
                continue
            self._load_one(offer)
        for offer in unwanted:
            self.plugins.append(PluginRow(offer.name, offer.distribution, offer.version, "off", "not selected"))
        self.plugins.sort(key=lambda row: (row.name, row.distribution))
        return self

    def _load_one(self, offer: Offer) -> None:
        try:
            self.add(offer.load(), offer.name, offer.distribution, offer.version)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            expected = isinstance(error, HeatbathError | pluggy.PluginValidationError)
            self._fail(offer, str(error) if expected else f"{type(error).__name__}: {error}", error)

    def _fail(self, offer: Offer, reason: str, cause: BaseException | None = None) -> None:
        reason = " ".join(reason.split())
        if self._strict:
            message = f"plugin {offer.name} ({offer.distribution} {offer.version}) failed: {reason}"
            raise PluginError(message) from cause
        self.plugins.append(PluginRow(offer.name, offer.distribution, offer.version, "failed", reason))

    def add(self, plugin: object, name: str, distribution: str = LOCAL, version: str = "") -> None:
        """Register one plugin, a module or an object with hooks, wholly or not at all.

        Raises:
            PluginError: for a misspelt or unmarked hook, a keyword-only argument, or a component name that is taken.
        """
        stage = _Stage(self._tables, name, distribution, version)
        self._manager.register(plugin, name=name)
        try:
            self._manager.check_pending()
            self._check_hooks(plugin)
            for kind in KINDS:
                self._only(f"register_{kind}", plugin)(register=partial(stage.register, kind))
        except BaseException:
            self._manager.unregister(name=name)
            raise
        finally:
            stage.closed = True
        for kind in KINDS:
            self._tables[kind].update(stage.tables[kind])
        offered = ", ".join(f"{len(table)} {kind}" for kind, table in stage.tables.items() if table)
        watched = any(i.plugin is plugin for hook in RUN_HOOKS for i in self._impls(hook))
        detail = "; ".join(filter(None, (offered, "watches runs" if watched else "")))
        self.plugins.append(PluginRow(name, distribution, version, "loaded", detail))

    def _only(self, hook: str, plugin: object) -> pluggy.HookCaller:
        """A caller of one plugin's implementation."""
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        return self._manager.subset_hook_caller(hook, others)

    def _impls(self, hook: str) -> list[Any]:
        return getattr(self._manager.hook, hook).get_hookimpls()  # type: ignore[no-any-return]

    def _check_hooks(self, plugin: object) -> None:
        """Find what pluggy lets pass: arguments that it never fills, and hooks without their mark."""
        marked = set()
        for hook in HOOK_NAMES:
            for implementation in (i for i in self._impls(hook) if i.plugin is plugin):
                marked.add(implementation.function.__name__)
                for parameter in inspect.signature(implementation.function).parameters.values():
                    if parameter.kind is parameter.KEYWORD_ONLY:
                        raise PluginError(f"{hook}: `{parameter.name}` is keyword-only, which pluggy never passes")
        for name in HOOK_NAMES:
            if name not in marked and callable(inspect.getattr_static(plugin, name, None)):
                raise PluginError(f"{name}: the function lacks `@hookimpl`")
        if not marked:
            raise PluginError(f"implements no hook; there are {', '.join(HOOK_NAMES)}")

    # Looking up

    @property
    def failed(self) -> dict[str, str]:
        """Reasons of the plugins that failed, by name."""
        return {row.name: row.detail for row in self.plugins if row.status == "failed"}

    def names(self, kind: str, problem: str | None = None) -> list[str]:
        """Sorted names in a table; those that serve `problem`, when one is given."""
        fits = (r.component for r in self._tables[kind].values() if problem in (None, r.component.problem))
        return sorted(component.name for component in fits)

    def records(self, kind: str) -> list[Record]:
        """The records of a kind, by name."""
        return [self._tables[kind][name] for name in sorted(self._tables[kind])]

    def record(self, kind: str, name: str) -> Record:
        """The record of a component; nothing is imported.

        Raises:
            ConfigError: for a name that is not registered, with the nearest one that is.
        """
        try:
            return self._tables[kind][name]
        except KeyError:
            raise ConfigError(f"no {kind} named {name!r}; {self._hint(kind, name)}") from None

    def _hint(self, kind: str, name: str) -> str:
        if near := difflib.get_close_matches(name, self._tables[kind], 1):
            return f"did you mean {near[0]!r}?"
        silent = [f"{row.name} is {row.status}" for row in self.plugins if row.status != "loaded"]
        absent = f" (plugins: {'; '.join(silent)})" if silent else ""
        return f"known: {', '.join(self.names(kind)) or 'none'}{absent}"

    def target(self, kind: str, name: str) -> Callable[..., Any]:
        """Import what builds the component.

        Raises:
            MissingExtra: when an optional dependency is not installed.
            PluginError: when the target does not exist.
        """
        record = self.record(kind, name)
        return self._import(record, record.component.target)  # type: ignore[no-any-return]

    def options_type(self, kind: str, name: str) -> type | None:
        """Import the dataclass of the component's options, if it has any. Raises as `target` does."""
        record = self.record(kind, name)
        return self._import(record, record.component.config) if record.component.config else None

    def _import(self, record: Record, path: str) -> Any:
        module, _, attribute = path.partition(":")
        name, source = record.component.name, record.source
        try:
            return getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            own = error.name and (error.name == module or module.startswith(f"{error.name}."))
            if (extra := record.component.extra) and not own:
                missing = f" (missing: {error.name})" if error.name else ""
                message = f"{name!r} needs: pip install '{record.distribution}[{extra}]'{missing}"
                raise MissingExtra(message) from error
            raise PluginError(f"{name!r} of {source}: cannot import {module}: {error}") from error
        except AttributeError as error:
            raise PluginError(f"{name!r} of {source}: {module} has no attribute {attribute!r}") from error

    def provenance(self, used: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
        """Plugin, distribution, version and target of each `(kind, name)`."""
        table = {}
        for kind, name in sorted(set(used)):
            r = self.record(kind, name)
            table[f"{kind}:{name}"] = {
                "plugin": r.plugin,
                "distribution": r.distribution,
                "version": r.version,
                "target": r.component.target,
            }
        return table

    # Worker processes

    def snapshot(self) -> tuple[tuple[str, Record], ...]:
        """All that is registered; equal for equal hosts."""
        return tuple((kind, record) for kind in KINDS for record in self.records(kind))

    def __reduce__(self) -> tuple[Callable[..., Host], tuple[Any, ...]]:
        """A pickled host travels as names, and is loaded anew where it arrives."""
        loaded = [row for row in self.plugins if row.status == "loaded"]
        if local := [row.name for row in loaded if row.distribution == LOCAL]:
            raise PluginError(
                f"plugin {local[0]} was added in this process and cannot be found in another; give it an entry point"
            )
        return _rebuild, (",".join(row.name for row in loaded) or "none", self._strict, self.snapshot())

    # Runs

    def observers(self) -> Observers:
        """The run hooks, resolved once."""
        named = sorted((name, plugin) for name, plugin in self._manager.list_name_plugin() if plugin is not None)
        callers = {
            hook: [(name, self._only(hook, p)) for name, p in named if any(i.plugin is p for i in self._impls(hook))]
            for hook in RUN_HOOKS
        }
        return Observers(callers, self._strict)


class _Stage:
    """What one plugin registers, checked, before any of it counts."""

    def __init__(self, taken: Mapping[str, Mapping[str, Record]], plugin: str, distribution: str, version: str) -> None:
        self.tables: dict[str, dict[str, Record]] = {kind: {} for kind in KINDS}
        self.closed = False
        self._taken, self._origin = taken, (plugin, distribution, version)

    def register(self, kind: str, component: Component) -> None:
        hook = f"register_{kind}"
        if self.closed:
            raise PluginError(f"{hook}: `register` was called after the hook had returned")
        if not isinstance(component, Component):
            raise PluginError(f"{hook}: expected a Component, got {type(component).__name__}")
        record, name = Record(component, *self._origin), component.name
        if "/" not in name and record.distribution != discovery.FIRST_PARTY:
            raise PluginError(
                f"{hook}: {name!r} is bare, which only heatbath's own may be; call it '{record.plugin}/{name}'"
            )
        if kind in SERVING and not component.problem:
            raise PluginError(f"{hook}: {name!r} must say which `problem` it serves")
        if kind == "experiments" and not component.config:
            raise PluginError(f"{hook}: {name!r} needs `config`, the dataclass of its options")
        if old := self._taken[kind].get(name) or self.tables[kind].get(name):
            raise PluginError(f"{hook}: {name!r} of {record.source} is already provided by {old.source}")
        self.tables[kind][name] = record


class Observers:
    """Calls the run hooks of all plugins, in order of name; one that raises is dropped for the rest of the run."""

    def __init__(self, callers: Mapping[str, list[tuple[str, pluggy.HookCaller]]], strict: bool) -> None:
        self._callers, self._strict = callers, strict
        self._dropped: set[str] = set()

    def started(self, run: Run) -> None:
        self._call("run_started", run=run)

    def metrics(self, run: Run, step: int, metrics: Mapping[str, float]) -> None:
        self._call("run_metrics", run=run, step=step, metrics=metrics)

    def checkpoint(self, run: Run, path: Path) -> None:
        self._call("run_checkpoint", run=run, path=path)

    def finished(self, run: Run, outcome: str) -> None:
        self._call("run_finished", run=run, outcome=outcome)

    def _call(self, hook: str, **values: Any) -> None:
        for name, caller in self._callers[hook]:
            if name in self._dropped:
                continue
            try:
                caller(**values)
            except Exception as error:
                if self._strict:
                    raise PluginError(f"plugin {name} failed in {hook}: {error}") from error
                self._dropped.add(name)
                logger.warning("plugin %s failed in %s and is left out of this run: %s", name, hook, error)


def _rebuild(switch: str, strict: bool, snapshot: tuple[tuple[str, Record], ...]) -> Host:
    host = Host(strict=strict).load(switch)
    if host.snapshot() != snapshot:
        raise Drift("this process has other plugins installed than the one that it works for")
    return host
