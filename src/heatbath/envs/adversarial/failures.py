"""Simulations that broke down, counted, and the rate past which they are not to be lived with."""

from __future__ import annotations

from collections import deque

from heatbath.core.errors import InvalidInput, NotFinite
from heatbath.envs.adversarial.game import Flags

WATCHED = 1000
"""Steps over which failures are counted, of all simulations together."""


class Failures:
    """Counts the steps that ended in a state that is not finite.

    Args:
        name: of what is simulated, for the message.
        simulations: N.
        rate: share of the last 1000 steps, or N where that is more, that may fail.
        suspect: what the message says to look at.

    Attributes:
        total: failures so far.

    Raises:
        InvalidInput: for a rate outside [0, 1].

    >>> import numpy as np
    >>> failures = Failures("a pendulum", 2, rate=0.5)
    >>> failures.count(np.array([True, False]))
    >>> failures.total
    1
    """

    def __init__(self, name: str, simulations: int, rate: float, suspect: str = "the disturbance") -> None:
        if not 0 <= rate <= 1:
            raise InvalidInput(f"`failure_rate` must lie in [0, 1], got {rate}")
        self.total, self._steps, self._name, self._suspect = 0, 0, name, suspect
        self._window = max(WATCHED, simulations)
        self._allowed, self._length = rate * self._window, max(WATCHED // simulations, 1)
        self._recent: deque[tuple[int, int]] = deque()

    def count(self, failed: Flags) -> None:
        """Take note of one step of all simulations, flags of shape `(N,)`.

        Raises:
            NotFinite: when more have failed than the rate allows.
        """
        self._steps += 1
        if not failed.any():
            return
        self.total += (number := int(failed.sum()))
        self._recent.append((self._steps, number))
        while self._recent[0][0] <= self._steps - self._length:
            self._recent.popleft()
        if (recent := sum(count for _, count in self._recent)) > self._allowed:
            raise NotFinite(
                f"{self._name}: {recent} of the last {self._window} steps ended in states that are not finite, more "
                f"than {self._allowed:.0f}; check {self._suspect}, or raise `failure_rate`"
            )
