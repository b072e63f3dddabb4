"""Options of the generic two-player simulation. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Gymnasium:
    """Any environment that gymnasium knows by an id, with moves in Boxes, and how its adversary disturbs it."""

    env_id: str = "Pendulum-v1"
    """id of the environment; one of another package is known once that package is imported"""
    disturbance: Literal["mixing", "replacement", "force"] = "mixing"
    """the adversary's move is mixed into the action, replaces it at random, or pushes bodies (MuJoCo)"""
    delta: float = 0.1
    """share of the adversary in the action, or probability that its move is taken"""
    bodies: tuple[str, ...] = ()
    """bodies that a force pushes"""
    axes: str = "xz"
    """axes of the world along which it pushes"""
    max_force: float = 1.0
    """largest push on each body along each axis, N"""
    one_sided: bool = False
    """whether it pushes in the positive direction only"""
    time_limit: int | None = None
    """steps of an episode; the environment's own limit when none is given"""
    failure_rate: float = 0.05
    """share of the last 1000 steps that may break down before the run is stopped"""

    def __post_init__(self) -> None:
        if ":" in self.env_id:
            raise ValueError(
                f"`env_id` must be the id of a registered environment, got {self.env_id!r}; a config imports no module"
            )
        if not 0 <= self.delta <= 1:
            raise ValueError(f"`delta` must lie in [0, 1], got {self.delta}")
        if self.disturbance == "force" and not self.bodies:
            raise ValueError("disturbance `force` needs `bodies`, the names of those that are pushed")
        if not 0 < self.max_force < float("inf"):
            raise ValueError(f"`max_force` must be positive and finite, got {self.max_force}")
        if self.time_limit is not None and self.time_limit < 1:
            raise ValueError(f"`time_limit` must be at least 1, got {self.time_limit}")
        if not 0 <= self.failure_rate <= 1:
            raise ValueError(f"`failure_rate` must lie in [0, 1], got {self.failure_rate}")
