"""A run read back from its directory, and put where its checkpoint says."""

import json
import math

import pytest
import torch

from heatbath.core import api, checkpoints
from heatbath.core.errors import ConfigError, Drift, RunError
from heatbath.core.runs import Run
from heatbath.core.testing.expect import same


def test_a_run_comes_back_equal(whole, lab):
    run = whole(seed=5, chunk=2, losses={"extra": {"use": "toy/jitter", "weight": 0.5}})
    again = Run.load(run.directory, lab)
    assert (again.experiment, again.config, again.plan) == (run.experiment, run.config, run.plan)
    assert again.table() == run.table() == json.loads(run.files.config.read_text())
    assert again.history() == run.history()
    assert again.metrics == run.metrics
    assert again.result == run.result
    assert again.clock.step == 0  # nothing is built yet
    assert again.task is again.task
    assert again.clock == run.clock
    assert same(again.state_dict(), run.state_dict())


def test_what_the_watchers_were_asked_for_comes_back(lab, new_run):
    from heatbath.core import loop

    run = new_run()
    run.watched["tensorboard"] = True
    loop.start(run)
    assert Run.load(run.directory, lab).watched == {"tensorboard": True}


def test_a_run_says_how_it_stands(new_run, whole, cut_off, diverge, lab):
    assert new_run("none").status == "incomplete"
    assert new_run("none").metrics == {}
    assert new_run("none").figures == {}
    finished = whole()
    assert repr(finished) == f"Run('toy/line', '{finished.directory}', finished)"
    assert api.load_run(cut_off(10), lab).status == "incomplete"
    assert diverge(10)[0].status == "diverged"


def test_metrics_are_those_of_the_last_evaluation(cut_off, lab):
    run = api.load_run(cut_off(11), lab)
    (eighth,) = (row for row in run.history() if row["step"] == 8)
    assert run.metrics == {k.removeprefix("evaluate/"): v for k, v in eighth.items() if k.startswith("evaluate/")}


def test_a_null_is_a_nan_in_hand(whole):
    run = whole()
    run.files.append_metrics(13, {"evaluate/error": math.inf})
    assert list(run.metrics) == ["error"]
    assert math.isnan(run.metrics["error"])


def test_where_there_is_no_run_the_message_says_so(tmp_path, lab):
    with pytest.raises(RunError, match=r"holds no run: there is no config.json"):
        Run.load(tmp_path, lab)
    with pytest.raises(RunError, match=r"holds no run: there is no config.json"):
        Run.load(tmp_path / "absent", lab)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"config.json cannot be read: NotADirectoryError"):
        Run.load(tmp_path / "file", lab)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "3", "{}", '{"experiment": "toy/line"}'),
        '{"experiment": "toy/line", "options": 3, "plan": {}}',
        '{"experiment": "toy/line", "options": {}, "plan": null}',
        '{"experiment": "toy/line", "options": {}, "plan": [1]}',
        '{"experiment": "toy/line", "options": {}, "plan": {}, "watched": "all"}',
    ],
)
def test_a_broken_config_is_refused_naming_the_file(cut_off, lab, text):
    config = cut_off(3) / "config.json"
    config.write_text(text)
    with pytest.raises(RunError, match=r"config.json cannot be read: \w+"):
        Run.load(config.parent, lab)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experiment": "toy/lien"}, "no experiment named 'toy/lien'; did you mean 'toy/line'?"),
        ({"experiment": ["os.system"]}, "no experiment named"),
        ({"options": {"chunks": 3}}, "unknown option --chunks; did you mean --chunk?"),
        ({"options": {"chunk": "many"}}, "--chunk: expected INT, got 'many'"),
        ({"options": {"model": {"use": "os:system"}}}, "no model named 'os:system'"),
        ({"plan": {"seed": -1}}, "`seed` must be at least 0, got -1"),
    ],
)
def test_a_config_that_fits_nothing_is_refused_as_on_the_command_line(cut_off, lab, change, message):
    config = cut_off(3) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    with pytest.raises(ConfigError) as caught:
        Run.load(config.parent, lab)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "3", '"done"'])
def test_a_broken_result_is_refused_saying_what_to_do(whole, lab, text):
    run = whole()
    run.files.result.write_text(text)
    with pytest.raises(RunError, match=r"result.json cannot be read: .*; remove it, and resume"):
        api.resume(run.directory, host=lab)
    run.files.result.unlink()
    assert api.resume(run.directory, host=lab).status == "finished"


# Checkpoints of it


def edited(directory, change):
    """Write the newest checkpoint anew, changed; its manifest is right."""
    place = checkpoints.latest(directory / "checkpoints")
    state = checkpoints.load(place)
    change(state)
    checkpoints.save(place.parent, state["step"], state)


def test_the_task_of_a_run_stands_where_its_newest_checkpoint_says(cut_off, lab, whole):
    run = Run.load(cut_off(11), lab)
    assert run.task.model is run.setup.built["task.model"]
    assert run.clock.step == 8
    assert same(run.state_dict()["components"], whole(steps=8, name="eight").state_dict()["components"])


def test_every_component_with_a_state_is_saved_and_no_other(cut_off, lab):
    state = checkpoints.load(checkpoints.latest(cut_off(5) / "checkpoints"))
    assert set(state) == {"step", "components", "streams"}
    assert set(state["components"]) == {"task", "task.model"}
    assert "task" in state["streams"]["streams"]


def test_a_state_that_nobody_takes_is_refused(cut_off, lab):
    directory = cut_off(5)
    edited(directory, lambda state: state["components"].update({"task.memory": {}}))
    with pytest.raises(Drift, match=r"'task.memory' has a state in the run or in the checkpoint, but not in both"):
        api.resume(directory, host=lab)


def test_a_component_whose_state_is_missing_is_refused(cut_off, lab):
    directory = cut_off(5)
    edited(directory, lambda state: state["components"].pop("task.model"))
    with pytest.raises(Drift, match=r"'task.model' has a state in the run or in the checkpoint, but not in both"):
        api.resume(directory, host=lab)


def test_a_run_that_goes_on_on_another_kind_of_device_says_so(cut_off, lab, caplog, whole):
    directory = cut_off(5)
    edited(directory, lambda state: state["streams"].update(device="cuda"))
    resumed = api.resume(directory, host=lab)
    assert caplog.messages == [f"{directory} was written on cuda and goes on on cpu: the random streams start anew"]
    assert resumed.status == "finished"
    expected = whole()
    assert resumed.history()[:4] == expected.history()[:4]
    assert not same(resumed.state_dict()["components"], expected.state_dict()["components"])


def test_a_checkpoint_is_read_onto_the_cpu_and_copied_into_place(cut_off, lab):
    run = Run.load(cut_off(5), lab)
    weights = run.task.model.weight
    assert isinstance(weights, torch.nn.Parameter)
    assert weights.requires_grad
    moments = run.task.optimizer.state[weights]
    assert moments["exp_avg"].shape == weights.shape
