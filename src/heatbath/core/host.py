"""The host: who offers what, found one plugin at a time, imported only when used. Imports nothing heavy."""

from __future__ import annotations

import difflib
import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from heatbath.core import discovery, implementations
from heatbath.core.discovery import Offer
from heatbath.core.errors import ConfigError, Drift, HeatbathError, MissingExtra, PluginError
from heatbath.core.hookspecs import KINDS, SERVING, Component, Hooks, singular
from heatbath.core.implementations import RUN_HOOKS

if TYPE_CHECKING:
    from heatbath.core.runs import Run

logger = logging.getLogger("heatbath")

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
        return _source(self.plugin, self.distribution, self.version)


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
        offers = list(discovery.installed() if offers is None else offers)
        wanted, unwanted = discovery.select(offers, switch)
        known = {(offer.name, offer.distribution) for offer in offers}
        self.plugins = [r for r in self.plugins if r.status == "loaded" or (r.name, r.distribution) not in known]
        loaded = {(row.name, row.distribution) for row in self.plugins if row.status == "loaded"}
        for offer in sorted(wanted, key=discovery.order):
            if (offer.name, offer.distribution) not in loaded:
                self._load_one(offer, self._rivals(offer, wanted))
        for offer in unwanted:
            if (offer.name, offer.distribution) not in loaded:
                self._note(offer, "off", "not selected")
        return self

    def _rivals(self, offer: Offer, wanted: Iterable[Offer]) -> list[str]:
        """Distributions whose plugins take the name of an offer from it: all that share it, for a third party."""
        loaded = [f"{r.distribution} {r.version}" for r in self.plugins if (r.name, r.status) == (offer.name, "loaded")]
        others = [o for o in wanted if o.name == offer.name and o is not offer and not offer.first_party]
        return sorted({*loaded, *(f"{o.distribution} {o.version}" for o in others)})

    def _load_one(self, offer: Offer, rivals: list[str]) -> None:
        try:
            if rivals:
                raise PluginError(
                    f"the name {offer.name!r} is also offered by {' and '.join(rivals)}; uninstall all of them but one"
                )
            self.add(offer.load(), offer.name, offer.distribution, offer.version)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit
            reason = str(error) if isinstance(error, HeatbathError) else f"{type(error).__name__}: {error}"
            reason = " ".join(reason.split())
            if self._strict:
                source = _source(offer.name, offer.distribution, offer.version)
                raise PluginError(f"{source} failed: {reason}") from error
            self._note(offer, "failed", reason)

    def _note(self, offer: Offer, status: Literal["loaded", "failed", "off"], detail: str) -> None:
        self.plugins.append(PluginRow(offer.name, offer.distribution, offer.version, status, detail))
        self.plugins.sort(key=lambda row: (row.name, row.distribution))

    def add(self, plugin: object, name: str, distribution: str = LOCAL, version: str = "") -> None:
        """Register one plugin, a module or an object with hooks, wholly or not at all.

        Raises:
            PluginError: for a misspelt or unmarked hook, an argument that a hook does not have or that is keyword-only,
                a component name that is taken, a plugin or a plugin's name that is loaded already.
        """
        if self._manager.has_plugin(name):
            raise PluginError(f"a plugin named {name!r} is loaded already")
        if other := self._manager.get_name(plugin):
            raise PluginError(f"plugin {name} is plugin {other} again, under another name")
        implementations.check(self._manager, plugin)
        stage = _Stage(self._tables, name, distribution, version)
        try:
            self._manager.register(plugin, name=name)
        except pluggy.PluginValidationError as error:
            raise PluginError(str(error)) from error
        try:
            for kind in KINDS:
                self._only(f"register_{kind}", plugin)(register=partial(stage.register, kind))
        except BaseException:
            self._manager.unregister(name=name)
            raise
        finally:
            stage.closed = True
        for kind in KINDS:
            self._tables[kind].update(stage.tables[kind])
        offered = ", ".join(
            f"{len(table)} {kind if len(table) > 1 else singular(kind)}"
            for kind, table in stage.tables.items()
            if table
        )
        watched = any(i.plugin is plugin for hook in RUN_HOOKS for i in self._impls(hook))
        detail = "; ".join(filter(None, (offered, "watches runs" if watched else "")))
        self._note(Offer(name, distribution, version, lambda: plugin), "loaded", detail)

    def _only(self, hook: str, plugin: object) -> pluggy.HookCaller:
        """A caller of one plugin's implementation."""
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        return self._manager.subset_hook_caller(hook, others)

    def _impls(self, hook: str) -> list[Any]:
        return getattr(self._manager.hook, hook).get_hookimpls()  # type: ignore[no-any-return]

    # Looking up

    @property
    def failed(self) -> dict[str, str]:
        """Reasons of the plugins that failed, by name."""
        return {row.name: row.detail for row in self.plugins if row.status == "failed"}

    def names(self, kind: str, problem: str | None = None) -> list[str]:
        """Sorted names in a table; those that serve `problem`, when one is given.

        Raises:
            ConfigError: for a kind that does not exist.
        """
        fits = (r.component for r in self._table(kind).values() if problem in (None, r.component.problem))
        return sorted(component.name for component in fits)

    def records(self, kind: str) -> list[Record]:
        """The records of a kind, by name."""
        return [record for _, record in sorted(self._table(kind).items())]

    def _table(self, kind: str) -> dict[str, Record]:
        try:
            return self._tables[kind]
        except KeyError:
            near = difflib.get_close_matches(kind, KINDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KINDS)}"
            raise ConfigError(f"there is no kind {kind!r} of component; {hint}") from None

    def record(self, kind: str, name: str) -> Record:
        """The record of a component; nothing is imported.

        Raises:
            ConfigError: for a name that is not registered, with the nearest one that is.
        """
        try:
            return self._table(kind)[name]
        except KeyError:
            raise ConfigError(f"no {singular(kind)} named {name!r}; {self._hint(kind, name)}") from None

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
            PluginError: when the target does not exist, or its module fails.
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
            found = importlib.import_module(module)
        except ImportError as error:
            own = error.name and (error.name == module or module.startswith(f"{error.name}."))
            if (extra := record.component.extra) and not own:
                missing = f" (missing: {error.name})" if error.name else ""
                message = f"{name!r} needs: pip install '{record.distribution}[{extra}]'{missing}"
                raise MissingExtra(message) from error
            raise PluginError(f"{name!r} of {source}: cannot import {module}: {error}") from error
        except Exception as error:
            raise PluginError(f"{name!r} of {source}: {module} failed: {type(error).__name__}: {error}") from error
        try:
            return getattr(found, attribute)
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


def _source(plugin: str, distribution: str, version: str) -> str:
    return f"plugin {plugin} ({f'{distribution} {version}'.strip()})"


def _rebuild(switch: str, strict: bool, snapshot: tuple[tuple[str, Record], ...]) -> Host:
    host = Host(strict=strict).load(switch)
    if host.snapshot() != snapshot:
        raise Drift("this process has other plugins installed than the one that it works for")
    return host
