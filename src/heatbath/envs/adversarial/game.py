"""What a two-player simulation is: the one interface that every simulator has and every face is put on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heatbath.core.errors import InvalidInput

if TYPE_CHECKING:
    from gymnasium.spaces import Box

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step led to. N simulations, observations of length d. Every array is the caller's to keep.

    A simulation that ended is reset in the same step, so that there is no step that belongs to two episodes.

    Args:
        observation: what to act on next, shape `(N, d)`; of the new episode where one ended.
        reward: the protagonist's, shape `(N,)`; the adversary's is its negative.
        terminated: whether the episode ended in a state without future, shape `(N,)`.
        truncated: whether its time was up, shape `(N,)`; values bootstrap through it.
        final_observation: what the step itself led to, shape `(N, d)`; where no episode ended, that is `observation`.
            It is the next observation that belongs into a replay buffer.
        failed: whether the simulation broke down (a state that is not finite), shape `(N,)`. It was reset, its episode
            is truncated, its reward is 0, and its final observation is the last that was finite.
    """

    observation: Array
    reward: Array
    terminated: Flags
    truncated: Flags
    final_observation: Array
    failed: Flags

    @property
    def ended(self) -> Flags:
        """terminated or truncated, shape `(N,)`."""
        return self.terminated | self.truncated


def flags(mask: Any, count: int, name: str = "mask") -> Flags:
    """The mask of a reset, checked.

    Raises:
        InvalidInput: for what is not boolean of shape `(N,)`.

    >>> flags([True, False], 2)
    array([ True, False])
    """
    array = np.asarray(mask)
    if array.shape != (count,) or array.dtype != np.bool_:
        raise InvalidInput(f"`{name}` must be boolean of shape {(count,)}, got {array.dtype} of shape {array.shape}")
    return array


class BatchGame(Protocol):
    """N simulations of a zero-sum game of simultaneous moves.

    Attributes:
        num_envs: N.
        observation_space: of one simulation.
        protagonist_space: of one simulation's protagonist, in the units of the task.
        adversary_space: of one simulation's adversary, [-1, 1]^l, or [0, 1]^l where it can push one way only.
    """

    num_envs: int
    observation_space: Box
    protagonist_space: Box
    adversary_space: Box

    def reset(self, seed: int | None = None, mask: Flags | None = None) -> Array:
        """Begin episodes, of all simulations or of those in `mask`, shape `(N,)`; observations of all, `(N, d)`.

        With a seed, simulation i goes on from seed + i, as gymnasium's vector environments do; without, from where
        its stream stands.
        """

    def step(self, protagonist: Array, adversary: Array) -> Outcome:
        """Both players' moves, shapes `(N, m)` and `(N, l)`, clipped to their spaces."""

    def close(self) -> None:
        """Free what the simulator holds."""
