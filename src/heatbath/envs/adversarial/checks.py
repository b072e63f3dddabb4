"""Conformance of a `BatchGame`, ours or anybody's: what the faces and the experiments rely on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from heatbath.core.errors import ConformanceError
from heatbath.core.testing.expect import global_generators_untouched
from heatbath.envs.adversarial.game import Array, BatchGame, Outcome

COUNT, SEED = 3, 11


def check_game(make: Callable[[int], BatchGame], steps: int = 60) -> None:
    """Check a two-player simulation against its contract, with random moves.

    Args:
        make: gives a new game of N simulations; called with 1 and with 3.
        steps: to play. Take so many that an episode ends within them.

    Raises:
        ConformanceError: saying what is wrong.

    >>> from heatbath.envs.adversarial.faces.disturbances import ActionMixing
    >>> from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
    >>> check_game(lambda count: GymnasiumGame("Pendulum-v1", count, ActionMixing(0.1), time_limit=20))
    """
    game, twin, single = make(COUNT), make(COUNT), make(1)
    name = type(game).__name__
    _spaces(name, game)
    with global_generators_untouched(name, "the simulation"):
        mine, its = _play(name, game, steps), _play(name, twin, steps)
        alone = _play(name, single, steps)
    for number, (one, other, first) in enumerate(zip(mine, its, alone, strict=True)):
        for part in one:
            _expect(_same(one[part], other[part]), f"{name}: `{part}` of step {number} differs between two equal runs")
            _expect(
                _same(one[part][:1], first[part]),
                f"{name}: `{part}` of simulation 0 at step {number} depends on how many simulations there are",
            )
    _masked(name, make(COUNT))
    _clipped(name, make(COUNT), make(COUNT))
    for each in (game, twin, single):
        each.close()


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ConformanceError(message)


def _same(one: Array, other: Array) -> bool:
    return bool(np.array_equal(one, other))


def _spaces(name: str, game: BatchGame) -> None:
    _expect(game.num_envs == COUNT, f"{name}: `num_envs` is {game.num_envs} for a game of {COUNT}")
    for role in ("observation", "protagonist", "adversary"):
        space = getattr(game, f"{role}_space", None)
        fine = isinstance(space, Box) and len(space.shape) == 1 and np.issubdtype(space.dtype, np.floating)
        _expect(fine, f"{name}: `{role}_space` must be a Box of vectors of real numbers, got {space}")
    low, high = game.adversary_space.low, game.adversary_space.high
    sound = bool((high == 1).all() and (np.isin(low, (-1, 0))).all())
    _expect(sound, f"{name}: `adversary_space` must be [-1, 1]^l or [0, 1]^l, got {game.adversary_space}")


def _moves(game: BatchGame, generator: np.random.Generator, scale: float = 1.0) -> tuple[Any, Any]:
    """Random moves of every simulation; the same for simulation 0, however many there are."""
    moves = []
    for space in (game.protagonist_space, game.adversary_space):
        low, high = (np.clip(end, -10, 10) for end in (space.low, space.high))
        drawn = generator.uniform(low, high, (COUNT, *space.shape))
        moves.append((scale * drawn[: game.num_envs]).astype(space.dtype))
    return moves[0], moves[1]


def _play(name: str, game: BatchGame, steps: int) -> list[dict[str, Array]]:
    """All that is said in so many steps."""
    generator = np.random.default_rng(SEED)
    observation = game.reset(SEED)
    shape = (game.num_envs, *game.observation_space.shape)
    _expect(observation.shape == shape, f"{name}: `reset` gave shape {observation.shape}, expected {shape}")
    said = [{"observation": observation.copy()}]
    for number in range(steps):
        before = observation.copy()
        outcome = game.step(*_moves(game, generator))
        _expect(_same(before, observation), f"{name}: `step` wrote into an observation that it had given away")
        _outcome(name, outcome, shape, number)
        said.append({part.name: getattr(outcome, part.name).copy() for part in fields(outcome)})
        observation = outcome.observation
    return said


def _outcome(name: str, outcome: Outcome, shape: tuple[int, ...], number: int) -> None:
    at = f"{name}: at step {number}"
    for part in fields(outcome):
        value = getattr(outcome, part.name)
        expected = shape if "observation" in part.name else shape[:1]
        _expect(value.shape == expected, f"{at} `{part.name}` has shape {value.shape}, expected {expected}")
        kind = np.bool_ if part.name in ("terminated", "truncated", "failed") else np.float64
        _expect(value.dtype == kind, f"{at} `{part.name}` is {value.dtype}, expected {np.dtype(kind)}")
        _expect(bool(np.isfinite(value).all()), f"{at} `{part.name}` is not finite")
    running = ~outcome.ended
    following, final = outcome.observation[running], outcome.final_observation[running]
    _expect(_same(following, final), f"{at} `final_observation` differs from `observation` where no episode ended")
    _expect(not (outcome.failed & ~outcome.truncated).any(), f"{at} a simulation failed and is not truncated")
    _expect(not outcome.reward[outcome.failed].any(), f"{at} a simulation that failed has a reward")


def _masked(name: str, game: BatchGame) -> None:
    generator = np.random.default_rng(SEED)
    start = game.reset(SEED)
    before = game.step(*_moves(game, generator)).observation
    mask = np.arange(COUNT) == 1
    after = game.reset(SEED, mask)
    _expect(_same(after[~mask], before[~mask]), f"{name}: a masked `reset` changed a simulation outside its mask")
    _expect(_same(after[mask], start[mask]), f"{name}: a masked `reset` with a seed begins otherwise than a whole one")
    game.close()


def _clipped(name: str, game: BatchGame, twin: BatchGame) -> None:
    """Moves beyond their spaces do what those at the edge do."""
    generator = np.random.default_rng(SEED)
    game.reset(SEED)
    twin.reset(SEED)
    far = _moves(game, generator, 50.0)
    spaces = (game.protagonist_space, game.adversary_space)
    near = [np.clip(move, space.low, space.high) for move, space in zip(far, spaces, strict=True)]
    one, other = game.step(*far), twin.step(near[0], near[1])
    for part in fields(one):
        _expect(
            _same(getattr(one, part.name), getattr(other, part.name)), f"{name}: moves are not clipped to their spaces"
        )
    game.close()
    twin.close()
