"""Processes that end hard: SIGKILL anywhere, Ctrl-C, and what is left to go on from.

All runs here are `gtf.lorenz63`, made small; each must end with the weights of the one that nobody disturbed.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from heatbath import Host
from heatbath.core import api, checkpoints, discovery
from heatbath.core.directory import RunDirectory
from heatbath.core.errors import RunError
from heatbath.core.testing.expect import same
from heatbath.testing import invoke

ROWS, CADENCE = 80, 8
"""Rows of an undisturbed run, two steps each; a checkpoint every eight steps."""
OPTIONS = {
    "steps": 2 * ROWS, "checkpoint_every": CADENCE, "evaluate_every": 40, "batches_per_epoch": 2, "points": 300,
    "window": 6, "batch": 2, "device": "cpu",
    "model": {"hidden": 4}, "metrics": {"lyapunov_max": "none"},
}  # fmt: skip
COMMAND = """
import sys
sys.modules["matplotlib"] = None  # pictures take longer than the run
from heatbath.core.cli import main
sys.exit(main())
"""
SLOWLY = f"""
import os, time
at_once = os.fsync
os.fsync = lambda handle: (time.sleep(0.1), at_once(handle))
{COMMAND}
"""
"""With a disk that takes its time, most of a run is the writing of checkpoints."""
PATIENCE = 60
"""Seconds after which a test gives up; a wait ends much earlier, on its condition."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The run that nobody disturbed, in this process."""
    offers = [offer for offer in discovery.installed() if offer.first_party]
    host = Host(strict=True).load("all", offers=offers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        return api.run("gtf.lorenz63", host=host, runs=str(tmp_path_factory.mktemp("runs")), name="whole", **OPTIONS)


def arguments(*more):
    from heatbath.core.config import to_argv

    return ["run", "gtf.lorenz63", "--name", "it", *to_argv(OPTIONS), *more]


def begin(folder, words, code=COMMAND, **environment):
    """A process in `folder` that carries out a command line, with the first-party plugins alone."""
    names = ",".join(offer.name for offer in discovery.installed() if offer.first_party)
    given = {**os.environ, "HEATBATH_PLUGINS": names, "HEATBATH_STRICT": "1", "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=folder, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def wait(process, condition):
    """Until the condition holds; the process must not end before."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"ended with {process.returncode} before the moment came: {process.communicate()[1][-2000:]}")
        time.sleep(0.002)


def kill(process):
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL  # it was running


def rows(directory):
    try:
        return (directory / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def beside(directory):
    """Checkpoints that are being written."""
    return list((directory / "checkpoints").glob(".step-*.tmp"))


def resumed(directory):
    """Resume to the end, here; the run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        answer = invoke(["resume", str(directory)])
    assert answer.exit_code == 0, answer.stderr
    assert f" at step {2 * ROWS}, seed 0" in answer.stdout  # so small a model collapses
    return api.load_run(directory, Host().load("all"))


def assert_the_same(run, undisturbed):
    assert same(run.state_dict(), undisturbed.state_dict())
    assert run.history() == undisturbed.history()
    assert run.metrics == undisturbed.metrics
    assert {path.name for path in run.files.checkpoints.iterdir()} == {
        path.name for path in undisturbed.files.checkpoints.iterdir()
    }


@pytest.mark.slow
def test_five_kills_change_nothing(tmp_path, undisturbed):
    """Three at a number of rows drawn anew, beyond where the run was, and two while a checkpoint is written.

    The processes also differ in the hashes of their strings, and so in the order of their sets.
    """
    moments, directory = random.Random(20261124), tmp_path / "runs/gtf.lorenz63/it"
    words, between, torn = arguments(), 0, 0
    for part, within in enumerate((False, True, False, True, False)):
        before = rows(directory)
        target = before + moments.randint(3, (ROWS - 30 - before) // (5 - part))
        # resuming first cuts the rows back to the checkpoint, so that to reach `target` is to have gone on
        reached = lambda target=target: rows(directory) >= target  # noqa: E731
        process = begin(tmp_path, words, SLOWLY if within else COMMAND, PYTHONHASHSEED=str(2 + part))
        wait(process, (lambda reached=reached: reached() and beside(directory)) if within else reached)
        kill(process)
        assert target <= rows(directory) < ROWS
        assert not (directory / "result.json").exists()
        newest = checkpoints.latest(directory / "checkpoints")
        between += newest is not None and 2 * rows(directory) > checkpoints.load(newest)["step"]
        torn += within and len(beside(directory))
        words = ["resume", str(directory)]
    assert between > 0  # rows were cut back at least once
    assert torn > 0  # and a torn checkpoint lay there
    assert_the_same(resumed(directory), undisturbed)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_a_sound_checkpoint_and_says_how_to_go_on(tmp_path, undisturbed):
    directory = tmp_path / "runs/gtf.lorenz63/it"
    process = begin(tmp_path, arguments(), SLOWLY)
    wait(process, lambda: rows(directory) >= 13)

    with pytest.raises(RunError, match=rf"belongs to another process \(process {process.pid} on .*\); wait for it"):
        api.resume(directory, host=Host().load("all"))
    refused = invoke(arguments(), cwd=tmp_path)
    assert refused.exit_code == 2
    assert f"belongs to another process (process {process.pid} on " in refused.stderr
    assert process.poll() is None  # which the first does not notice

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "heatbath: interrupted; go on with: heatbath resume runs/gtf.lorenz63/it"
    assert "Traceback" not in said
    assert rows(directory) < ROWS
    assert not (directory / "result.json").exists()
    assert not (directory / "owner").exists()
    newest = checkpoints.latest(directory / "checkpoints")
    assert checkpoints.load(newest)["step"] % CADENCE == 0  # none is written off cadence
    with RunDirectory(directory).locked():
        pass

    assert_the_same(resumed(directory), undisturbed)
