"""What a run was made with, as it is written down."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from heatbath.core import environment


@pytest.fixture
def described(host):
    return lambda: environment.describe(host, [("losses", "mse"), ("losses", "mse")], torch.device("cpu"))


def test_versions_machine_and_plugins_are_named(described, host):
    found = described()
    assert found["torch"] == torch.__version__
    assert found["python"] == platform.python_version()
    assert found["device"] == "cpu"
    assert found["device_name"] == found["processor"] != ""
    assert found["instruction_set"] == torch.backends.cpu.get_cpu_capability()
    assert found["threads"] == torch.get_num_threads()
    assert found["argv"] == sys.argv
    assert found["packages"]["torch"] == version("torch")
    assert found["packages"]["heatbath"] == version("heatbath")
    assert list(found["packages"]) == sorted(found["packages"], key=str.lower)
    assert list(found["components"]) == ["losses:mse"]
    assert found["components"]["losses:mse"]["distribution"] == "heatbath"
    assert {row["name"]: row["status"] for row in found["plugins"]}["gtf"] == "loaded"
    assert len(found["plugins"]) == len(host.plugins)


def test_plugins_that_failed_are_named_with_the_reason(lab_of):
    from heatbath.core.discovery import Offer

    host = lab_of(strict=False)
    host.load("all", offers=[Offer("broken", "broken-shop", "1", lambda: 1 / 0)])
    rows = environment.describe(host, [], torch.device("cpu"))["plugins"]
    assert {
        "name": "broken", "distribution": "broken-shop", "version": "1", "status": "failed",
        "detail": "ZeroDivisionError: division by zero",
    } in rows  # fmt: skip


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with one commit, which is the working directory."""

    def git(*words):
        return subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git(
        "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "one"
    )
    monkeypatch.chdir(tmp_path)
    return git


def test_the_commit_is_named_and_whether_there_are_changes(described, checkout, tmp_path):
    commit = checkout("rev-parse", "HEAD")
    assert described()["git"] == {"commit": commit, "dirty": False}
    (tmp_path / "file").write_text("2")
    assert described()["git"] == {"commit": commit, "dirty": True}


def test_outside_a_checkout_there_is_no_commit(described, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert described()["git"] is None


@pytest.mark.usefixtures("checkout")
def test_without_git_there_is_no_commit(described, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert described()["git"] is None


@pytest.mark.usefixtures("checkout")
def test_a_git_that_hangs_is_given_up(described, monkeypatch):
    def hang(*_, timeout, **__):
        raise subprocess.TimeoutExpired("git", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert described()["git"] is None


@pytest.mark.parametrize("text", [None, "flags: none\n", "flags\nmodel name\t: A Fine Processor \nmodel name: Two\n"])
def test_the_processor_is_the_best_name_that_there_is(monkeypatch, text):
    def read(path, **_):
        if text is None:
            raise FileNotFoundError(path)
        return text

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "abacus")
    assert environment._processor() == ("A Fine Processor" if text and "Fine" in text else "abacus")


def test_on_cuda_the_device_is_named(host, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"the card of {device}")
    found = environment.describe(host, [], torch.device("cuda", 1))
    assert (found["device"], found["device_name"]) == ("cuda:1", "the card of cuda:1")
