"""Pictures through the faces."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.faces.ids import id_of
from heatbath.envs.adversarial.faces.single import SingleGame
from heatbath.envs.adversarial.faces.vector import VectorGame
from tests.envs.adversarial.toys import DrawnDrift, Drift


class TestPictures:
    def test_a_game_that_draws_itself_is_seen_through_its_faces(self) -> None:
        env, envs = SingleGame(DrawnDrift(), "rgb_array"), VectorGame(DrawnDrift(3), "rgb_array")
        env.reset(seed=0)
        envs.reset(seed=0)
        assert env.render().shape == (8, 16, 3)
        assert [picture.dtype for picture in envs.render()] == [np.uint8] * 3

    def test_without_a_mode_there_is_nothing_to_see(self) -> None:
        assert SingleGame(DrawnDrift()).render() is None
        assert VectorGame(DrawnDrift(2)).render() is None

    def test_a_mode_that_there_is_not_is_refused(self) -> None:
        for face in (SingleGame, VectorGame):
            with pytest.raises(InvalidInput, match="it has none, since its game has no `frame"):
                face(Drift(), "rgb_array")
            with pytest.raises(InvalidInput, match=r"`render_mode` 'human' is not one .* only 'rgb_array'"):
                face(DrawnDrift(), "human")

    @pytest.mark.parametrize(("name", "speed"), [("hopper", 125), ("wind-corridor", 10)])
    def test_a_game_on_mujoco_is_drawn_with_what_pushes_it(
        self, name: str, speed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MUJOCO_GL", "off")
        env = gymnasium.make(f"heatbath.gym:{id_of(name)}", render_mode="rgb_array")
        env.reset(seed=0)
        before = env.render()
        assert before.shape == (360, 480, 3)
        assert env.metadata["render_fps"] == speed
        env.step({player: space.high for player, space in env.action_space.items()})
        after = env.render()
        assert not np.array_equal(before, after)
        if name == "hopper":
            assert _red(after) > _red(before) + 50
        env.close()

    def test_each_of_many_is_drawn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MUJOCO_GL", "off")
        envs = gymnasium.make_vec("heatbath.gym:heatbath/Hopper-v0", num_envs=2, render_mode="rgb_array")
        envs.reset(seed=0)
        envs.step({"protagonist": np.zeros((2, 3)), "adversary": np.array([[1.0, 1.0], [0.0, 0.0]])})
        first, second = envs.render()
        assert _red(first) > _red(second) + 50
        envs.close()


def _red(picture: Any) -> int:
    """Pixels of the colour of arrows."""
    return int((np.abs(picture.astype(int) - [209, 73, 91]).max(-1) < 12).sum())
