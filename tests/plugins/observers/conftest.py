"""A run that never trains, for observers to watch."""

from types import SimpleNamespace

import pytest

from heatbath.core.contracts import Clock
from heatbath.core.directory import RunDirectory
from heatbath.core.plan import Plan


class WatchedRun:
    """What an observer sees of a run."""

    experiment = "toy/line"
    best = None

    def __init__(self, directory, step=0, total=10, keep=3, **watched):
        self.directory, self.files, self.watched = directory, RunDirectory(directory), watched
        self.clock, self.plan = Clock(step, total), Plan(keep_checkpoints=keep)


@pytest.fixture
def watched(tmp_path):
    return lambda **how: WatchedRun(tmp_path, **how)


@pytest.fixture
def small():
    """Options that make a run of `gtf.lorenz63` short."""
    return SimpleNamespace(
        line="--steps 6 --batches-per-epoch 1 --points 200 --window 4 --batch 2 --model.hidden 2 --device cpu "
        "--evaluate-every 3 --checkpoint-every 1 --metrics.lyapunov-max none --metrics.d-hellinger none"
    )
