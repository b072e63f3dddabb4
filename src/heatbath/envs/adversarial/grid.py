"""Robustness grids: conditions in rows and columns, all of them simulations of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.game import Array, BatchGame
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
        directions: degrees from the first axis towards the second. A game of one move has 0 and 180 only.

    Raises:
        InvalidInput: for a game of another size, or fractions out of range.
    """
    strengths, degrees = np.asarray(fractions, np.float64), np.asarray(directions, np.float64)
    if not ((strengths >= 0) & (strengths <= 1)).all():
        raise InvalidInput(f"fractions of the largest force must lie in [0, 1], got {list(fractions)}")
    (size,) = game.adversary_space.shape
    if size == 1 and not np.isin(degrees % 360, (0, 180)).all():
        raise InvalidInput(f"an adversary of one move pushes at 0 or 180 degrees, got {list(directions)}")
    episodes = _episodes(game, len(strengths) * len(degrees))
    angles = np.radians(degrees)
    plane = strengths[:, None, None] * np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    pushes = np.zeros((game.num_envs, size))
    pushes[:, :2] = np.repeat(plane.reshape(-1, 2), episodes, axis=0)[:, :size]
    rows = Axis("strength (of the largest force)", strengths)
    return Grid(game, rows, Axis("direction (degrees)", degrees), episodes, pushes)


def _episodes(game: BatchGame, cells: int) -> int:
    episodes, rest = divmod(game.num_envs, cells)
    if rest or not episodes:
        raise InvalidInput(f"a grid of {cells} cells needs as many simulations or a multiple, got {game.num_envs}")
    return episodes
