"""How an options dataclass says that somebody's component is to be chosen by name. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NONE = "none"
"""The name that empties a slot of `losses` or `metrics`."""


@dataclass(frozen=True)
class Pick:
    """A registered name with its options: overrides of defaults when declared, an options dataclass once read.

    A loss carries the schedule of its `weight`. `aliases` are words that stand for a name in this slot only.
    """

    kind: str
    name: str
    options: Any = field(default_factory=dict)
    problem: str | None = None
    weight: Pick | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)


def pick(
    kind: str,
    name: str,
    /,
    problem: str | None = None,
    aliases: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """A dataclass field that holds one component, with the experiment's own defaults for its options.

    Args:
        kind: of the component.
        name: of the default.
        problem: what the component must serve.
        aliases: short words for registered names, as a number is short for the schedule `constant`.
        options: of the default.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Options:
    ...     alpha: Pick = pick("schedules", "constant", level=0.15)
    ...     '''forcing strength'''
    >>> Options().alpha.name
    'constant'
    """
    return field(default=Pick(kind, name, options, problem, aliases=aliases or {}))


def loss(name: str, weight: Pick | float = 1.0, /, **options: Any) -> Pick:
    """One slot of `losses`; its weight is a schedule, or a number for a constant one."""
    schedule = weight if isinstance(weight, Pick) else Pick("schedules", "constant", {"level": float(weight)})
    return Pick("losses", name, options, weight=schedule)


def metric(name: str, /, **options: Any) -> Pick:
    """One slot of `metrics`."""
    return Pick("metrics", name, options)


SLOTS = {"losses": loss, "metrics": metric}
"""Kinds that come in named slots, and how a slot that a user adds is made."""


@dataclass(frozen=True)
class Slots:
    """Named picks of one kind; a user may add slots, swap their components, or set one to `none`."""

    kind: str
    picks: dict[str, Pick] = field(default_factory=dict)


def losses(**slots: Pick) -> Any:
    """A dataclass field of named losses, summed by weight."""
    return field(default_factory=lambda: Slots("losses", dict(slots)))


def metrics(**slots: Pick) -> Any:
    """A dataclass field of named metrics; a slot's name is the name under which its value is reported."""
    return field(default_factory=lambda: Slots("metrics", dict(slots)))
