"""Which plugins are installed, and which of them the user wants: the entry-point group and the plugin switch."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points

from heatbath.core.errors import ConfigError

GROUP = "heatbath.plugins"
FIRST_PARTY = "heatbath"
"""The distribution whose components may have bare names."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A plugin that can be loaded. `load` imports its module."""

    name: str
    distribution: str
    version: str
    load: Callable[[], object]

    @property
    def first_party(self) -> bool:
        return self.distribution == FIRST_PARTY


def installed() -> list[Offer]:
    """The plugins of all installed distributions, first-party ones first, then by name; nothing is imported."""
    offers = []
    for point in entry_points(group=GROUP):
        name, version = (point.dist.name, point.dist.version) if point.dist else ("(unknown)", "")
        offers.append(Offer(point.name, name, version, point.load))
    return sorted(offers, key=order)


def order(offer: Offer) -> tuple[bool, str, str]:
    """The key of the loading order: first-party offers first, then by name, wherever they stand on `sys.path`."""
    return not offer.first_party, offer.name, offer.distribution


def select(offers: Iterable[Offer], switch: str | None = None) -> tuple[list[Offer], list[Offer]]:
    """Split offers by the switch `all`, `none` or `a,b` (default: `HEATBATH_PLUGINS`, else `all`) into wanted and not.

    Raises:
        ConfigError: for a name that no distribution offers.
    """
    offers = list(offers)
    switch = (os.environ.get("HEATBATH_PLUGINS") or "all") if switch is None else switch
    if switch == "all":
        return offers, []
    wanted = set() if switch == "none" else {name.strip() for name in switch.split(",") if name.strip()}
    known = sorted({offer.name for offer in offers})
    for name in sorted(wanted - set(known)):
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(known) or 'none'}"
        raise ConfigError(f"no plugin named {name!r} is installed; {hint}")
    return [o for o in offers if o.name in wanted], [o for o in offers if o.name not in wanted]


def strict_by_environment() -> bool:
    """Whether `HEATBATH_STRICT` asks that a failing plugin be an error."""
    return os.environ.get("HEATBATH_STRICT", "") not in ("", "0")
