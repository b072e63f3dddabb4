"""Robustness grids: conditions in rows and columns, all of them simulations of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium.spaces import Box

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.game import Array, BatchGame, Flags
from heatbath.envs.adversarial.mujoco_game import MujocoGame
from heatbath.envs.adversarial.task import Varied

Policy = Callable[[Array], Array]
"""Observations `(N, d)` -> moves of one player, `(N, m)`."""


@dataclass(frozen=True)
class Axis:
    """One side of a grid.

    Args:
        label: of a figure's axis.
        values: shape `(points,)`.
    """

    label: str
    values: Array


@dataclass(frozen=True)
class Grid:
    """A game whose simulation i * episodes + k runs episode k in cell i, cells counted row by row.

    Args:
        game: R x C x episodes simulations.
        rows, columns: R and C conditions.
        episodes: in each cell.
        pushes: the adversary's moves, constant in each simulation, shape `(N, l)`.
    """

    game: BatchGame
    rows: Axis
    columns: Axis
    episodes: int
    pushes: Array

    def returns(self, protagonist: Policy, adversary: Policy | None = None, seed: int | None = None) -> Array:
        """Undiscounted returns of the first episode of every simulation, averaged by cell, shape `(R, C)`.

        Args:
            protagonist: the policy that is tried.
            adversary: a policy in place of the grid's constant pushes.
            seed: of the episodes; simulation i has seed + i.
        """
        observation = self.game.reset(seed)
        total, running = np.zeros(self.game.num_envs), np.ones(self.game.num_envs, bool)
        while running.any():
            pushes = self.pushes if adversary is None else adversary(observation)
            outcome = self.game.step(protagonist(observation), pushes)
            total += np.where(running, outcome.reward, 0.0)
            running &= ~outcome.ended
            observation = outcome.observation
        mean: Array = total.reshape(len(self.rows.values), len(self.columns.values), self.episodes).mean(2)
        return mean


def model_grid(
    game: MujocoGame, rows: Varied | None = None, columns: Varied | None = None, *, points: int = 11,
    recompute_constants: bool = True,
) -> Grid:  # fmt: skip
    """Masses x frictions (or other masses), without an adversary. Changes the game's models.

    Args:
        game: of points^2 simulations, or a multiple of that for several episodes a cell.
        rows, columns: what is varied; the task's published ranges by default.
        points: on each side.
        recompute_constants: see `MujocoGame.vary`.

    Raises:
        InvalidInput: for a game of another size, or where the task has no ranges of its own.
        ConfigError: for a body that the model does not have.
    """
    if rows is None or columns is None:
        if game.task.grid is None:
            raise InvalidInput(f"{game.task.name} has no ranges of its own, give `rows` and `columns`")
        rows, columns = rows or game.task.grid[0], columns or game.task.grid[1]
    if rows.body == columns.body:
        raise InvalidInput(f"rows and columns both vary the {rows.label}, give two different things")
    episodes = _episodes(game, points * points)
    first, second = np.meshgrid(rows.values(points), columns.values(points), indexing="ij")
    varied = {side.body: np.repeat(cells.ravel(), episodes) for side, cells in ((rows, first), (columns, second))}
    masses = {body: values for body, values in varied.items() if body is not None}
    game.vary(masses, varied.get(None), recompute_constants=recompute_constants)
    return Grid(
        game,
        Axis(rows.label, rows.values(points)),
        Axis(columns.label, columns.values(points)),
        episodes,
        np.zeros((game.num_envs, *game.adversary_space.shape)),
    )


def force_grid(game: BatchGame, fractions: Sequence[float], directions: Sequence[float]) -> Grid:
    """Constant pushes: strengths x directions in the plane of a game's first two moves; all others stay 0.

    Args:
        game: of len(fractions) x len(directions) simulations, or a multiple of that.
        fractions: of the largest force, in [0, 1].
        directions: degrees from the first axis towards the second; those that the adversary has, see `possible`.

    Raises:
        InvalidInput: for a game of another size, or fractions or directions out of range.
    """
    strengths, degrees = np.asarray(fractions, np.float64), np.asarray(directions, np.float64)
    if not ((strengths >= 0) & (strengths <= 1)).all():
        raise InvalidInput(f"fractions of the largest force must lie in [0, 1], got {list(fractions)}")
    (size,) = game.adversary_space.shape
    if not (fits := possible(game.adversary_space, degrees)).all():
        held = degrees[~fits].tolist()
        if size == 1:
            both = possible(game.adversary_space, np.array([0.0, 180.0]))
            has = " or ".join(name for name, there in zip(("0", "180"), both, strict=True) if there)
            raise InvalidInput(f"an adversary of one move with this range pushes at {has} degrees, got {held}")
        low, high = game.adversary_space.low[:2].tolist(), game.adversary_space.high[:2].tolist()
        raise InvalidInput(f"an adversary whose moves lie in {low} to {high} cannot push at {held} degrees")
    episodes = _episodes(game, len(strengths) * len(degrees))
    plane = strengths[:, None, None] * _units(degrees)
    pushes = np.zeros((game.num_envs, size))
    pushes[:, :2] = np.repeat(plane.reshape(-1, 2), episodes, axis=0)[:, :size]
    rows = Axis("strength (of the largest force)", strengths)
    return Grid(game, rows, Axis("direction (degrees)", degrees), episodes, pushes)


def possible(space: Box, degrees: Array) -> Flags:
    """Whether an adversary has a push in each of these directions, shape `(directions,)`.

    One whose range begins or ends at rest has none towards that side, and one of a single move has two at most.

    Args:
        space: its moves.
        degrees: from the first axis towards the second, shape `(directions,)`.

    >>> possible(Box(0.0, 1.0, (1,)), np.array([0.0, 90.0, 180.0])).tolist()
    [True, False, False]
    """
    units = _units(degrees)
    low, high = np.zeros((2, 2))
    low[: space.shape[0]], high[: space.shape[0]] = space.low[:2] != 0.0, space.high[:2] != 0.0
    return np.asarray(np.where(units > 0.0, high, np.where(units < 0.0, low, 1.0)).all(1))


def _units(degrees: Array) -> Array:
    """Directions as vectors of length 1, shape `(directions, 2)`; the axes themselves without rounding."""
    angles = np.radians(degrees)
    units = np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    return np.where(np.abs(units) < 1e-9, 0.0, units)


def _episodes(game: BatchGame, cells: int) -> int:
    episodes, rest = divmod(game.num_envs, cells)
    if rest or not episodes:
        raise InvalidInput(f"a grid of {cells} cells needs as many simulations or a multiple, got {game.num_envs}")
    return episodes
