from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from gymnasium.spaces import Box

from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.grid import force_grid, model_grid, possible
from heatbath.envs.adversarial.task import Varied
from tests.envs.adversarial.games import TASKS, make

PUBLISHED = {
    "Hopper": ((1, 9), (0.1, 1.9)),
    "HalfCheetah": ((3, 9), (0.1, 1.9)),
    "Walker2d": ((5, 15), (0.1, 1.3)),
    "CartpoleBalance": ((1, 20), (0.5, 1.5)),
    "CartpoleSwingup": ((0.05, 0.15), (0.5, 1.5)),
    "PendulumSwingup": ((0.05, 0.15), (0.5, 1.5)),
}


def still(game):
    return lambda observation: np.zeros((len(observation), *game.protagonist_space.shape))


@pytest.mark.parametrize("name", PUBLISHED)
def test_ranges_are_the_published_ones(name):
    grid = model_grid(make(name, 121))
    for axis, (low, high) in zip((grid.rows, grid.columns), PUBLISHED[name], strict=True):
        np.testing.assert_allclose(axis.values, np.linspace(low, high, 11))


def test_every_cell_is_a_simulation_with_its_own_mass_and_friction():
    game = make("Hopper", 18)
    grid = model_grid(game, points=3)
    assert grid.episodes == 2
    assert (grid.rows.label, grid.columns.label) == ("mass of torso (kg)", "friction")
    game.reset(0)
    for cell, (row, column) in enumerate(np.ndindex(3, 3)):
        for episode in range(2):
            model, _ = game.snapshot(2 * cell + episode)
            assert model.body("torso").mass[0] == grid.rows.values[row]
            assert (model.geom_friction[:, 0] == grid.columns.values[column]).all()


def test_a_cells_return_is_that_of_a_game_of_its_own():
    grid = model_grid(make("Hopper", 9, horizon=60), points=3)
    returns = grid.returns(still(grid.game), seed=5)
    assert returns.shape == (3, 3)
    assert len(np.unique(returns)) == 9
    alone = make("Hopper", 1, horizon=60, serial=True)
    alone.vary({"torso": np.array([5.0])}, np.array([1.9]))
    alone.reset(5 + 5)
    total, ended = 0.0, False
    while not ended:
        outcome = alone.step(np.zeros((1, 3)), np.zeros((1, 2)))
        total, ended = total + outcome.reward[0], outcome.ended[0]
    assert returns[1, 2] == total


def test_two_masses_may_be_varied():
    game = make("CartpoleBalance", 4, horizon=5)
    grid = model_grid(game, Varied("pole", 0.1, 0.2), Varied("cart", 1, 2), points=2)
    game.reset(0)
    masses = [(model.body("pole").mass[0], model.body("cart").mass[0]) for model, _ in map(game.snapshot, range(4))]
    assert masses == [(0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)]
    assert not grid.pushes.any()


def test_strengths_and_directions_are_one_batch_too():
    game = make("Hopper", 3 * 4 * 2, max_force=30.0, horizon=50)
    grid = force_grid(game, (0, 0.5, 1), (0, 90, 180, 270))
    pushes = grid.pushes.reshape(3, 4, 2, 2)
    np.testing.assert_allclose(pushes[2, :, 0], [(1, 0), (0, 1), (-1, 0), (0, -1)], atol=1e-15)
    np.testing.assert_allclose(pushes[1], pushes[2] / 2)
    assert not pushes[0].any()
    returns = grid.returns(still(game), seed=0)
    assert np.ptp(returns[2]) > np.ptp(returns[0])
    against = grid.returns(still(game), lambda observation: np.zeros((24, 2)), seed=0)
    np.testing.assert_array_equal(against[0], returns[0])


def test_a_wind_of_one_side_has_its_strengths_only():
    grid = force_grid(make("WindCorridor", 3), (0, 0.5, 1), (0,))
    assert grid.pushes.tolist() == [[0], [0.5], [1]]


def test_misfits_are_refused():
    with pytest.raises(InvalidInput, match="a grid of 121 cells needs as many simulations or a multiple, got 100"):
        model_grid(make("Hopper", 100))
    with pytest.raises(InvalidInput, match="wind-corridor has no ranges of its own"):
        model_grid(make("WindCorridor", 121))
    with pytest.raises(InvalidInput, match="both vary the friction"):
        model_grid(make("Hopper", 4), Varied(None, 1, 2), Varied(None, 1, 2), points=2)
    with pytest.raises(InvalidInput, match=r"must lie in \[0, 1\], got \[2\]"):
        force_grid(make("Hopper", 1), (2,), (0,))
    with pytest.raises(InvalidInput, match=r"pushes at 0 degrees, got \[90.0, 180.0\]"):
        force_grid(make("WindCorridor", 3), (1,), (0, 90, 180))
    with pytest.raises(InvalidInput, match=r"pushes at 0 or 180 degrees, got \[90.0\]"):
        force_grid(make("CartpoleBalance", 1, axes="x"), (1,), (90,))


def test_directions_that_a_range_does_not_hold():
    quarter = Box(0.0, 1.0, (3,))
    assert possible(quarter, np.arange(0.0, 360.0, 45.0)).tolist() == [True] * 3 + [False] * 5
    upper = Box(np.array([-1.0, 0.0]), np.array([1.0, 2.0]), dtype=np.float64)
    assert possible(upper, np.array([0.0, 90.0, 180.0, 270.0, 360.0])).tolist() == [True, True, True, False, True]
    assert possible(Box(1.0, 3.0, (1,)), np.array([0.0, 180.0])).all()  # laid out from bound to bound, see `onto`
    with pytest.raises(InvalidInput, match=r"lie in \[0.0, 0.0\] to \[1.0, 1.0\] cannot push at \[180.0\] degrees"):
        force_grid(SimpleNamespace(adversary_space=quarter, num_envs=2), (1,), (0, 180))


def test_every_task_but_the_windy_ones_has_ranges_that_its_model_takes():
    for name in TASKS:
        if not name.startswith("Wind"):
            assert np.isfinite(model_grid(make(name, 4), points=2).game.reset(0)).all()
