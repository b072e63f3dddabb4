"""No transition crosses the boundary of an episode, and how an episode ended is said as it was."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest

from heatbath.envs.adversarial.faces.fixed import FixedAdversary, FixedProtagonist
from heatbath.envs.adversarial.faces.parallel import to_parallel_env
from heatbath.envs.adversarial.faces.single import SingleGame
from heatbath.envs.adversarial.faces.vector import VectorGame
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from tests.envs.adversarial.toys import LENGTH, Pushed, ThreeSteps

STEPS = 20
ENDINGS = ["terminated", "truncated", "terminated and truncated"]
MOVES = {"protagonist": np.array([0.5]), "adversary": np.array([0.25, 0.0])}


class Transition(NamedTuple):
    before: Any
    after: Any
    reward: float
    terminated: bool
    truncated: bool
    following: Any


def batch(game: GymnasiumGame, index: int) -> list[Transition]:
    """What a learner notes of one simulation of a batch."""
    seen, notes = game.reset(seed=0), []
    for _ in range(STEPS):
        moves = (np.tile(MOVES[player], (game.num_envs, 1)) for player in MOVES)
        o = game.step(*moves)
        parts = (seen, o.final_observation, o.reward, o.terminated, o.truncated, o.observation)
        notes.append(Transition(*(part[index] for part in parts)))
        seen = o.observation
    return notes


def vector(game: GymnasiumGame, index: int) -> list[Transition]:
    """The same from gymnasium's interface, by its convention for autoreset in the same step."""
    face, notes = VectorGame(game), []
    seen, _ = face.reset(seed=0)
    for _ in range(STEPS):
        following, reward, terminated, truncated, infos = face.step(
            {player: np.tile(move, (game.num_envs, 1)) for player, move in MOVES.items()}
        )
        ended = bool(terminated[index] or truncated[index])
        assert bool(infos.get("_final_obs", np.zeros(game.num_envs, bool))[index]) == ended
        after = infos["final_obs"][index] if ended else following[index]
        parts = (seen[index], after, reward[index], terminated[index], truncated[index], following[index])
        notes.append(Transition(*parts))
        seen = following
    return notes


def played(env: Any, step: Callable[[Any], Any], reset: Callable[..., Any]) -> list[Transition]:
    """What a learner notes of an environment that it resets itself."""
    seen, notes = reset(seed=0), []
    for _ in range(STEPS):
        after, reward, terminated, truncated = step(env)
        following = reset() if terminated or truncated else after
        notes.append(Transition(seen, after, reward, terminated, truncated, following))
        seen = following
    return notes


def single(env: Any, action: Any) -> list[Transition]:
    return played(env, lambda env: env.step(action)[:4], lambda **seed: env.reset(**seed)[0])


def parallel(env: Any) -> list[Transition]:
    own = "protagonist"
    return played(
        env, lambda env: [part[own] for part in env.step(MOVES)[:4]], lambda **seed: env.reset(**seed)[0][own]
    )


def check(notes: list[Transition], ending: str, reward: float = 0.25) -> None:
    """Episodes follow each other without a step between them, and each step is of one."""
    for number, note in enumerate(notes):
        assert note.before[0] == note.after[0]
        assert note.after[1] == note.before[1] + 1 == number % LENGTH + 1
        over = number % LENGTH == LENGTH - 1
        assert (note.terminated, note.truncated) == (over and "terminated" in ending, over and "truncated" in ending)
        assert note.reward == reward
        if over:
            assert note.following[0] != note.before[0]
            assert note.following[1] == 0
        else:
            np.testing.assert_array_equal(note.following, note.after)
    for note, following in pairwise(notes):
        np.testing.assert_array_equal(note.following, following.before)


@pytest.mark.parametrize("ending", ENDINGS)
class TestNoTransitionCrosses:
    @pytest.mark.parametrize("index", [0, 2])
    @pytest.mark.parametrize("collect", [batch, vector])
    def test_in_a_batch(self, ending: str, collect: Callable[..., list[Transition]], index: int) -> None:
        check(collect(GymnasiumGame(lambda: ThreeSteps(ending), 3, Pushed()), index), ending)

    def test_in_a_batch_of_environments_that_reset_themselves_a_step_later(self, ending: str) -> None:
        game = GymnasiumGame(lambda: gymnasium.wrappers.Autoreset(ThreeSteps(ending)), 2, Pushed())
        check(batch(game, 1), ending)

    def test_in_one_simulation(self, ending: str) -> None:
        check(single(SingleGame(GymnasiumGame(lambda: ThreeSteps(ending), 1, Pushed())), MOVES), ending)

    def test_in_a_wrapped_environment(self, ending: str) -> None:
        check(single(AdversarialWrapper(ThreeSteps(ending), Pushed()), MOVES), ending)

    def test_against_a_fixed_player(self, ending: str) -> None:
        game = AdversarialWrapper(ThreeSteps(ending), Pushed())
        check(single(FixedAdversary(game, lambda seen: MOVES["adversary"]), MOVES["protagonist"]), ending)
        check(single(FixedProtagonist(game, lambda seen: MOVES["protagonist"]), MOVES["adversary"]), ending, -0.25)

    def test_in_a_parallel_environment(self, ending: str) -> None:
        check(parallel(to_parallel_env(AdversarialWrapper(ThreeSteps(ending), Pushed()))), ending)


def test_a_time_limit_of_the_batch_truncates() -> None:
    game = GymnasiumGame(lambda: ThreeSteps("terminated"), 2, Pushed(), time_limit=2)
    game.reset(seed=0)
    ends = [game.step(np.zeros((2, 1)), np.zeros((2, 2))) for _ in range(6)]
    assert [end.truncated.tolist() for end in ends] == [[False] * 2, [True] * 2] * 3
    assert not any(end.terminated.any() for end in ends)


def test_one_simulation_that_is_reset_in_the_middle_begins_an_episode() -> None:
    env = SingleGame(GymnasiumGame(ThreeSteps, 1, Pushed()))
    first, _ = env.reset(seed=0)
    env.step(MOVES)
    again, _ = env.reset()
    assert again[1] == 0
    assert again[0] != first[0]


def test_episodes_of_one_simulation_are_those_of_a_batch_of_one() -> None:
    one = single(SingleGame(GymnasiumGame(ThreeSteps, 1, Pushed())), MOVES)
    many = batch(GymnasiumGame(ThreeSteps, 1, Pushed()), 0)
    other = single(AdversarialWrapper(ThreeSteps(), Pushed()), MOVES)
    for notes in (many, other):
        np.testing.assert_array_equal([note.following for note in one], [note.following for note in notes])
