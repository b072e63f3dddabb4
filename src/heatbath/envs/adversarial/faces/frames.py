"""Pictures of games, behind the faces."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from heatbath.core.errors import InvalidInput


@runtime_checkable
class Drawn(Protocol):
    """What a `BatchGame` has beside its moves where it draws itself. Games on MuJoCo are drawn for it.

    Attributes:
        frames_per_second: at which a picture for each step shows the episode at its true speed.
    """

    frames_per_second: float

    def frame(self, index: int) -> NDArray[np.uint8]:
        """A picture of one simulation as it stands, shape `(height, width, 3)`."""


class Pictures:
    """What a face shows of its game.

    Args:
        game: one that draws itself, or one on MuJoCo.
        mode: `rgb_array`, or None for nothing.

    Attributes:
        metadata: what gymnasium asks of a face: the modes, and the speed.

    Raises:
        InvalidInput: for a mode that the game does not have.
    """

    def __init__(self, game: Any, mode: str | None) -> None:
        self.mode, self.metadata = mode, _metadata(game)
        self._game, self._drawn = game, game if isinstance(game, Drawn) else None
        self._close: Any = None
        if mode is not None and mode not in (modes := self.metadata["render_modes"]):
            has = "only 'rgb_array'" if modes else "none, since its game has no `frame(index)`"
            raise InvalidInput(f"`render_mode` {mode!r} is not one of this simulation's; it has {has}")

    def frame(self, index: int) -> NDArray[np.uint8] | None:
        """A picture of one simulation, `(height, width, 3)`; None without a mode."""
        if self.mode is None:
            return None
        if self._drawn is None:
            from heatbath.envs.adversarial.rendering.live import LivePictures  # needs Pillow, which few runs do

            live = LivePictures(self._game)
            self._drawn, self._close = live, live.close
        return self._drawn.frame(index)

    def close(self) -> None:
        """Give back what the drawing holds."""
        if self._close is not None:
            self._close()
            self._drawn = self._close = None


def _metadata(game: Any) -> dict[str, Any]:
    if isinstance(game, Drawn):
        return {"render_modes": ["rgb_array"], "render_fps": round(game.frames_per_second)}
    if hasattr(game, "snapshot"):
        model, _ = game.snapshot(0)
        return {"render_modes": ["rgb_array"], "render_fps": round(1 / (model.opt.timestep * game.task.frame_skip))}
    return {"render_modes": []}
