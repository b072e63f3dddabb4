import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from mujoco import batch  # noqa: E402

from heatbath.envs.adversarial.model_files import gymnasium_file, load, ours  # noqa: E402

DEPRECATED = """
<mujoco>
  <compiler settotalmass="14"/>
  <worldbody>
    <body><joint type="slide"/><geom size=".1"/><body pos="0 0 1"><joint/><geom size=".2"/></body></body>
  </worldbody>
</mujoco>
"""


@pytest.fixture
def quiet(capfd, tmp_path, monkeypatch):
    """A function that says what MuJoCo has complained of."""
    monkeypatch.chdir(tmp_path)
    return lambda: (capfd.readouterr().err, [path.name for path in tmp_path.glob("*.TXT")])


def test_a_total_mass_is_set_without_a_complaint(quiet, tmp_path):
    (tmp_path / "model.xml").write_text(DEPRECATED)
    model = load(tmp_path / "model.xml")
    assert quiet() == ("", [])
    assert model.body_mass.sum() == pytest.approx(14)
    assert load(tmp_path / "model.xml").body_subtreemass[0] == pytest.approx(14)


def test_the_model_is_the_one_that_mujoco_makes_of_the_file(quiet, tmp_path):
    (tmp_path / "model.xml").write_text(DEPRECATED)
    mine, theirs = load(tmp_path / "model.xml"), mujoco.MjModel.from_xml_string(DEPRECATED)
    for name in batch.MODEL_FIELDS:
        if not name.startswith("opt."):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)


def test_loading_what_is_registered_says_nothing(quiet):
    for name in ("hopper", "half_cheetah", "walker2d_v5", "inverted_pendulum", "ant"):
        gymnasium_file(f"{name}.xml")()
    for name in ("cartpole", "pendulum", "puck"):
        ours(f"{name}.xml")()
    assert quiet() == ("", [])


def test_other_complaints_are_not_hidden(quiet, tmp_path):
    (tmp_path / "model.xml").write_text(DEPRECATED.replace('<joint type="slide"/>', '<joint type="slid"/>'))
    with pytest.raises(ValueError, match="slid"):
        load(tmp_path / "model.xml")
