"""The one loop: what is due when, who is told, and how a run ends."""

import json
import logging
import math
import os

import pytest
import torch

from heatbath import hookimpl
from heatbath.core import api, checkpoints, loop
from heatbath.core.errors import Drift, NotFinite, PluginError, RunError
from heatbath.core.testing.expect import same
from heatbath.testing import invoke


def kinds(history):
    """Steps of all rows, and of those with an evaluation."""
    evaluated = [row["step"] for row in history if any(key.startswith("evaluate/") for key in row)]
    return [row["step"] for row in history], evaluated


def written(run):
    return [int(path.name[5:]) for path in checkpoints.places(run.files.checkpoints)]


# Cadence


@pytest.mark.parametrize(
    ("options", "rows", "evaluated", "saved"),
    [
        ({"steps": 5, "evaluate_every": 2, "checkpoint_every": 3}, [1, 2, 3, 4, 5], [2, 4, 5], [3, 5]),
        ({"steps": 3, "evaluate_every": 0, "checkpoint_every": 0}, [1, 2, 3], [3], [3]),
        ({"steps": 7, "chunk": 3, "evaluate_every": 2, "checkpoint_every": 4}, [3, 6, 7], [3, 6, 7], [6, 7]),
        ({"steps": 2, "chunk": 5, "evaluate_every": 5, "checkpoint_every": 5}, [2], [2], [2]),
        ({"steps": 9, "chunk": 3, "evaluate_every": 6, "checkpoint_every": 100}, [3, 6, 9], [6, 9], [9]),
    ],
)
def test_what_is_due_comes_after_the_chunk_that_passes_its_step(whole, options, rows, evaluated, saved):
    run = whole("it", **options)
    assert kinds(run.history()) == (rows, evaluated)
    assert written(run) == saved
    assert run.clock.step == run.clock.total == options["steps"]


def test_the_barrier_comes_before_each_checkpoint_and_at_no_other_time(new_run, monkeypatch, line):
    calls = []
    for name in ("step", "evaluate", "barrier"):
        plain = getattr(line, name)
        monkeypatch.setattr(line, name, lambda *a, _n=name, _f=plain, **k: (calls.append(_n), _f(*a, **k))[1])
    save = checkpoints.save
    monkeypatch.setattr(checkpoints, "save", lambda *a: (calls.append("save"), save(*a))[1])
    run = new_run(steps=3, evaluate_every=2, checkpoint_every=2)
    loop.start(run)
    loop.advance(run)
    assert calls == ["step", "step", "evaluate", "barrier", "save", "step", "evaluate", "barrier", "save"]


def test_an_evaluation_draws_the_same_at_a_step_however_often_there_was_one(whole):
    often, seldom = whole("often", evaluate_every=1), whole("seldom", evaluate_every=0)
    assert often.metrics == seldom.metrics
    drawn = [row["evaluate/drawn"] for row in often.history()]
    assert len(set(drawn)) == len(drawn)  # but another at each


def test_a_step_reads_its_clock(new_run, monkeypatch, line):
    seen, plain = [], line.step
    monkeypatch.setattr(
        line, "step", lambda task, clock: (seen.append((clock.step, clock.total)), plain(task, clock))[1]
    )
    run = new_run(steps=5, chunk=2)
    loop.start(run)
    loop.advance(run)
    assert seen == [(0, 5), (2, 5), (4, 5)]


def test_until_stops_as_ctrl_c_there_would(new_run, whole):
    run = new_run()
    loop.start(run)
    assert loop.advance(run, until=0) == "interrupted"
    assert run.clock.step == 0
    assert loop.advance(run, until=6) == "interrupted"
    assert (run.clock.step, run.status, run.result) == (6, "incomplete", None)
    assert loop.advance(run, until=100) == "finished"  # the run is still in memory, and goes on where it is
    assert same(run.state_dict(), whole().state_dict())


# Hooks


class Recorder:
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    @hookimpl
    def run_started(self, run):
        self.told.append(("started", run.clock.step, run.files.config.exists()))

    @hookimpl
    def run_metrics(self, run, step, metrics):
        self.told.append(("metrics", step, any(key.startswith("evaluate/") for key in metrics)))
        assert run.history()[-1]["step"] == step == run.clock.step

    @hookimpl
    def run_checkpoint(self, run, path):
        self.told.append(("checkpoint", run.clock.step, checkpoints.flaw(path)))
        assert path == checkpoints.latest(run.files.checkpoints)

    @hookimpl
    def run_finished(self, run, outcome):
        self.told.append(("finished", outcome, run.status))


@pytest.fixture
def recorder(lab):
    recorder = Recorder()
    lab.add(recorder, "recorder")
    return recorder


def test_every_hook_is_called_at_its_moment(recorder, whole):
    whole(steps=3, evaluate_every=2, checkpoint_every=2)
    assert recorder.told == [
        ("started", 0, True),
        ("metrics", 1, False),
        ("metrics", 2, True),
        ("checkpoint", 2, None),
        ("metrics", 3, True),
        ("checkpoint", 3, None),
        ("finished", "finished", "finished"),
    ]


def test_the_hooks_of_a_run_that_is_cut_off_and_resumed(recorder, cut_off, lab):
    directory = cut_off(3, steps=4, checkpoint_every=2, evaluate_every=4)
    cut = [("started", 0, True), ("metrics", 1, False), ("metrics", 2, False), ("checkpoint", 2, None)]
    assert recorder.told == [*cut, ("finished", "interrupted", "incomplete")]
    recorder.told.clear()
    api.resume(directory, host=lab)
    on = [("started", 2, True), ("metrics", 3, False), ("metrics", 4, True), ("checkpoint", 4, None)]
    assert recorder.told == [*on, ("finished", "finished", "finished")]


def test_the_hooks_of_a_run_that_diverges(recorder, diverge):
    diverge(2)
    assert recorder.told == [("started", 0, True), ("metrics", 1, False), ("finished", "diverged", "diverged")]


def test_the_hooks_of_a_run_that_fails(recorder, new_run):
    run = new_run(trouble="raise@1")
    loop.start(run)
    with pytest.raises(RuntimeError):
        loop.advance(run)
    assert recorder.told == [("started", 0, True), ("finished", "failed", "failed")]


@pytest.mark.parametrize("hook", ["run_started", "run_metrics", "run_checkpoint", "run_finished"])
def test_an_observer_that_raises_costs_the_run_nothing(lab_of, new_run, whole, hook, caplog):
    class Broken:
        @hookimpl(specname=hook)
        def watch(self, run):
            raise ValueError("no ink")

    lab = lab_of(strict=False)
    lab.add(Broken(), "printer")
    run = new_run("watched", lab, steps=4)
    loop.start(run)
    assert loop.advance(run) == "finished"
    assert same(run.state_dict(), whole(steps=4).state_dict())
    assert [r.getMessage() for r in caplog.records] == [
        f"plugin printer failed in {hook} and is left out of this run: no ink"
    ]


def test_on_a_strict_host_an_observer_that_raises_fails_the_run(lab, new_run):
    class Broken:
        @hookimpl
        def run_metrics(self, step):
            raise ValueError("no ink")

    lab.add(Broken(), "printer")
    run = new_run()
    loop.start(run)
    with pytest.raises(PluginError, match="plugin printer failed in run_metrics: no ink"):
        loop.advance(run)
    assert run.status == "failed"


# Ends


def test_a_finished_run_says_what_it_was(whole):
    run = whole(seed=3, metrics={"draw": "toy/draw"})
    result = json.loads(run.files.result.read_text())
    assert result == run.result
    assert (result["experiment"], result["status"], result["seed"], result["step"]) == ("toy/line", "finished", 3, 12)
    assert set(result["metrics"]) == {"error", "draw/number", "draw/half", "drawn", "threads"}
    assert result["metrics"] == run.metrics
    assert (result["figures"], result["references"]) == ([], {})
    assert result["wall_seconds"] >= 0
    assert "error" not in result
    source = {"plugin": "toy", "distribution": "toy-shop", "version": "1.0"}
    parts = result["components"]
    assert set(parts) == {
        "experiments:toy/line", "losses:mse", "metrics:toy/draw", "metrics:toy/error", "models:toy/affine",
        "schedules:constant",
    }  # fmt: skip
    assert {key: parts["models:toy/affine"][key] for key in source} == source
    assert parts["models:toy/affine"]["target"].endswith(":Affine")
    assert parts["losses:mse"]["distribution"] == "heatbath"


def test_a_measure_that_is_not_finite_is_null_on_disk_and_nan_in_hand(whole, monkeypatch, line):
    monkeypatch.setattr(line, "evaluate", lambda task, clock, generator: {"error": math.inf, "fine": 1.0})
    run = whole()
    assert run.result["metrics"] == {"error": None, "fine": 1.0}
    assert math.isnan(run.metrics["error"])
    assert run.status == "finished"  # a measure may be infinite; only training may not


@pytest.mark.parametrize("outcome", ["finished", "collapsed"])
def test_the_task_judges_a_run_that_reached_its_end(whole, monkeypatch, line, outcome):
    seen = []
    monkeypatch.setattr(line, "outcome", lambda task, metrics: (seen.append(metrics), outcome)[1], raising=False)
    monkeypatch.setattr(line, "references", lambda task: {"truth": {"error": math.nan}}, raising=False)
    run = whole()
    assert run.status == outcome
    assert seen == [run.metrics]
    assert run.result["references"] == {"truth": {"error": None}}


def test_a_judgement_that_fails_is_a_failed_run(new_run, monkeypatch, line):
    monkeypatch.setattr(line, "outcome", lambda task, metrics: metrics["absent"], raising=False)
    run = new_run()
    loop.start(run)
    with pytest.raises(KeyError):
        loop.advance(run)
    assert run.status == "failed"


@pytest.mark.parametrize(
    ("options", "step", "where"),
    [
        ({}, 10, "step 10: loss/fit is nan; the last checkpoint, step-000000008, is intact"),
        ({}, 2, "step 2: loss/fit is nan; there is no checkpoint yet"),
        ({"chunk": 3}, 8, "steps 7 to 9: loss/fit is nan; the last checkpoint, step-000000006, is intact"),
    ],
)
def test_a_loss_that_is_not_a_number_stops_the_run_naming_step_and_term(diverge, options, step, where):
    run, message = diverge(step, **options)
    assert message == where
    assert run.status == "diverged"
    assert run.result["error"] == f"NotFinite: {where}"
    assert run.history()[-1]["step"] == run.clock.step < step
    if saved := written(run):
        assert checkpoints.latest(run.files.checkpoints) == checkpoints.places(run.files.checkpoints)[-1]
        assert checkpoints.load(checkpoints.latest(run.files.checkpoints))["step"] == saved[-1]


def test_nothing_is_drawn_or_measured_of_a_run_that_diverged(diverge, monkeypatch, line):
    for name in ("figures", "references"):
        monkeypatch.setattr(line, name, lambda task: pytest.fail("asked of a diverged run"), raising=False)
    run, _ = diverge(3)
    assert run.result["figures"] == []


def test_on_the_command_line_a_diverged_run_is_one_line_and_exit_code_1(lab, tmp_path):
    answer = invoke("run toy/line --name bad --trouble nan@5", lab, cwd=tmp_path)
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1] == (
        "heatbath: step 5: loss/fit is nan; the last checkpoint, step-000000004, is intact"
    )
    again = invoke("resume runs/toy-line/bad", lab, cwd=tmp_path)  # resuming diverges again, at the same step
    assert again.exit_code == 1
    assert again.stderr.splitlines()[-1] == answer.stderr.splitlines()[-1]


def test_the_losses_of_a_first_party_run_are_named_when_they_blow_up(host, tmp_path):
    line = (
        "run gtf.lorenz63 --name bad --steps 4 --batches-per-epoch 2 --points 300 --window 5 --learning-rate 1e30 "
        "--model.hidden 3 --device cpu"
    )
    answer = invoke(line, host, cwd=tmp_path)
    assert answer.exit_code == 1
    *_, last = answer.stderr.splitlines()
    assert last.startswith("heatbath: steps ")
    assert "loss/fit is" in last
    assert json.loads((tmp_path / "runs/gtf.lorenz63/bad/result.json").read_text())["status"] == "diverged"


def test_a_run_that_raises_has_failed_and_goes_on_once_it_is_mended(new_run, whole, lab):
    run = new_run(trouble="raise@7")
    loop.start(run)
    with pytest.raises(RuntimeError, match="a wire came loose"):
        loop.advance(run)
    assert (run.status, run.result["step"]) == ("failed", 6)
    assert run.result["error"] == "RuntimeError: a wire came loose"
    config = run.files.config.read_text()
    run.files.config.write_text(config.replace("raise@7", "none"))
    resumed = api.resume(run.directory, host=lab)
    assert "error" not in resumed.result
    assert same(resumed.state_dict(), whole().state_dict())


def test_ctrl_c_writes_no_result_and_the_run_goes_on_as_if_nothing_were(cut_off, whole, lab):
    directory = cut_off(10)
    assert not (directory / "result.json").exists()
    assert checkpoints.latest(directory / "checkpoints").name == "step-000000008"  # none is written off cadence
    assert len((directory / "metrics.jsonl").read_text().splitlines()) == 9
    resumed, expected = api.resume(directory, host=lab), whole()
    assert same(resumed.state_dict(), expected.state_dict())
    assert resumed.history() == expected.history()


def test_ctrl_c_on_the_command_line_is_exit_code_130_and_says_how_to_go_on(lab, tmp_path):
    answer = invoke("run toy/line --name it --trouble interrupt@5", lab, cwd=tmp_path)
    assert answer.exit_code == 130
    assert answer.stderr.splitlines()[-1] == "heatbath: interrupted; go on with: heatbath resume runs/toy-line/it"


def test_ctrl_c_between_the_last_step_and_the_result_loses_nothing(new_run, whole, lab, monkeypatch):
    run = new_run()
    loop.start(run)

    def stop(run):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_judge", stop)
        with pytest.raises(KeyboardInterrupt):
            loop.advance(run)
    resumed = api.resume(run.directory, host=lab)
    assert resumed.history() == whole().history()
    assert resumed.status == "finished"


def test_a_result_that_cannot_be_written_does_not_hide_why_the_run_failed(new_run, monkeypatch, caplog):
    run = new_run(trouble="raise@2")
    loop.start(run)

    def refuse(path, value):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(loop, "write_json", refuse)
    with pytest.raises(RuntimeError, match="a wire came loose"):
        loop.advance(run)
    assert "result.json cannot be written either" in caplog.text
    good = new_run("good")
    monkeypatch.undo()
    loop.start(good)
    monkeypatch.setattr(loop, "write_json", refuse)
    with pytest.raises(OSError, match="No space left"):
        loop.advance(good)


# One thread


@pytest.fixture
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
def test_a_run_is_one_thread_and_gives_the_others_back(whole, cut_off, lab):
    run = whole()
    assert torch.get_num_threads() == 2
    assert {row["threads"] for row in run.history()} == {1}
    assert run.metrics["threads"] == 1
    assert json.loads(run.files.environment.read_text())["threads"] == 1
    directory = cut_off(5)
    assert torch.get_num_threads() == 2
    api.resume(directory, host=lab)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("_two_threads")
def test_the_threads_are_given_back_when_a_run_fails(diverge):
    diverge(3)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("_two_threads")
def test_a_run_is_built_on_one_thread(new_run, monkeypatch, line):
    seen, plain = [], line.__init__

    def build(task, options, setup):
        seen.append(torch.get_num_threads())
        plain(task, options, setup)

    monkeypatch.setattr(line, "__init__", build)
    loop.start(new_run())
    assert seen == [1]


# Figures


class Figure:
    """What matplotlib's does here."""

    def savefig(self, path, **_):
        path.write_bytes(b"a picture")


def test_figures_are_kept_and_listed(whole, monkeypatch, line):
    monkeypatch.setattr(line, "figures", lambda task: {"line": Figure, "points": Figure})
    run = whole()
    assert run.result["figures"] == ["figures/line.png", "figures/points.png"]
    assert run.figures == {name: run.directory / f"figures/{name}.png" for name in ("line", "points")}


def test_a_figure_that_cannot_be_drawn_is_named_and_costs_nothing_else(whole, monkeypatch, line, caplog):
    def broken():
        raise ValueError("no paint")

    monkeypatch.setattr(line, "figures", lambda task: {"line": Figure, "points": broken})
    run = whole()
    assert run.status == "finished"
    assert run.result["figures"] == ["figures/line.png"]
    assert caplog.messages == ["a figure could not be drawn: ValueError: no paint"]


def test_references_that_fail_are_named_and_cost_nothing_else(whole, monkeypatch, line, caplog):
    def broken(task):
        raise ValueError("no truth")

    monkeypatch.setattr(line, "references", broken, raising=False)
    run = whole()
    assert (run.status, run.result["references"]) == ("finished", {})
    assert caplog.messages == ["the references could not be had: ValueError: no truth"]


def test_without_matplotlib_one_line_says_what_to_install(whole, monkeypatch, line, caplog):
    def figures(task):
        import matplotlib_is_absent

        return matplotlib_is_absent

    monkeypatch.setattr(line, "figures", figures)
    assert whole().status == "finished"
    assert caplog.messages == ["no figures: they need pip install 'heatbath[plot]' (missing: matplotlib_is_absent)"]


# Starting and restoring


def test_a_directory_that_holds_a_run_is_not_started_again(whole, new_run):
    whole("it")
    with pytest.raises(RunError, match="already holds a run; resume it, or choose another --name"):
        loop.start(new_run("it"))


def test_a_run_whose_building_fails_leaves_no_run_behind(new_run, monkeypatch, line):
    monkeypatch.setattr(line, "__init__", lambda task, options, setup: 1 / 0)
    run = new_run()
    with pytest.raises(ZeroDivisionError):
        loop.start(run)
    assert not run.files.exists


@pytest.mark.parametrize("text", [None, "", "[]", "{", "{}", '{"components": [3]}', '{"components": {"a": 3}}'])
def test_a_run_without_a_record_of_its_components_is_not_resumed(cut_off, lab, text):
    environment = cut_off(5) / "environment.json"
    environment.unlink() if text is None else environment.write_text(text)
    with pytest.raises(RunError, match=r"environment.json cannot be read: \w+"):
        api.resume(environment.parent, host=lab)


def test_a_run_is_not_resumed_to_before_where_it_is(cut_off, lab):
    directory = cut_off(10)
    before = (directory / "metrics.jsonl").read_bytes()
    with pytest.raises(RunError, match="is at step 8, beyond --steps 7"):
        api.resume(directory, host=lab, steps=7)
    assert (directory / "metrics.jsonl").read_bytes() == before


def test_resuming_cuts_the_metrics_back_to_the_checkpoint(cut_off, lab, line, monkeypatch):
    directory = cut_off(11)
    metrics = directory / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes() + b'{"step": 11, "lo')
    monkeypatch.setattr(line, "step", lambda task, clock: pytest.fail(f"{len(metrics.read_text().splitlines())} rows"))
    with pytest.raises(pytest.fail.Exception, match=r"^8 rows$"):
        api.resume(directory, host=lab)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(cut_off, whole, lab):
    directory = cut_off(3)
    resumed, expected = api.resume(directory, host=lab), whole()
    assert resumed.history() == expected.history()
    assert same(resumed.state_dict(), expected.state_dict())


def test_a_run_is_not_resumed_with_another_version_of_a_component(cut_off, lab_of, whole, caplog):
    directory = cut_off(10)
    before = {name: (directory / name).read_bytes() for name in ("config.json", "environment.json", "metrics.jsonl")}
    newer = lab_of(version="2.0")
    with pytest.raises(Drift) as caught:
        api.resume(directory, host=newer)
    target = "models:toy/affine was toy-shop 1.0 {0}:Affine, is toy-shop 2.0 {0}:Affine"
    assert target.format(type(whole("it").task).__module__) in str(caught.value)
    assert "losses:mse" not in str(caught.value)  # what is the same is not mentioned
    assert str(caught.value).endswith("; --allow-drift resumes all the same")
    assert before == {name: (directory / name).read_bytes() for name in before}

    resumed = api.resume(directory, host=newer, allow_drift=True)
    assert "not the components that the run was started with" in caplog.text
    assert same(resumed.state_dict(), whole().state_dict())
    now = json.loads(resumed.files.environment.read_text())
    assert now["components"]["models:toy/affine"]["version"] == "2.0"
    assert now["before_drift"] == json.loads(before["environment.json"])
    assert resumed.result["components"]["models:toy/affine"]["version"] == "2.0"


def test_drift_is_refused_on_the_command_line_and_allowed_there(cut_off, lab_of):
    directory, newer = cut_off(10), lab_of(version="2.0")
    refused = invoke(f"resume {directory}", newer)
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert invoke(f"resume {directory} --allow-drift", newer).exit_code == 0


def test_the_environment_of_a_run_without_drift_is_left_as_it_was(cut_off, lab):
    directory = cut_off(5)
    before = (directory / "environment.json").read_bytes()
    api.resume(directory, host=lab)
    assert (directory / "environment.json").read_bytes() == before


def test_the_result_of_before_goes_when_a_run_goes_on(diverge, lab, line, monkeypatch):
    run, _ = diverge(6)
    monkeypatch.setattr(line, "step", lambda task, clock: pytest.fail(str(run.files.result.exists())))
    with pytest.raises(pytest.fail.Exception, match="False"):
        api.resume(run.directory, host=lab)


def test_a_deviation_is_found_before_feedback_is_seen(new_run, monkeypatch, line):
    """`floats` is read before anything else happens in a chunk: no row, no hook, no checkpoint with the bad step."""
    run = new_run(trouble="nan@4")
    loop.start(run)
    with pytest.raises(NotFinite):
        loop.advance(run)
    assert [row["step"] for row in run.history()] == [1, 2, 3]
    assert written(run) == []


def test_the_log_is_silent_in_a_good_run(whole, caplog):
    caplog.set_level(logging.WARNING)
    whole()
    assert caplog.messages == []


def test_a_run_writes_nothing_outside_its_directory(whole, tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    whole("it")
    assert os.listdir(tmp_path / "cwd") == []
    assert sorted(os.listdir(tmp_path)) == ["cwd", "it"]
