"""Finding data that no package ships. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

from heatbath.core.errors import ConfigError

VARIABLE = "HEATBATH_DATA"
"""Names a folder of data files."""


def locate(name: str, folder: str = "", advice: str = "") -> Path:
    """The file of that name: as it stands, else under `folder`, else under the folder that HEATBATH_DATA names.

    Args:
        name: a path, relative or not.
        folder: what `--data` said.
        advice: what to get, and where from, for a file that is not there.

    Raises:
        ConfigError: when it is nowhere, saying where it was looked for.
    """
    folders = [Path(), *(Path(place) for place in (folder, os.environ.get(VARIABLE, "")) if place)]
    for place in folders:
        if (path := place / name).is_file():
            return path
    looked = ", ".join(str(place / name) for place in folders)
    hint = f"; {advice}" if advice else ""
    raise ConfigError(f"no file {looked}{hint}; --data DIR or {VARIABLE} says where files are")
