import warnings

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")
gymnasium = pytest.importorskip("gymnasium")

from heatbath.core.build import Setup  # noqa: E402
from heatbath.core.choices import Pick  # noqa: E402
from heatbath.core.errors import ConfigError  # noqa: E402
from heatbath.core.host import Host  # noqa: E402
from heatbath.core.streams import Streams  # noqa: E402
from heatbath.envs.adversarial.faces.ids import game  # noqa: E402
from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper  # noqa: E402
from heatbath.envs.adversarial.forces import ForceField, InertAxis, Zone  # noqa: E402
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame  # noqa: E402
from heatbath.envs.adversarial.locomotion import ANT, HALF_CHEETAH, HOPPER, INVERTED_PENDULUM, WALKER2D  # noqa: E402
from heatbath.envs.adversarial.mujoco_game import MujocoGame  # noqa: E402
from tests.envs.adversarial.games import DRIFTER  # noqa: E402


@pytest.fixture(scope="module")
def drifter():
    return mujoco.MjModel.from_xml_string(DRIFTER)


def written(field, model, moves, qpos=None):
    xfrc = np.full((model.nbody, 6), np.nan)
    field.bind(model).write(np.asarray(moves, float), model.qpos0 if qpos is None else qpos, xfrc)
    return xfrc


def test_a_constant_force_moves_a_free_body_by_the_sum_of_its_steps(drifter):
    # Semi-implicit Euler: after k steps v = k F h / m, so that x = F h^2 k (k + 1) / (2 m).
    data, bound = mujoco.MjData(drifter), ForceField(("box",), "x", 6.0).bind(drifter)
    for step in range(1, 51):
        bound.write(np.array([0.5]), data.qpos, data.xfrc_applied)
        mujoco.mj_step(drifter, data)
        assert data.qpos[0] == pytest.approx(3.0 * 0.01**2 * step * (step + 1) / (2 * 2), rel=1e-12)
    assert np.abs(data.qpos[1:3] - (0, 1)).max() < 1e-15


def test_it_acts_at_the_centre_of_mass_which_need_not_be_the_bodys_origin(drifter):
    data, bound = mujoco.MjData(drifter), ForceField(("bob",), "z", 1.0).bind(drifter)
    for _ in range(20):
        bound.write(np.array([1.0]), data.qpos, data.xfrc_applied)
        mujoco.mj_step(drifter, data)
    assert np.abs(data.qvel[9:12]).max() < 1e-15, "it turns"
    assert data.qvel[8] == pytest.approx(20 * 0.01, rel=1e-12)


def test_a_torque_turns_about_the_worlds_axis(drifter):
    data, bound = mujoco.MjData(drifter), ForceField(("box",), "ty", 3.0).bind(drifter)
    bound.write(np.array([1.0]), data.qpos, data.xfrc_applied)
    mujoco.mj_step(drifter, data)
    inertia = 2 / 3 * (0.1**2 + 0.3**2)
    np.testing.assert_allclose(data.qvel[:6], [0, 0, 0, 0, 3 * 0.01 / inertia, 0], rtol=1e-12, atol=1e-15)


def test_moves_are_ordered_by_body_then_axis_and_every_other_row_is_zeroed(drifter):
    field = ForceField(("bob", "box"), "xzty", (1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    xfrc = written(field, drifter, [1, 1, 1, -1, -1, 0.5])
    np.testing.assert_array_equal(xfrc[2], [1, 0, 2, 0, 3, 0])
    np.testing.assert_array_equal(xfrc[1], [-4, 0, -5, 0, 3, 0])
    assert not xfrc[[0, 3]].any()
    assert field.bind(drifter).labels[:3] == ("bob x", "bob z", "bob ty")


def test_moves_are_clipped_to_their_box(drifter):
    assert written(ForceField(("box",), "xz", 3.0), drifter, [7, -7])[1, :3].tolist() == [3, 0, -3]
    assert written(ForceField(("box",), "xz", 3.0, one_sided=True), drifter, [7, -7])[1, :3].tolist() == [3, 0, 0]
    assert ForceField(("box",), one_sided=True).bind(drifter).space.low.tolist() == [0, 0]


def test_a_shared_force_is_one_move_split_over_all_bodies(drifter):
    bound = ForceField(("*",), "y", 600.0, shared=True, one_sided=True).bind(drifter)
    assert bound.size == 1
    assert bound.bodies == ("box", "bob", "anchor")
    xfrc = np.empty((5, 4, 6))
    bound.write(np.full((5, 1), 0.5), np.tile(drifter.qpos0, (5, 1)), xfrc)
    assert (xfrc[:, 1:, 1] == 100).all()
    assert xfrc.sum() == 5 * 300


def test_nothing_is_pushed_outside_of_the_zone(drifter):
    field = ForceField(("box",), "y", 2.0, Zone("free", ((-1, 1), (4, 8))))
    bound, places = field.bind(drifter), np.array([-1.01, -1, 0, 1, 2, 4, 8, 8.01])
    qpos = np.tile(drifter.qpos0, (len(places), 1))
    qpos[:, 0] = places
    xfrc = np.empty((len(places), 4, 6))
    bound.write(np.ones((len(places), 1)), qpos, xfrc)
    assert xfrc[:, 1, 1].tolist() == [0, 2, 2, 2, 0, 2, 2, 0]
    assert np.count_nonzero(xfrc) == 5


@pytest.mark.parametrize("task", [HOPPER, HALF_CHEETAH, WALKER2D, INVERTED_PENDULUM, ANT], ids=lambda task: task.name)
def test_the_published_places_have_no_inert_axis(task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert task.field.bind(task.load()).size == task.field.size


def after(model, bound, moves):
    """Positions after 50 integrator steps under a constant push."""
    data = mujoco.MjData(model)
    for _ in range(50):
        bound.write(np.array(moves), data.qpos, data.xfrc_applied)
        mujoco.mj_step(model, data)
    return data.qpos.copy()


PLANAR = [HOPPER, HALF_CHEETAH, WALKER2D, INVERTED_PENDULUM]


@pytest.mark.parametrize("task", PLANAR, ids=lambda task: task.name)
def test_a_push_across_a_planar_robots_plane_is_warned_of_and_does_nothing(task):
    model, body = task.load(), task.field.bodies[0]
    with pytest.warns(InertAxis, match=f"body '{body}' never moves along 'y'.*axes with an effect: x, z, ty"):
        bound = ForceField((body,), "xy", 50.0).bind(model)
    np.testing.assert_array_equal(after(model, bound, (0, 1)), after(model, bound, (0, 0)))


@pytest.mark.parametrize("task", PLANAR, ids=lambda task: task.name)
def test_a_push_within_it_moves_the_robot_along_both_axes(task):
    model = task.load()
    bound = ForceField((task.field.bodies[0],), "xz", 50.0).bind(model)
    still = after(model, bound, (0, 0))
    for moves in ((1, 0), (0, 1)):
        assert np.abs(after(model, bound, moves) - still).max() > 1e-4, moves


ACROSS = ForceField(("foot",), "xy")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ACROSS.bind(HOPPER.load()),
        lambda: MujocoGame(HOPPER, 1, field=ACROSS),
        lambda: game("hopper", axes="xy"),
        lambda: gymnasium.make("heatbath.gym:heatbath/Hopper-v0", axes="xy"),
        lambda: AdversarialWrapper(gymnasium.make("Hopper-v5"), ACROSS),
        lambda: GymnasiumGame("Hopper-v5", 2, ACROSS),
    ],
)
def test_the_warning_is_of_the_line_that_asked_for_it(make):
    with pytest.warns(InertAxis) as said:
        make()
    assert {warning.filename for warning in said} == {__file__}


def test_a_run_says_it_once_however_many_games_it_makes():
    host = Host().load()
    setup, choice = Setup(host, Streams(0)), Pick("envs", "hopper", {"axes": "xy"})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        first, second = (setup.build(slot, choice, simulations=count) for slot, count in (("env", 2), ("shown", 1)))
        other = setup.build("other", Pick("envs", "hopper", {"axes": "xy", "bodies": ("leg",)}), simulations=1)
    assert [warning.category for warning in said] == [InertAxis, InertAxis]
    assert second.forces.labels == first.forces.labels == ("foot x", "foot y")
    assert other.forces.labels == ("leg x", "leg y")


def test_pushing_what_is_fixed_is_warned_of(drifter):
    with pytest.warns(InertAxis, match="body 'anchor' never moves along 'x'"):
        ForceField(("anchor",), "x").bind(drifter)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (ForceField(("feet",)), "no body 'feet' that can be pushed; the model has box, bob, anchor"),
        (ForceField(("world",)), "no body 'world'"),
        (ForceField(("box",), "x", (1.0, 2.0)), "2 numbers for 1 moves"),
        (ForceField(("box",), "x", zone=Zone("fre", ((0, 1),))), "no joint 'fre'; the model has free"),
        (ForceField(("box",), "x", zone=Zone("free", ((0, 1),), 7)), "has positions 0 to 6, got 7"),
    ],
)
def test_names_are_checked_when_bound(drifter, field, message):
    with pytest.raises(ConfigError, match=message):
        field.bind(drifter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("box",), "xq"), "`axes` must be of x, y, z, tx, ty, tz.*got 'xq'"),
        ((("box",), "xx"), "each at most once"),
        ((("box",), ""), "`axes` must be of"),
        ((("box",), ("x", "w")), "`axes` must be of"),
        (("box",), "a tuple of names, got the string 'box'"),
        (((),), "at least one body"),
        ((("box", "box"),), "none twice"),
        ((("box",), "x", 0.0), "positive and finite, got 0"),
        ((("box",), "x", float("nan")), "positive and finite, got nan"),
        ((("box",), "xz", (1.0, -1.0)), "positive and finite"),
        ((("box",), "x", "3"), "`max_force` must be a number, or one for every move, got '3'"),
        ((("box",), "xz", ("3", "4")), "`max_force` must be a number, or one for every move"),
        ((("box",), "xz", ((1.0,), (2.0, 3.0))), "`max_force` must be a number, or one for every move"),
        ((("box",), "xz", None), "`max_force` must be a number, or one for every move, got None"),
        ((("box",), "xz", ()), "`max_force` must be a number, or one for every move"),
    ],
)
def test_numbers_and_axes_are_checked_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        ForceField(*arguments)


@pytest.mark.parametrize("forces", [[1.0, 2.0], np.array([1.0, 2.0])])
def test_lists_are_taken_as_tuples(forces, drifter):
    field = ForceField(["box"], "xz", forces)
    assert field == ForceField(("box",), "xz", (1.0, 2.0))
    assert hash(field) == hash(ForceField(("box",), "xz", (1.0, 2.0)))
    assert ForceField(["*"], "x", shared=True).bind(drifter).bodies == ("box", "bob", "anchor")


def test_an_empty_zone_is_refused():
    with pytest.raises(ValueError, match="intervals"):
        Zone("x", ())
    with pytest.raises(ValueError, match="low <= high"):
        Zone("x", ((1, 0),))
