"""Games that draw themselves, behind the faces."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from heatbath.core.errors import InvalidInput


@runtime_checkable
class Drawn(Protocol):
    """What a `BatchGame` has beside its moves where it can be looked at.

    Attributes:
        frames_per_second: at which a picture for each step shows the episode at its true speed.
    """

    frames_per_second: float

    def frame(self, index: int) -> NDArray[np.uint8]:
        """A picture of one simulation as it stands, shape `(height, width, 3)`."""


def metadata_of(game: Any) -> dict[str, Any]:
    """What gymnasium asks of a face's metadata: the mode `rgb_array` for a game that draws itself, and its speed."""
    if not isinstance(game, Drawn):
        return {"render_modes": []}
    return {"render_modes": ["rgb_array"], "render_fps": round(game.frames_per_second)}


def check_render_mode(game: Any, mode: str | None) -> str | None:
    """The mode.

    Raises:
        InvalidInput: for one that the game does not have.
    """
    if mode is not None and mode not in metadata_of(game)["render_modes"]:
        has = "only 'rgb_array'" if isinstance(game, Drawn) else "none, since its game has no `frame(index)`"
        raise InvalidInput(f"`render_mode` {mode!r} is not one of this simulation's; it has {has}")
    return mode
