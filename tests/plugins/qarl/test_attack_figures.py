"""What the pictures of an attack show: all of the data, and nothing that was not measured."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from heatbath.envs.adversarial.grid import Axis, Grid
from heatbath.plugins.qarl.attack_figures import directions


def grid(degrees, strengths=(0.5, 1.0)):
    return Grid(None, Axis("", np.array(strengths)), Axis("", np.array(degrees, float)), 1, np.zeros((1, 1)))


@pytest.mark.parametrize("shift", [-500.0, -45.0, 0.0, 300.0])
@pytest.mark.parametrize("nominal", [-10.0, 40.0, 95.0])
def test_all_returns_and_the_circle_without_a_force_lie_in_the_picture(shift, nominal):
    returns = np.arange(32.0).reshape(2, 16) + shift
    (axes,) = directions(grid(np.arange(16) * 22.5), returns, nominal + shift).axes
    low, high = axes.get_ylim()
    shown = np.concatenate([line.get_ydata() for line in axes.lines])
    assert set(returns.ravel()) | {nominal + shift} <= set(shown)
    assert shown.max() < high
    assert low < shown.min() or (low == 0.0 <= shown.min())


def test_returns_that_are_all_alike_can_be_drawn():
    for alike in (-3.0, 0.0, 5.0):
        (axes,) = directions(grid((0, 90, 180, 270)), np.full((2, 4), alike), alike).axes
        assert axes.get_ylim()[0] <= alike < axes.get_ylim()[1]


def test_a_force_that_has_one_side_only_has_no_other_in_the_picture():
    (axes,) = directions(grid((0,)), np.array([[4.0], [3.0]]), 5.0).axes
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[0.0, 5.0], [0.5, 4.0], [1.0, 3.0]]


def test_a_force_of_two_sides_is_drawn_along_a_line():
    (axes,) = directions(grid((0, 180)), np.array([[4.0, 6.0], [3.0, 7.0]]), 5.0).axes
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[-1.0, 7.0], [-0.5, 6.0], [0.0, 5.0], [0.5, 4.0], [1.0, 3.0]]


def test_forces_from_a_quarter_are_not_joined_round_the_rest():
    (axes,) = directions(grid((0, 30, 60, 90)), np.ones((2, 4)), 2.0).axes
    assert max(line.get_xdata().max() for line in axes.lines if len(line.get_xdata()) < 100) <= np.pi / 2
    assert [len(line.get_xdata()) for line in axes.lines[1:]] == [4, 4]
