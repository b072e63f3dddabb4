"""Old checkpoints leave when new ones come."""

import sys

import pytest

from heatbath.core import api
from heatbath.plugins.observers.retention import run_checkpoint


def folders(run):
    return sorted(path.name for path in run.files.checkpoints.iterdir())


@pytest.fixture
def saved(watched):
    """Makes a run with the checkpoints of some steps; told of each as it comes, when `told`."""

    def make(*steps, told=True, **how):
        run = watched(**how)
        for step in steps:
            place = run.files.checkpoints / f"step-{step:09d}"
            place.mkdir(parents=True)
            (place / "state.pt").write_bytes(b"")
            if told:
                run_checkpoint(run, place)
        return run

    return make


@pytest.mark.parametrize("keep", [1, 3, 10])
def test_the_newest_stay(saved, keep):
    run = saved(*range(8, 20), keep=keep)
    assert folders(run) == [f"step-{step:09d}" for step in range(8, 20)][-keep:]


def test_what_is_left_of_a_torn_checkpoint_leaves(saved):
    run = saved(1, 2)
    (run.files.checkpoints / ".step-000000002.tmp").mkdir()
    run_checkpoint(run, run.files.checkpoints / "step-000000002")
    assert folders(run) == ["step-000000001", "step-000000002"]


def test_what_is_no_checkpoint_stays(saved):
    run = saved(1, 2, keep=1)
    (run.files.checkpoints / "best").mkdir()
    (run.files.checkpoints / "step-notes.txt").write_text("")
    run_checkpoint(run, run.files.checkpoints / "step-000000002")
    assert folders(run) == ["best", "step-000000002", "step-notes.txt"]


def test_damaged_checkpoints_ahead_do_not_push_out_the_sound_one(saved):
    """A run that went on from before them must not lose what it has written since."""
    run = saved(4, 8, 12, told=False, keep=1)
    run_checkpoint(run, run.files.checkpoints / "step-000000008")
    assert folders(run) == ["step-000000008", "step-000000012"]


def test_a_run_keeps_as_many_as_it_was_told(host, tmp_path, monkeypatch, small):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    argv = ["--runs", str(tmp_path), "--keep-checkpoints", "2", *small.line.split()]
    run = api.run_argv(host, "gtf.lorenz63", argv)
    kept = {5, 6, run.best["step"]}
    assert folders(run) == [f"step-{step:09d}" for step in sorted(kept)]


def test_the_checkpoint_of_the_best_evaluation_stays(saved):
    run = saved(1, 2, keep=1)
    run.best = {"step": 2, "metrics": {}}
    for step in (3, 4):
        place = run.files.checkpoints / f"step-{step:09d}"
        place.mkdir()
        run_checkpoint(run, place)
    assert folders(run) == ["step-000000002", "step-000000004"]
