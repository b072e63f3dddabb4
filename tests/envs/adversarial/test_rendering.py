"""Episodes as pictures: what is kept of them, where arrows stand, in two dimensions and in OpenGL."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

import mujoco
from PIL import Image, ImageColor

from heatbath.core.errors import ConfigError, InvalidInput, MissingExtra
from heatbath.envs.adversarial.rendering import Film, episode, film, opengl, record
from heatbath.envs.adversarial.rendering.flat import RED, FlatCanvas, _colour
from heatbath.envs.adversarial.rendering.view import View, pose
from tests.envs.adversarial.games import make


def still(game):
    return lambda observation: np.zeros((game.num_envs, *game.protagonist_space.shape))


def pushing(game, *push):
    return lambda observation: np.tile(push, (game.num_envs, 1))


def recorded(name="Hopper", push=(1.0, 0.0), simulations=2, steps=20, **options):
    game = make(name, simulations, **options)
    return record(game, still(game), pushing(game, *push), seed=0, steps=steps)


def red(picture):
    """Pixels of the arrows' colour, (row, column)."""
    return np.argwhere(np.abs(picture.astype(int) - ImageColor.getrgb(RED)).max(-1) < 12)


# Recordings


def test_a_recording_holds_the_poses_and_pushes_of_one_simulation():
    game = make("Hopper", 3, max_force=2.0)
    made = record(game, still(game), pushing(game, 0.5, -1.0), simulation=1, seed=4, steps=6)
    game.reset(4)
    for step in range(6):
        np.testing.assert_array_equal(made.positions[step], game.simulations.qpos[1])
        outcome = game.step(np.zeros((3, 3)), np.tile((0.5, -1.0), (3, 1)))
        assert made.rewards[step] == outcome.reward[1]
    foot = made.model.body("foot").id
    np.testing.assert_array_equal(made.forces[:, foot], np.tile((1.0, 0.0, -2.0), (6, 1)))
    assert not np.delete(made.forces, foot, axis=1).any()
    assert made.strongest == pytest.approx(np.sqrt(5))
    assert made.time_step == pytest.approx(0.008)
    assert not made.ended


def test_a_recording_ends_with_its_episode():
    made = recorded(steps=1000, max_force=50.0)
    assert made.ended
    assert len(made) == len(made.rewards) < 1000
    assert made.forces[-1].any()  # that of the last step is the last that is known


@pytest.mark.parametrize("simulation", [-1, 2])
def test_a_simulation_that_is_not_there_is_refused(simulation):
    game = make("Hopper", 2)
    with pytest.raises(InvalidInput, match=rf"`simulation` must lie in 0 \.\. 1, got {simulation}"):
        record(game, still(game), pushing(game, 0.0, 0.0), simulation=simulation)


# Pictures in two dimensions


@pytest.mark.parametrize(("push", "side"), [((1.0, 0.0), 1), ((-1.0, 0.0), -1)])
def test_the_arrow_starts_at_the_body_and_points_where_it_is_pushed(push, side):
    made = recorded(push=push)
    view = View.of(made, 1.0)
    data = mujoco.MjData(made.model)
    pose(data, made.model, made.positions[10])
    (arrow,) = view.arrows(data, made.forces[10])
    picture = FlatCanvas(made.model, view, 300, 300).draw(data, [arrow])
    assert picture.shape == (300, 300, 3)
    scale, columns = view.pixels_per_metre(300, 300), red(picture)[:, 1]
    start, end = (150 + scale * (point[0] - view.centre(data)[0]) for point in (arrow.start, arrow.end))
    assert (end - start) * side > 50
    assert abs(columns.min() - min(start, end)) < 3
    assert abs(columns.max() - max(start, end)) < 3


def arrow_of(made, step=10):
    view, data = View.of(made, 1.0), mujoco.MjData(made.model)
    pose(data, made.model, made.positions[step])
    (arrow,) = view.arrows(data, made.forces[step])
    return arrow, data.xipos[made.model.body("foot").id], view.floor


@pytest.mark.parametrize("push", [(0.0, -1.0), (1.0, -1.0), (-0.5, -0.9)])
def test_a_push_into_the_ground_comes_from_above_and_ends_at_the_body(push):
    arrow, foot, floor = arrow_of(recorded(push=push))
    np.testing.assert_array_equal(arrow.end, foot)
    assert arrow.start[2] > arrow.end[2] > floor
    np.testing.assert_allclose(np.cross(arrow.end - arrow.start, (push[0], 0.0, push[1])), 0.0, atol=1e-12)


def test_all_other_pushes_start_at_the_body():
    for push in ((0.0, 1.0), (1.0, 0.0), (-1.0, 0.1)):
        arrow, foot, _ = arrow_of(recorded(push=push))
        np.testing.assert_array_equal(arrow.start, foot)


def test_without_a_force_there_is_no_arrow():
    drawn = film({"": recorded(push=(0.0, 0.0))}, backend="flat")
    assert all(len(red(frame[30:])) == 0 for frame in drawn.frames)


def test_arrows_are_as_long_as_forces_are_strong_across_films():
    weak, strong = recorded(push=(0.5, 0.0)), recorded(push=(1.0, 0.0))
    frame = film({"weak": weak, "strong": strong}, backend="flat", width=300).frames[3, 30:]
    widths = [np.ptp(red(half)[:, 1]) for half in (frame[:, :300], frame[:, 300:])]
    assert widths[0] / widths[1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["HalfCheetah", "Ant", "InvertedPendulum", "CartpoleBalance", "PendulumSwingup"])
def test_every_body_can_be_drawn(name):
    game = make(name, 1)
    push = np.ones(game.adversary_space.shape)
    drawn = episode(game, still(game), pushing(game, *push), steps=10, backend="flat", title=name, speed=1.0)
    assert drawn.frames.dtype == np.uint8
    assert drawn.frames.shape[1:] == (322, 360, 3)
    assert len(red(drawn.frames[-1][30:])) > 20


def test_a_puck_is_looked_at_from_above():
    game = make("WindCorridor", 1)
    made = record(game, lambda observation: np.ones((1, 2)), pushing(game, 1.0), seed=0, steps=30)
    assert View.of(made, 1.0).top
    assert not View.of(recorded(), 1.0).top
    assert film({"": made}, backend="flat").frames.shape[1:] == (322, 360, 3)


@pytest.mark.parametrize("name", ["WindCorridor", "WindNavigation"])
def test_the_whole_course_of_a_puck_is_seen_however_far_it_came(name):
    game = make(name, 1)
    made = record(game, lambda observation: np.array([[1.0, 0.0]]), pushing(game, 0.0), seed=0, steps=5)
    made.positions[:, 1] = 0.0  # straight on
    view, data = View.of(made, 1.2), mujoco.MjData(made.model)
    assert view.top
    pose(data, made.model, made.positions[0])
    centre = view.centre(data)
    for mark in ("goal", "wind", "cliff"):
        across, up = view.project(data.geom(mark).xpos[None] - centre)
        assert abs(across[0]) < 0.6 * view.size
        assert abs(up[0]) < 0.5 * view.size
    picture = FlatCanvas(made.model, view, 360, 300).draw(data, [])
    for mark in ("wind", "cliff", "goal"):
        colour = _colour(made.model, made.model.geom(mark).id)
        assert (np.abs(picture.astype(int) - colour).max(-1) < 3).sum() > 100


def test_the_shorter_film_waits_for_the_longer():
    game = make("Hopper", 1)
    long, short = (record(game, still(game), pushing(game, 1.0, 0.0), seed=0, steps=steps) for steps in (40, 10))
    frames = film({"long": long, "short": short}, backend="flat").frames
    assert frames.shape == (21, 322, 720, 3)  # every second of 40 steps, and the last
    assert (frames[-1, :, 360:] == frames[6, :, 360:]).all()


# Files


def test_a_gif_holds_all_pictures_and_keeps_the_arrow(tmp_path):
    drawn = film({"": recorded(steps=40)}, backend="flat")
    drawn.save(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as image:
        assert image.n_frames == len(drawn.frames)
        assert image.info["duration"] == 40
        image.seek(10)
        assert len(red(np.asarray(image.convert("RGB"))[30:])) > 20


def test_an_mp4_needs_its_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install imageio-ffmpeg"):
        Film(np.zeros((2, 16, 16, 3), np.uint8)).save(tmp_path / "film.mp4")


def test_an_mp4_is_written_with_it(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    film({"": recorded(steps=10)}, backend="flat").save(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").stat().st_size > 1000


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"written as \.gif or \.mp4, got 'film\.avi'"):
        Film(np.zeros((2, 16, 16, 3), np.uint8)).save(tmp_path / "film.avi")


@pytest.mark.parametrize("options", [{"width": 0}, {"speed": 0.0}, {"speed": float("nan")}])
def test_films_out_of_range_are_refused(options):
    with pytest.raises(InvalidInput, match="a film needs"):
        film({"": recorded(steps=2)}, backend="flat", **options)


# OpenGL


def test_an_unknown_opengl_is_refused(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    with pytest.raises(ConfigError, match="MUJOCO_GL is 'vulkan', expected one of egl, osmesa"):
        opengl.available()


def test_opengl_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disabled")
    assert opengl.available() is None


def test_where_no_opengl_works_the_drawing_is_flat(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(opengl, "_works", lambda name: False)
    assert (film({"": recorded()}).frames == film({"": recorded()}, backend="flat").frames).all()
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(ConfigError, match="MUJOCO_GL=egl does not work on this machine"):
        film({"": recorded()})


GL = """
import numpy as np
from heatbath.envs.adversarial.rendering import film, opengl
from tests.envs.adversarial.games import make
from tests.envs.adversarial.test_rendering import pushing, recorded
from heatbath.envs.adversarial.rendering import record

backend = opengl.available()
if backend is None:
    raise SystemExit(77)
frames = film({"no": recorded(push=(0.0, 0.0)), "right": recorded()}, backend=backend, width=200, height=200).frames
picture = frames[5, 22:].astype(int)
vivid = (picture[..., 0] > 110) & (picture[..., 0] > 2 * picture[..., 1]) & (picture[..., 0] > 1.5 * picture[..., 2])
print(vivid[:, :200].sum(), vivid[:, 200:].sum())
assert vivid[:, :200].sum() == 0
columns = np.flatnonzero(vivid[:, 200:].any(0))
assert len(columns) > 30, columns  # an arrow, and to the right of the foot
assert columns.mean() > 100, columns

frame = film({"": recorded(push=(0.3, -1.0))}, backend=backend, width=200, height=200).frames[5, 22:].astype(int)
red = (frame[..., 0] > 110) & (frame[..., 0] > 2 * frame[..., 1]) & (frame[..., 0] > 1.5 * frame[..., 2])
assert np.ptp(np.flatnonzero(red.any(1))) > 60, "an arrow into the ground is hidden by it"

game = make("WindCorridor", 1)
made = record(game, lambda observation: np.array([[1.0, 0.0]]), pushing(game, 1.0), seed=0, steps=60)
for frame in film({"": made}, backend=backend, width=200, height=200).frames[:-1, 22:].astype(int):
    assert (frame.min(-1) > 245).mean() < 0.01, "blown out"
    blue = (frame[..., 2] > 1.3 * frame[..., 0]) & (frame[..., 0] < 120)
    assert blue.sum() > 20, "the puck is lost in the light"
    assert (frame.max(-1) < 120).mean() > 0.02, "no cliff"
"""


@pytest.mark.slow
def test_opengl_draws_the_arrow_too():
    """In a process of its own, which a driver may end."""
    clean = {key: value for key, value in os.environ.items() if key not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    clean["PYTHONPATH"] = str(Path(__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", GL], env=clean, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("no OpenGL works on this machine")
    assert done.returncode == 0, done.stdout + done.stderr
