"""A progress bar, on a terminal and nowhere else."""

import fcntl
import os
import pty
import struct
import sys
import termios
import threading

import pytest

from heatbath.plugins.observers.progress import SHOWN, Progress
from heatbath.testing import invoke


@pytest.fixture
def terminal(monkeypatch):
    """A call makes standard error a terminal of 100 columns; what it gives closes it and says what was written."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
    screen, sink = [], os.fdopen(slave, "w")

    def read():
        while True:
            try:
                screen.append(os.read(master, 4096))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()

    def close():
        sink.close()
        reader.join()
        return b"".join(screen).decode()

    def begin():  # in the test: pytest has a standard error of its own in each phase
        monkeypatch.setattr(sys, "stderr", sink)
        return close

    yield begin
    close()
    os.close(master)


def test_on_a_terminal_a_bar_shows_where_the_run_is(terminal, watched):
    screen, plugin, run = terminal(), Progress(), watched(step=4)
    plugin.run_started(run)
    plugin.run_metrics(run, 7, {"loss": 0.12345, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0})
    plugin.run_metrics(run, 10, {"loss": 0.25})
    plugin.run_finished(run)
    screen = screen()
    assert "toy/line" in screen
    assert "4/10" in screen  # a resumed run begins where it is
    last = screen.replace("\n", "\r").rstrip("\r").split("\r")[-1]
    assert "100%" in last
    assert "10/10" in last
    assert "loss=0.25" in last
    assert screen.endswith("\n")


def test_the_first_metrics_are_shown(terminal, watched, monkeypatch):
    from tqdm import tqdm

    shown = []
    monkeypatch.setattr(tqdm, "set_postfix", lambda bar, values: shown.append(values))
    terminal()
    plugin, run = Progress(), watched()
    plugin.run_started(run)
    plugin.run_metrics(run, 1, dict.fromkeys("abcdef", 0.12345))
    plugin.run_finished(run)
    assert shown == [dict.fromkeys("abcdef"[:SHOWN], "0.123")]


def test_elsewhere_there_is_no_bar(capsys, watched):
    plugin, run = Progress(), watched()
    plugin.run_started(run)
    plugin.run_metrics(run, 5, {"loss": 1.0})
    plugin.run_finished(run)
    assert capsys.readouterr() == ("", "")


def test_a_bar_ends_with_its_run(terminal, watched):
    screen, plugin, run, other = terminal(), Progress(), watched(), watched()
    plugin.run_started(run)
    plugin.run_finished(other)  # of which it knows nothing
    plugin.run_metrics(other, 3, {})
    plugin.run_finished(run)
    plugin.run_metrics(run, 3, {})
    said = screen()
    assert "0/10" in said
    assert "3/10" not in said


def test_a_run_on_a_terminal_has_its_bar(host, tmp_path, terminal, monkeypatch, small):
    from heatbath.core import api

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    screen = terminal()
    api.run_argv(host, "gtf.lorenz63", ["--runs", str(tmp_path), *small.line.split()])
    assert "gtf.lorenz63: 100%" in screen()


def test_the_output_of_a_run_elsewhere_has_no_bar(host, tmp_path, monkeypatch, small):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = invoke(f"run gtf.lorenz63 --name it {small.line}", host, cwd=tmp_path)
    assert answer.exit_code == 0
    said = [line for line in answer.stderr.splitlines() if "no figures" not in line]
    assert said == ["heatbath: writing runs/gtf.lorenz63/it"]
