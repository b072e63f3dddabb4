"""Conformance of experiments: a run that is cut off and resumed is the run that was not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from heatbath.core import api, loop
from heatbath.core.config import read_run, to_argv
from heatbath.core.contracts import Task
from heatbath.core.host import Host
from heatbath.core.runs import Run
from heatbath.core.testing.expect import expect, same

METRIC = re.compile(r"[a-z][a-z0-9_]*(/[a-z0-9_]+)*")


def check_experiment(host: Host, name: str, folder: Path, *, chunks: int = 4, **options: Any) -> Run:
    """Run a registered experiment for a few chunks, whole and cut in two, and compare.

    Args:
        host: the plugins.
        name: as registered.
        folder: an empty folder for the runs.
        chunks: how long; an even number.
        options: as for `heatbath.run`; make it small.

    Returns:
        The whole run.

    Raises:
        ConformanceError: saying what is wrong.
    """
    config, _, _ = read_run(host, name, to_argv(options))
    probe = Run(host, name, config, read_run(host, name, to_argv(options))[1], folder / "probe")
    expect(isinstance(probe.task, Task), f"{name}: a task has `step`, `evaluate`, `barrier`, `figures` and its state")
    chunk = getattr(probe.task, "chunk", 1)
    cadence = {"steps": chunks * chunk, "checkpoint_every": chunk * chunks // 2, "evaluate_every": chunk * chunks // 2}
    options = {**options, **cadence, "runs": str(folder)}

    whole = api.run(name, host=host, **options, name="whole")
    _check_files(name, whole)
    _check_evaluation(name, whole)

    torch.manual_seed(12345)  # another process has other global generators
    cut = _half(host, name, options)
    _check_same(name, whole, cut)
    return whole


def _half(host: Host, name: str, options: Mapping[str, Any]) -> Run:
    """A run that stops after its first checkpoint, and one in its place that goes on."""
    config, plan, place = read_run(host, name, to_argv({**options, "name": "cut"}))
    folder = Path(place.runs) / name.replace("/", "-") / "cut"
    first = Run(host, name, config, plan, folder)
    loop.start(first)
    loop.advance(first, until=plan.checkpoint_every)
    return api.resume(folder, host=host)


def _check_files(name: str, run: Run) -> None:
    expect(run.status in ("finished", "collapsed"), f"{name}: ended as {run.status}")
    expect(run.metrics, f"{name}: `evaluate` gives no metrics")
    for key in run.metrics:
        expect(METRIC.fullmatch(key), f"{name}: the metric {key!r} is not in snake_case")
    table = json.loads(run.files.config.read_text())
    again = Run.load(run.directory, run.host)
    expect(again.table() == table, f"{name}: its config changes on the way through config.json")
    expect(again.config == run.config, f"{name}: its options change on the way through config.json")


def _check_evaluation(name: str, run: Run) -> None:
    def state() -> Any:
        return {p: c.state_dict() for p, c in run.setup.built.items() if hasattr(c, "state_dict")}

    before, generators = _copied(state()), _copied(run.setup.streams.state_dict()["streams"])
    first, second = loop.evaluate(run), loop.evaluate(run)
    expect(same(first, second), f"{name}: `evaluate` gives two answers in a row")
    expect(same(before, state()), f"{name}: `evaluate` changes the state")
    unmoved = same(generators, run.setup.streams.state_dict()["streams"])
    expect(unmoved, f"{name}: `evaluate` draws from a stream of training; use the generator that is passed")


def _check_same(name: str, whole: Run, cut: Run) -> None:
    expect(same(whole.history(), cut.history()), f"{name}: a resumed run has other metrics than an uninterrupted one")
    expect(
        same(whole.state_dict()["components"], cut.state_dict()["components"]),
        f"{name}: a resumed run ends in another state than an uninterrupted one; `state_dict` lacks something",
    )


def _copied(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list | tuple) else state
