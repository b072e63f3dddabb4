"""A checkpoint is believed only while every byte of it is the one that was written."""

import json
import os
import pickle
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from heatbath.core import api, checkpoints
from heatbath.core.checkpoints import MANIFEST, STATE, flaw, latest, load, places, save
from heatbath.core.contracts import Clock
from heatbath.core.errors import RunError
from heatbath.core.testing.expect import same

STATE_4, STATE_8 = ({"step": step, "weights": torch.arange(40.0) + step, "rest": [1, (2.5, None)]} for step in (4, 8))


@pytest.fixture
def two(tmp_path):
    """A folder with the checkpoints of steps 4 and 8."""
    save(tmp_path, 4, STATE_4)
    save(tmp_path, 8, STATE_8)
    return tmp_path


def falls_back(folder, caplog):
    """The newest checkpoint is passed over, with its name in the log, and the one before is what it was."""
    caplog.clear()
    place = latest(folder)
    warned = [record.getMessage() for record in caplog.records]
    return (
        place.name == "step-000000004" and same(load(place), STATE_4) and "step-000000008 is passed over" in warned[0]
    )


def test_a_state_comes_back_as_it_was(two, caplog):
    assert latest(two) == two / "step-000000008"
    assert same(load(latest(two)), STATE_8)
    assert flaw(two / "step-000000008") is None
    assert sorted(path.name for path in two.iterdir()) == ["step-000000004", "step-000000008"]
    assert not caplog.records


def test_an_empty_or_absent_folder_has_no_latest(tmp_path):
    assert latest(tmp_path) is None
    assert latest(tmp_path / "absent") is None


def test_places_are_in_order_of_steps_and_nothing_else_is_one(tmp_path):
    for name in ("step-000000010", "step-2", "step-1000000000", ".step-000000011.tmp", "step-x", "step-3-copy", "best"):
        (tmp_path / name).mkdir()
    assert [path.name for path in places(tmp_path)] == ["step-2", "step-000000010", "step-1000000000"]


def test_a_checkpoint_of_the_same_step_is_replaced(two):
    save(two, 8, {"step": 8, "weights": torch.zeros(2)})
    assert same(load(latest(two))["weights"], torch.zeros(2))


def test_the_rest_of_a_checkpoint_that_was_cut_off_is_no_hindrance(two):
    beside = two / ".step-000000012.tmp"
    beside.mkdir()
    (beside / STATE).write_bytes(b"half")
    (beside / "more").write_bytes(b"")
    assert latest(two).name == "step-000000008"
    assert flaw(save(two, 12, STATE_8)) is None
    assert not beside.exists()


# Damage


@pytest.mark.parametrize("name", [STATE, MANIFEST])
@pytest.mark.parametrize("sixteenth", range(16))
def test_a_truncated_file_is_never_loaded(two, caplog, name, sixteenth):
    file = two / "step-000000008" / name
    os.truncate(file, file.stat().st_size * sixteenth // 16)
    assert falls_back(two, caplog)
    with pytest.raises(RunError, match="step-000000008"):
        load(two / "step-000000008")


def test_a_file_with_a_byte_too_many_is_never_loaded(two, caplog):
    with (two / "step-000000008" / STATE).open("ab") as sink:
        sink.write(b"\0")
    assert falls_back(two, caplog)
    size = (two / "step-000000008" / STATE).stat().st_size
    assert f"state.pt has {size} bytes, its manifest says {size - 1}" in caplog.text


def test_a_flipped_bit_of_the_state_is_never_loaded(two, caplog):
    file = two / "step-000000008" / STATE
    sound = file.read_bytes()
    for place in range(0, len(sound), len(sound) // 64):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        assert falls_back(two, caplog), f"bit {place % 8} of byte {place}"
        assert "does not have the SHA-256 of its manifest" in caplog.text


def test_a_flipped_bit_of_the_manifest_never_changes_what_is_loaded(two):
    """Every seventh of them, so that each place in a byte has its turn."""
    file = two / "step-000000008" / MANIFEST
    sound = file.read_bytes()
    for bit in range(0, 8 * len(sound), 7):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        place = latest(two)
        assert same(load(place), STATE_8 if place.name == "step-000000008" else STATE_4), f"bit {bit}"


@pytest.mark.parametrize("name", [STATE, MANIFEST])
def test_a_missing_file_is_noticed(two, caplog, name):
    (two / "step-000000008" / name).unlink()
    assert falls_back(two, caplog)


@pytest.mark.parametrize("name", ["more.pt", ".hidden", "state.pt.bak"])
def test_a_file_too_many_is_noticed(two, caplog, name):
    (two / "step-000000008" / name).write_bytes(b"")
    assert falls_back(two, caplog)
    assert "its files are not those of its manifest" in caplog.text


def edited(two, **changes):
    file = two / "step-000000008" / MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_manifest_of_another_format_is_noticed(two, caplog, version):
    edited(two, format=version)
    assert falls_back(two, caplog)
    assert f"its format is {version!r}, this heatbath reads 1" in caplog.text


@pytest.mark.parametrize("step", [4, 9, "8", None, 8.5, [8]])
def test_a_manifest_of_another_step_is_noticed(two, caplog, step):
    edited(two, step=step)
    assert falls_back(two, caplog)


def test_a_checkpoint_under_another_name_is_noticed(two, caplog):
    (two / "step-000000008").rename(two / "step-000000012")
    assert latest(two).name == "step-000000004"
    assert "its manifest is about step 8" in caplog.text


@pytest.mark.parametrize("outside", ["../step-000000004/state.pt", "/etc/hostname", "../../secret"])
def test_a_manifest_that_points_elsewhere_is_noticed(two, caplog, outside):
    files = json.loads((two / "step-000000008" / MANIFEST).read_text())["files"]
    for listed in ({outside: files[STATE]}, {**files, outside: files[STATE]}):
        edited(two, files=listed)
        assert falls_back(two, caplog)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "{}", "\xff", "[" * 100_000, '{"format": 1}'),
        *(f'{{"format": 1, "step": 8, "files": {files}}}' for files in ("null", '{"state.pt": 3}', '{"state.pt": {}}')),
    ],
)
def test_a_manifest_that_is_something_else_is_noticed(two, caplog, text):
    (two / "step-000000008" / MANIFEST).write_bytes(text.encode("latin-1"))
    assert falls_back(two, caplog)


def test_a_file_in_the_place_of_a_checkpoint_is_noticed(two, caplog):
    (two / "step-000000012").write_bytes(b"")
    assert latest(two).name == "step-000000008"
    assert "step-000000012 is passed over: it cannot be read" in caplog.text


def test_when_none_is_sound_there_is_no_latest(two, caplog):
    for place in places(two):
        (place / STATE).unlink()
    assert latest(two) is None
    assert len(caplog.records) == 2


# Malice


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("disguise", ["bare pickle", "whole state", "inside a state"])
def test_a_malicious_pickle_has_no_effect(two, disguise):
    """Its manifest is right, as whoever writes the one can write the other."""
    target, place = two / "touched", two / "step-000000008"
    if disguise == "bare pickle":
        (place / STATE).write_bytes(pickle.dumps(Evil(target)))
    else:
        torch.save(Evil(target) if disguise == "whole state" else {**STATE_8, "more": Evil(target)}, place / STATE)
    edited(two, files={STATE: checkpoints._digest(place / STATE)})
    assert latest(two) == place
    with pytest.raises(RunError, match=r"step-000000008/state.pt cannot be read: (it holds \S+ not only|.+)$"):
        load(place)
    assert not target.exists()
    pickle.loads((place / STATE).read_bytes()) if disguise == "bare pickle" else torch.load(
        place / STATE, weights_only=False
    )
    assert target.exists()  # so it would have


def test_a_state_that_is_no_mapping_is_refused(two):
    save(two, 12, [1, 2])
    with pytest.raises(RunError, match="expected a mapping, got list"):
        load(latest(two))


@pytest.mark.parametrize("odd", [np.float64(1.0), np.ones(2), Path("x"), Clock(0, 1)])
def test_a_state_that_could_not_be_read_again_is_not_written(two, odd):
    with pytest.raises(RunError, match=r"state.pt cannot be read: it holds \S+, not only tensors and plain Python$"):
        save(two, 12, {"step": 12, "odd": [odd]})
    assert sorted(path.name for path in two.iterdir()) == ["step-000000004", "step-000000008"]


def test_what_cannot_be_pickled_leaves_nothing_behind(two):
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save(two, 12, {"step": 12, "odd": lambda: None})
    assert sorted(path.name for path in two.iterdir()) == ["step-000000004", "step-000000008"]


# A disk that is full


@contextmanager
def files_no_longer_than(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 300, 100_000])
def test_a_state_that_cannot_be_written_leaves_the_one_before(two, size):
    large = {"step": 12, "weights": torch.zeros(100_000)}
    with (
        files_no_longer_than(size),
        pytest.raises(RunError, match=r"step-000000012 cannot be written: .*File too large"),
    ):
        save(two, 12, large)
    assert sorted(path.name for path in two.iterdir()) == ["step-000000004", "step-000000008"]
    assert same(load(latest(two)), STATE_8)
    assert flaw(save(two, 12, large)) is None


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_system_that_refuses_late_leaves_the_one_before(two, monkeypatch, call):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if call == "fsync" else (Path, "rename")), refuse)
        with pytest.raises(RunError, match=r"cannot be written: .*No space left on device; resume when it can"):
            save(two, 12, STATE_8)
    assert latest(two).name == "step-000000008"
    assert not list(two.glob(".step*"))


def test_a_run_on_a_full_disk_fails_and_goes_on_when_there_is_space(new_run, whole, monkeypatch, caplog):
    from heatbath.core import loop

    run = new_run("full")
    loop.start(run)
    kept, count = torch.save, iter(range(9))

    def write(state, sink):
        if next(count) == 1:
            sink.write(b"half a checkpoint")
            raise OSError(28, "No space left on device")
        kept(state, sink)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", write)
        with pytest.raises(RunError, match=r"step-000000008 cannot be written: .*No space left"):
            loop.advance(run)
    assert run.status == "failed"
    assert "No space left" in run.result["error"]
    assert latest(run.files.checkpoints).name == "step-000000004"
    resumed = api.resume(run.directory, host=run.host)
    assert same(resumed.state_dict(), whole().state_dict())
    assert resumed.status == "finished"


def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(cut_off, whole, lab, caplog):
    directory = cut_off(11)
    damaged = directory / "checkpoints" / "step-000000008" / STATE
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    resumed = api.resume(directory, host=lab)
    assert "step-000000008 is passed over" in caplog.text
    expected = whole()
    assert same(resumed.state_dict(), expected.state_dict())
    assert resumed.history() == expected.history()
    assert flaw(damaged.parent) is None  # written anew


def test_a_run_without_a_sound_checkpoint_begins_again(cut_off, whole, lab):
    directory = cut_off(11)
    for place in places(directory / "checkpoints"):
        (place / MANIFEST).unlink()
    resumed = api.resume(directory, host=lab)
    expected = whole()
    assert same(resumed.state_dict(), expected.state_dict())
    assert resumed.history() == expected.history()
