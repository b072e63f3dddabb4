"""A run directory: names that stay inside, files that are whole or absent, rows that may be torn, one owner."""

import os
import subprocess
import sys

import pytest

from heatbath.core import directory
from heatbath.core.directory import RunDirectory, finite_or_null, write_atomically, write_json
from heatbath.core.errors import ConfigError, RunError


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "/etc/x", "a/b", ".hidden", "-x", "a b", "x\n", "a" * 101, "ä", "a\\b", "a\0", "~x"],
)
def test_names_that_are_not_plain_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"--name: expected letters, digits, '.', '_' and '-'"):
        RunDirectory.named(tmp_path, "toy/line", name, 0)


@pytest.mark.parametrize("name", ["a", "0", "a" * 100, "A.b_c-1", "1..2"])
def test_plain_names_are_taken_under_the_experiment(tmp_path, name):
    assert RunDirectory.named(tmp_path, "toy/line", name, 0).path == tmp_path / "toy-line" / name


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "runs" / "toy").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / "toy" / "x").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="'x' leads out of"):
        RunDirectory.named(tmp_path / "runs", "toy", "x", 0)


def test_without_a_name_one_is_found_that_is_free(tmp_path, monkeypatch):
    class Noon(directory.datetime):
        @classmethod
        def now(cls):
            return cls(2026, 11, 24, 12, 0, 0)

    monkeypatch.setattr(directory, "datetime", Noon)
    names = []
    for _ in range(3):
        files = RunDirectory.named(tmp_path, "toy", "", 7)
        files.path.mkdir(parents=True)
        names.append(files.path.name)
    assert names == ["20261124-120000-seed7", "20261124-120000-seed7-2", "20261124-120000-seed7-3"]


def test_rows_come_back_as_they_were_written(tmp_path):
    files = RunDirectory(tmp_path)
    assert files.history() == []
    files.append_metrics(1, {"loss": 0.1 + 0.2})
    files.append_metrics(2, {"loss": float("nan"), "rate": float("-inf"), "note": "a\u2028b\r"})
    assert files.history() == [
        {"step": 1, "loss": 0.1 + 0.2},
        {"step": 2, "loss": None, "rate": None, "note": "a\u2028b\r"},
    ]


@pytest.mark.parametrize(
    "torn", [b'{"step": 3', b'{"step": 3}', b"\xff\xfe", b"{", b"\0\0\0\0\n", b'{"step": 3\n{"step": 4}\n']
)
def test_a_torn_last_row_is_left_out_and_cut_away(tmp_path, torn):
    files = RunDirectory(tmp_path)
    files.append_metrics(1, {})
    files.append_metrics(2, {})
    sound = files.metrics.read_bytes()
    files.metrics.write_bytes(sound + torn)
    assert files.history() == [{"step": 1}, {"step": 2}]
    files.forget_after(2)
    assert files.metrics.read_bytes() == sound


def test_rows_after_a_step_are_cut_away(tmp_path):
    files = RunDirectory(tmp_path)
    files.forget_after(0)  # nothing to forget yet
    assert not files.metrics.exists()
    for step in (2, 4, 6):
        files.append_metrics(step, {})
    files.forget_after(5)
    assert [row["step"] for row in files.history()] == [2, 4]
    files.forget_after(0)
    assert files.metrics.read_bytes() == b""


def test_what_is_not_finite_is_null():
    assert finite_or_null({"a": float("inf"), "b": 1.0, "c": 3, "d": "nan"}) == {
        "a": None,
        "b": 1.0,
        "c": 3,
        "d": "nan",
    }


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_file_is_written_wholly_or_not_at_all(tmp_path, monkeypatch, step):
    path = tmp_path / "result.json"
    write_json(path, {"old": 1})

    def refuse(*_):
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    elif step == "replace":
        monkeypatch.setattr(directory.Path, "replace", refuse)
    with pytest.raises((OSError, TypeError)):
        write_atomically(path, None if step == "write" else b"{}")
    assert path.read_text() == '{\n  "old": 1\n}\n'


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path):
    directory.sync_directory(tmp_path / "absent")
    directory.sync_directory(tmp_path)


OWNER = """
import sys
from heatbath.core.directory import RunDirectory
with RunDirectory(sys.argv[1]).locked():
    print("mine", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def owner(tmp_path):
    """Another process that owns `tmp_path / "run"`."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


def test_a_directory_of_another_process_is_refused_naming_it(tmp_path, owner):
    files = RunDirectory(tmp_path / "run")
    said = rf"belongs to another process \(process {owner.pid} on .+\); wait for it, or choose another --name"
    with pytest.raises(RunError, match=said), files.locked():
        pytest.fail("two owners")
    assert "process" in (tmp_path / "run" / "owner").read_text()  # the refusal takes nothing away


def test_the_lock_of_a_killed_process_dies_with_it(tmp_path, owner):
    owner.kill()
    owner.wait()
    assert (tmp_path / "run" / "owner").exists()
    with RunDirectory(tmp_path / "run").locked():
        assert f"process {os.getpid()} " in (tmp_path / "run" / "owner").read_text()


def test_a_lock_is_given_back_also_after_an_error(tmp_path):
    files = RunDirectory(tmp_path / "new")
    with pytest.raises(ZeroDivisionError), files.locked():
        1 / 0  # noqa: B018
    assert not (files.path / "owner").exists()
    with files.locked(), pytest.raises(RunError, match="belongs to another process"), RunDirectory(files.path).locked():
        pytest.fail("two owners")


def test_a_lock_without_a_note_is_refused_all_the_same(tmp_path, owner):
    (tmp_path / "run" / "owner").unlink()
    with pytest.raises(RunError, match="belongs to another process; wait"), RunDirectory(tmp_path / "run").locked():
        pytest.fail("two owners")


def test_a_run_that_was_refused_before_it_began_leaves_nothing(tmp_path):
    files = RunDirectory(tmp_path / "toy" / "one")
    with pytest.raises(ValueError, match="no such device"), files.locked():
        raise ValueError("no such device")
    assert not list(tmp_path.iterdir())


def test_a_run_that_began_keeps_its_files(tmp_path):
    files = RunDirectory(tmp_path / "toy" / "one")
    with files.locked():
        files.config.write_text("{}")
    with files.locked():
        pass
    assert files.exists
