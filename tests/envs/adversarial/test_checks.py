"""The conformance check finds what it is to find, and every registered two-player simulation passes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heatbath.core.errors import ConformanceError
from heatbath.core.host import Host
from heatbath.envs.adversarial.checks import check_game
from heatbath.envs.adversarial.faces.disturbances import ActionReplacement
from heatbath.envs.adversarial.faces.ids import PROBLEM, game
from heatbath.envs.adversarial.game import Outcome
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from tests.envs.adversarial.toys import Drift, Pushed, ThreeSteps


@pytest.mark.parametrize("name", Host().load().names("envs", PROBLEM))
@pytest.mark.filterwarnings("ignore:.*settotalmass")
def test_every_registered_simulation_passes(name: str) -> None:
    limit = {"time_limit": 15} if name == "gymnasium" else {"horizon": 15}
    check_game(lambda count: game(name, count, **limit), steps=40)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "MountainCarContinuous-v0"])
def test_replaced_actions_pass(env_id: str) -> None:
    check_game(lambda count: GymnasiumGame(env_id, count, ActionReplacement(0.3), time_limit=20))


def test_toys_pass() -> None:
    check_game(Drift)
    check_game(lambda count: GymnasiumGame(ThreeSteps, count, Pushed()))


def changed(**of: Callable[[Drift, Outcome], Any]) -> type[Drift]:
    """A game with parts of its outcomes changed."""

    class Changed(Drift):
        def step(self, protagonist: Any, adversary: Any) -> Outcome:
            outcome = super().step(protagonist, adversary)
            return replace(outcome, **{part: change(self, outcome) for part, change in of.items()})

    return Changed


class Reused(Drift):
    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.buffer = np.zeros((count, 2))

    def _seen(self) -> Any:
        self.buffer[:] = super()._seen()
        return self.buffer


class Global(Drift):
    def _begin(self, which: Any) -> None:
        super()._begin(which)
        np.random.random()  # noqa: NPY002


class OneStream(Drift):
    def reset(self, seed: int | None = None, mask: Any = None) -> Any:
        if seed is not None:
            self.streams = [np.random.default_rng(seed)] * self.num_envs
        return super().reset(None, mask)


class Unseeded(Drift):
    def reset(self, seed: int | None = None, mask: Any = None) -> Any:
        return super().reset(None, mask)


class AllReset(Drift):
    def reset(self, seed: int | None = None, mask: Any = None) -> Any:
        return super().reset(seed, None)


class Unclipped(Drift):
    def step(self, protagonist: Any, adversary: Any) -> Outcome:
        outcome = super().step(protagonist, adversary)
        return replace(outcome, reward=outcome.reward - np.abs(adversary).sum(1))


class Lopsided(Drift):
    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.adversary_space = type(self.adversary_space)(-2.0, 1.0, (2,), np.float64)


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        (Reused, "wrote into an observation that it had given away|differs from"),
        (Global, "global"),
        (OneStream, "depends on how many simulations there are"),
        (Unseeded, "differs between two equal runs"),
        (AllReset, "changed a simulation outside its mask"),
        (Unclipped, "moves are not clipped to their spaces"),
        (Lopsided, r"`adversary_space` must be \[-1, 1\]\^l or \[0, 1\]\^l"),
        (changed(reward=lambda game, o: o.reward[:, None]), r"`reward` has shape \(3, 1\), expected \(3,\)"),
        (changed(reward=lambda game, o: o.reward.astype(np.float32)), "`reward` is float32, expected float64"),
        (changed(reward=lambda game, o: o.reward + np.nan), "`reward` is not finite"),
        (changed(final_observation=lambda game, o: o.observation + 1), "differs from `observation` where no"),
        (changed(failed=lambda game, o: ~o.truncated), "a simulation failed and is not truncated"),
        (changed(failed=lambda game, o: o.truncated), "a simulation that failed has a reward"),
    ],
)
def test_what_is_wrong_is_found(faulty: Callable[[int], Any], said: str) -> None:
    with pytest.raises(ConformanceError, match=said):
        check_game(faulty)
