"""Published settings by name: `--preset NAME` is short for the options that were published. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heatbath.core.errors import ConfigError


@dataclass(frozen=True)
class Preset:
    """Options of an experiment that belong together; what a user gives beside them wins.

    An experiment lists its own in a class variable `presets` of its options, by name.

    Args:
        options: as for `heatbath.run`.
        source: where they were published.
    """

    options: Mapping[str, Any]
    source: str


def presets_of(options: type) -> Mapping[str, Preset]:
    """The presets of an experiment, by name."""
    found: Mapping[str, Preset] = getattr(options, "presets", {})
    return found


def preset(options: type, name: str) -> Preset:
    """One preset of an experiment.

    Raises:
        ConfigError: for a name that it does not have, with the nearest that it has.
    """
    known = presets_of(options)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    raise ConfigError(f"--preset: this experiment has no preset {name!r}; {hint}")
