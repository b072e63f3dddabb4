"""Options of the attack on a set player. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from heatbath.core.choices import Pick, pick
from heatbath.core.plan import Plan


@dataclass(frozen=True)
class Attack:
    """A player under the forces that adversaries find against it."""

    plan: ClassVar[Plan] = Plan(steps=10)

    env: Pick = pick("envs", "hopper", problem="two-player", max_force=5.0)
    """the game; `max_force` is the adversaries' limit in N"""
    horizon: int = 300
    """control steps of an episode, if the game's own limit does not end it before"""
    protagonist: Pick = pick("agents", "qarl.gait", problem="control")
    """who is attacked; it learns in `practice` only"""
    practice: int = 0
    """first steps of the run, in which the protagonist learns and nothing pushes; where actions are mixed or replaced
    (gymnasium), moves of 0 disturb, here as in `return_nominal`, and only a `delta` of 0 is no disturbance"""
    adversary: Pick = pick("agents", "qarl.cross-entropy", problem="control", episodes=1, bias=3.0)
    """who looks for the worst force"""
    constant: Pick = pick("agents", "qarl.constant", problem="control")
    """a second adversary, to hold the first against"""
    bang_bang: Pick = pick("agents", "qarl.bang-bang", problem="control")
    """a third"""
    random: Pick = pick("agents", "qarl.random", problem="control")
    """a fourth"""
    population: int = 64
    """simulations of a step in which the adversary plays"""
    others: int = 16
    """simulations of a step in which each of the other three plays"""
    episodes: int = 20
    """of an evaluation, under each kind of force"""
    directions: int = 16
    """of constant forces in an evaluation, evenly spaced; those that the adversary does not have are left out"""
    points: int = 11
    """masses, and frictions, in an evaluation"""

    def __post_init__(self) -> None:
        for name in ("horizon", "population", "others", "episodes", "directions", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        if self.practice < 0:
            raise ValueError(f"`practice` must be at least 0, got {self.practice}")
