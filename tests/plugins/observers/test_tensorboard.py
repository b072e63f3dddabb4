"""TensorBoard events, for those who ask for them."""

import builtins
import sys
import warnings

import pytest

from heatbath.core import api, loop
from heatbath.core.config import read_run
from heatbath.core.errors import MissingExtra
from heatbath.core.runs import Run
from heatbath.plugins.observers.tensorboard import TensorBoard

pytest.importorskip("tensorboard")


def events(directory):
    """`{name: {step: value}}`, as TensorBoard would show them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        read = EventAccumulator(str(directory / "tensorboard"))
        read.Reload()
    return {name: [(event.step, event.value) for event in read.Scalars(name)] for name in read.Tags()["scalars"]}


def watch(plugin, run, steps):
    plugin.run_started(run)
    for step in steps:
        plugin.run_metrics(run, step, {"loss": 0.5 * step, "evaluate/mse": 2.0})
    plugin.run_finished(run)


def test_every_metric_is_written_at_its_step(watched):
    run = watched(tensorboard=True)
    watch(TensorBoard(), run, (1, 2))
    assert events(run.directory) == {"loss": [(1, 0.5), (2, 1.0)], "evaluate/mse": [(1, 2.0), (2, 2.0)]}


@pytest.mark.parametrize("asked", [{}, {"tensorboard": False}])
def test_nothing_is_written_unasked(watched, asked):
    run = watched(**asked)
    watch(TensorBoard(), run, (1, 2))
    assert not (run.directory / "tensorboard").exists()


@pytest.mark.parametrize("step", [0, 2])
def test_a_resumed_run_replaces_what_lies_behind_its_checkpoint(watched, step):
    """Also one that was killed before its first checkpoint, and begins again."""
    watch(TensorBoard(), watched(tensorboard=True), (1, 2, 3, 4))
    run = watched(tensorboard=True, step=step)
    watch(TensorBoard(), run, range(step + 1, 6))
    assert [at for at, _ in events(run.directory)["loss"]] == [1, 2, 3, 4, 5]


def test_two_runs_side_by_side_do_not_mix(tmp_path, watched):
    plugin, one, two = TensorBoard(), watched(tensorboard=True), watched(tensorboard=True)
    two.directory = tmp_path / "two"
    plugin.run_started(one)
    plugin.run_started(two)
    plugin.run_metrics(one, 1, {"loss": 1.0})
    plugin.run_metrics(two, 1, {"loss": 2.0})
    plugin.run_finished(one)
    plugin.run_metrics(one, 2, {"loss": 1.0})  # after its end, to nobody
    plugin.run_finished(two)
    assert events(one.directory) == {"loss": [(1, 1.0)]}
    assert events(two.directory) == {"loss": [(1, 2.0)]}


def test_without_tensorboard_one_line_says_what_to_install(watched, monkeypatch):
    plain = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"--tensorboard True needs: pip install 'heatbath\[tensorboard\]'"):
        TensorBoard().run_started(watched(tensorboard=True))


def test_a_run_that_was_cut_off_and_resumed_shows_each_step_once(host, tmp_path, monkeypatch, small):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    options, plan, _ = read_run(host, "gtf.lorenz63", [*small.line.split(), "--checkpoint-every", "2"])
    run = Run(host, "gtf.lorenz63", options, plan, tmp_path / "it", {"tensorboard": True})
    loop.start(run)
    loop.advance(run, until=5)
    resumed = api.resume(run.directory, host=host)
    expected = [(row["step"], pytest.approx(row["loss/fit"])) for row in resumed.history()]
    assert events(run.directory)["loss/fit"] == expected
    assert [step for step, _ in expected] == [1, 2, 3, 4, 5, 6]
