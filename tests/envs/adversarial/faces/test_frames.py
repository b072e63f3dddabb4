"""Pictures through the faces."""

from __future__ import annotations

import numpy as np
import pytest

from heatbath.core.errors import InvalidInput
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
