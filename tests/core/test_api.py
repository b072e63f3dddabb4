"""The Python API."""

import json

import pytest

import heatbath
from heatbath.core import api
from heatbath.core.errors import ConfigError, NotFinite, RunError
from heatbath.core.hookspecs import KINDS
from heatbath.core.testing.expect import same


def test_a_run_is_made_under_its_name_and_returned(lab, tmp_path):
    run = api.run("toy/line", host=lab, runs=str(tmp_path), name="it", steps=3, losses={"fit": {"weight": 2.0}})
    assert run.directory == tmp_path / "toy-line" / "it"
    assert run.status == "finished"
    assert run.clock.step == 3
    assert run.metrics.keys() == {"error", "drawn", "threads"}
    assert run.config.losses.picks["fit"].weight.options.level == 2.0
    assert not (run.directory / "owner").exists()
    assert run.watched == {"tensorboard": False}


def test_the_directory_is_told_once_it_is_owned_and_before_the_first_step(lab, tmp_path):
    places = []

    def note(place):
        places.append(place)
        assert (place / "config.json").exists()
        assert (place / "owner").exists()
        assert not (place / "metrics.jsonl").exists()

    run = api.run_argv(lab, "toy/line", ["--runs", str(tmp_path), "--steps", "2"], note)
    assert places == [run.directory]
    assert run.directory.name.endswith("-seed0")


def test_what_is_wrong_is_said_before_a_directory_is_made(lab, tmp_path):
    for wrong in ({"stpes": 3}, {"steps": 0}, {"model": "toy/afine"}, {"steps": "many"}, {"name": "../x"}):
        with pytest.raises(ConfigError):
            api.run("toy/line", host=lab, runs=str(tmp_path / "runs"), **wrong)
    with pytest.raises(ConfigError, match="no experiment named 'toy/lines'"):
        api.run("toy/lines", host=lab, runs=str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_name_that_is_taken_is_refused_and_what_is_there_stays(lab, tmp_path):
    run = api.run("toy/line", host=lab, runs=str(tmp_path), name="it")
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="already holds a run; resume it, or choose another --name"):
        api.run("toy/line", host=lab, runs=str(tmp_path), name="it", seed=1)
    assert before == {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}


def test_a_run_that_diverges_raises_and_gives_its_directory_back(lab, tmp_path):
    with pytest.raises(NotFinite, match="step 2: loss/fit is nan"):
        api.run("toy/line", host=lab, runs=str(tmp_path), name="it", trouble="nan@2")
    with api.load_run(tmp_path / "toy-line" / "it", lab).files.locked():
        pass


def test_a_run_is_loaded_with_its_numbers_and_its_task(lab, whole):
    run = whole()
    again = heatbath.load_run(str(run.directory), host=lab)
    assert again.metrics == run.metrics
    assert same(dict(again.task.model.state_dict()), dict(run.task.model.state_dict()))


def test_a_run_that_has_ended_is_left_as_it_is(lab, whole, monkeypatch, line):
    run = whole()
    before = {path: path.stat().st_mtime_ns for path in run.directory.rglob("*.json*")}
    monkeypatch.setattr(line, "step", lambda *_: pytest.fail("stepped"))
    again = heatbath.resume(run.directory, host=lab)
    assert heatbath.resume(run.directory, host=lab, steps=12).result == again.result == run.result
    assert before == {path: path.stat().st_mtime_ns for path in run.directory.rglob("*.json*")}


def test_a_run_that_has_ended_can_be_trained_longer(lab, whole):
    run = whole(steps=4)
    longer = heatbath.resume(run.directory, host=lab, steps=12)
    assert (longer.status, longer.clock.step, longer.plan.steps) == ("finished", 12, 12)
    assert json.loads(longer.files.config.read_text())["plan"]["steps"] == 12
    assert same(longer.state_dict(), whole("twelve").state_dict())  # nothing here depends on the total
    assert heatbath.load_run(run.directory, host=lab).clock.total == 12


def test_a_run_that_another_owns_is_not_resumed(cut_off, lab, monkeypatch, line):
    directory = cut_off(5)
    before = (directory / "metrics.jsonl").read_bytes()
    with heatbath.load_run(directory, host=lab).files.locked(), pytest.raises(RunError, match="belongs to another"):
        heatbath.resume(directory, host=lab)
    assert (directory / "metrics.jsonl").read_bytes() == before


def test_resuming_tells_the_directory_before_the_first_step(cut_off, lab):
    directory, places = cut_off(5), []
    api.resume(directory, host=lab, note=places.append)
    assert places == [directory]


def test_components_are_names_by_kind(lab):
    found = heatbath.components(host=lab)
    assert tuple(found) == KINDS
    assert found["models"] == sorted(found["models"])
    assert "toy/affine" in found["models"]
    assert heatbath.components("models", lab) == {"models": found["models"]}
    assert "mse" in heatbath.components()["losses"]  # of what is installed


def test_a_kind_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="there is no kind 'loss' of component; did you mean 'losses'"):
        heatbath.components("loss")


def test_what_is_installed_serves_when_no_host_is_given(tmp_path):
    small = {"points": 200, "window": 4, "batches_per_epoch": 1, "metrics": {"lyapunov_max": "none"}, "device": "cpu"}
    run = heatbath.run("gtf.lorenz63", steps=1, alpha=0.2, model={"hidden": 2}, runs=str(tmp_path), **small)
    assert run.history()[0]["alpha"] == 0.2
    assert heatbath.load_run(run.directory).metrics == run.metrics
    assert heatbath.resume(run.directory).result == run.result
