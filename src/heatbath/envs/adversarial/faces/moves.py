"""The two players' moves: the space of both together, and the checks of what a player hands in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, Space
from numpy.typing import NDArray

from heatbath.core.errors import InvalidInput

PROTAGONIST, ADVERSARY = "protagonist", "adversary"
PLAYERS = (PROTAGONIST, ADVERSARY)


class NotBegun(InvalidInput, ResetNeeded):
    """A step before the first reset, which gymnasium has an error of its own for."""

    def __init__(self) -> None:
        super().__init__("`reset` comes before the first `step`")


def both(protagonist: Space[Any], adversary: Space[Any]) -> Dict:
    """The space of a simultaneous move.

    >>> sorted(both(Box(-1, 1, (3,)), Box(-1, 1, (2,))))
    ['adversary', 'protagonist']
    """
    return Dict({PROTAGONIST: protagonist, ADVERSARY: adversary})


def part_of(space: Any, player: str) -> Space[Any]:
    """One player's part of an action space.

    Raises:
        InvalidInput: where that is of one player.
    """
    if not isinstance(space, Dict) or set(space) != set(PLAYERS):
        raise InvalidInput(
            f"expected an environment whose action space is a Dict of {PROTAGONIST!r} and {ADVERSARY!r}, got {space}; "
            "AdversarialWrapper(env, disturbance) makes one"
        )
    return space[player]


def apart(move: Any) -> tuple[Any, Any]:
    """The protagonist's part of a move of both, and the adversary's.

    Raises:
        InvalidInput: where a part is missing, or there is another.
    """
    if not isinstance(move, Mapping) or set(move) != set(PLAYERS):
        got = f"the keys {sorted(move, key=str)}" if isinstance(move, Mapping) else type(move).__name__
        raise InvalidInput(f"a move is a mapping with the keys {PROTAGONIST!r} and {ADVERSARY!r}, got {got}")
    return move[PROTAGONIST], move[ADVERSARY]


def checked(player: str, move: Any, space: Space[Any]) -> Any:
    """A move that the space holds: in a Box clipped to it and of its type, else as it was.

    Raises:
        InvalidInput: for another shape, a number that is not finite, or what is not in a space that is no Box.
    """
    if not isinstance(space, Box):
        if not space.contains(move):
            raise InvalidInput(f"the {player}'s move {move!r} is not in its space {space}")
        return move
    return np.clip(numeric(player, move, space.shape), space.low, space.high).astype(space.dtype, copy=False)


def numeric(player: str, move: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Finite numbers of that shape, float64.

    Raises:
        InvalidInput: for what is no array of numbers, of another shape, or not finite.
    """
    try:
        numbers = np.asarray(move, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the {player}'s move must be an array of numbers, got {move!r}") from error
    if numbers.shape != shape:
        raise InvalidInput(f"the {player}'s move must have shape {shape}, got {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise InvalidInput(f"the {player}'s move is not finite: {numbers.tolist()}")
    return numbers
