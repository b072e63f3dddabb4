"""What every face keeps: gymnasium finds no fault with it, and seeds reproduce."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from tests.envs.adversarial.faces.examples import ADVICE, FACES, assert_same, rollout


@pytest.mark.parametrize("name", FACES)
class TestEveryFace:
    def test_gymnasium_finds_no_fault(self, name: str) -> None:
        with warnings.catch_warnings():
            for advice in ADVICE:
                warnings.filterwarnings("ignore", f".*{advice}")
            check_env(FACES[name](), skip_render_check=name != "drawn")

    def test_seeds_reproduce_bit_for_bit(self, name: str) -> None:
        assert_same(rollout(FACES[name]()), rollout(FACES[name]()))

    def test_episodes_without_a_seed_follow_from_the_last_one(self, name: str) -> None:
        def two(env: Any) -> list[Any]:
            return [env.reset(seed=1)[0], env.reset()[0], env.reset()[0]]

        first, second = two(FACES[name]()), two(FACES[name]())
        assert_same(first, second)
        assert not np.array_equal(first[1], first[2])
