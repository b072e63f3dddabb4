"""Names of the axes that a push can have. Imports nothing heavy."""

from __future__ import annotations

import re

from heatbath.core.errors import InvalidInput

AXES = ("x", "y", "z", "tx", "ty", "tz")
"""Columns of MuJoCo's `xfrc_applied`: forces along the world's axes in N, then torques about them in N m."""


def parse_axes(axes: tuple[str, ...] | str) -> tuple[str, ...]:
    """Axes as a tuple.

    >>> parse_axes("xzty")
    ('x', 'z', 'ty')

    Raises:
        InvalidInput: for none, an unknown one, or one that is named twice.
    """
    parsed = tuple(re.findall("t?.", axes)) if isinstance(axes, str) else tuple(axes)
    if not parsed or any(axis not in AXES for axis in parsed) or len(set(parsed)) < len(parsed):
        raise InvalidInput(
            f"`axes` must be of {', '.join(AXES)}, each at most once, such as 'xz' or 'xzty', got {axes!r}"
        )
    return parsed
