"""Published tables, made again: what a cell says, what is kept, resumed or refused, and what counts."""

import json
import math

import pytest

from heatbath.core import loop
from heatbath.core.errors import ConfigError, RunError
from heatbath.core.reproduce import Cell, parse_seeds, reproduce
from heatbath.testing import invoke

nan = math.nan


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((), "-"),
        ((2.0,), "2"),
        ((1.0, 2.0, 4.0), "2 ± 1"),
        ((1.0, 2.0, 4.0, 100.0), "3 ± 1.5"),
        ((0.123456, 0.123456), "0.1235 ± 0"),
        ((1.0, nan, 3.0), "2 ± 1 (2 of 3)"),
        ((math.inf, 2.0), "2 (1 of 2)"),
        ((-math.inf, nan), "nan"),
        ((1e-7, 3e-7, 9e-7), "3e-07 ± 2e-07"),
    ],
)
def test_a_cell_is_the_median_and_the_median_deviation_of_what_is_finite(values, text):
    assert str(Cell(values)) == text


@pytest.mark.parametrize(
    ("text", "seeds"), [("1:4", [1, 2, 3]), (":2", [0, 1]), ("7", [7]), ("7,3", [7, 3]), ("0:1", [0])]
)
def test_seeds_are_a_range_or_a_list(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3:1", "2:2", "1:", "-1", "-2:2", "1,", "1.5", "1:2:3"])
def test_other_seeds_are_refused(text):
    with pytest.raises(ConfigError, match=r"--seeds: expected a:b \(a to b - 1\) or a,b,c, numbers from 0 on"):
        parse_seeds(text)


def test_a_seed_that_is_given_twice_is_refused():
    with pytest.raises(ConfigError, match=r"--seeds: a seed counts once, got '1,2,1'"):
        parse_seeds("1,2,1")


def steps_taken(line, monkeypatch):
    """Counts the chunks that runs take from here on."""
    taken, plain = [], line.step
    monkeypatch.setattr(line, "step", lambda task, clock: (taken.append(clock.step), plain(task, clock))[1])
    return taken


def test_a_table_puts_ours_beside_what_was_published(lab, tmp_path):
    said = []
    text = reproduce(lab, "toy/fine", [3, 5], tmp_path, say=said.append)
    lines = text.splitlines()
    assert lines[0] == "toy/fine: median ± MAD over seeds 3, 5, last checkpoint"
    assert lines[2].split() == ["row", "error", "ended"]
    assert [line.split()[0] for line in lines[3:6]] == ["a", "b", "published"]
    assert lines[3].endswith("2 finished")
    assert lines[5].split() == ["published", "0.5"]
    assert lines[-1] == "published: nowhere"
    folder = tmp_path / "tables" / "toy-fine"
    assert (folder / "table.md").read_text() == text
    assert sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("result.json")) == [
        "a/seed-3", "a/seed-5", "b/seed-3", "b/seed-5",
    ]  # fmt: skip
    assert said[:3] == ["[1/4] a, seed 3", "[1/4] a, seed 3: finished", "[2/4] a, seed 5"]
    assert said[-1] == "[4/4] b, seed 5: finished"


def test_the_numbers_of_a_table_are_those_of_its_runs(lab, tmp_path):
    text = reproduce(lab, "toy/fine", [3, 5], tmp_path)
    data = json.loads((tmp_path / "tables/toy-fine/table.json").read_text())
    assert (data["experiment"], data["source"]) == ("toy/line", "nowhere")
    row = data["rows"][1]
    assert (row["name"], row["options"], row["published"]) == ("b", {"steps": 4}, {"error": 0.5})
    assert [(run["seed"], run["status"]) for run in row["runs"]] == [(3, "finished"), (5, "finished")]
    errors = [run["metrics"]["error"] for run in row["runs"]]
    assert errors == [
        json.loads((tmp_path / f"tables/toy-fine/b/seed-{seed}/result.json").read_text())["metrics"]["error"]
        for seed in (3, 5)
    ]
    assert str(Cell(tuple(errors))) in text


def test_runs_that_diverged_or_failed_are_counted_and_not_measured(lab, tmp_path, caplog):
    """Both had an evaluation at step 4, before the trouble; its numbers are no result."""
    text = reproduce(lab, "toy/table", [0, 1], tmp_path)
    fine, published, diverging, broken = text.splitlines()[3:7]
    assert fine.split()[:3] == ["fine", "ours", f"{fine.split()[2]}"]
    assert "±" in fine
    assert fine.endswith("2 finished")
    assert published.split() == ["published", "0.25", "±", "0.125", "-"]
    assert diverging.split() == ["diverging", "ours", "nan", "nan", "2", "diverged"]
    assert broken.split() == ["broken", "ours", "nan", "nan", "2", "failed"]
    assert "fine: published by nobody" in text
    warned = [message.partition(": ")[2] for message in caplog.messages]
    assert warned[0].startswith("NotFinite: step 5: loss/fit is nan")
    assert warned[-1] == "RuntimeError: a wire came loose"
    rows = json.loads((tmp_path / "tables/toy-table/table.json").read_text())["rows"]
    assert [run["status"] for row in rows for run in row["runs"]] == ["finished"] * 2 + ["diverged"] * 2 + [
        "failed"
    ] * 2


def test_a_seed_that_is_lost_is_counted_beside_those_that_are_not(lab, tmp_path, monkeypatch, line):
    plain = line.step

    def step(task, clock):
        metrics = plain(task, clock)
        return {**metrics, "loss": nan} if task.generator.initial_seed() == lost and clock.step == 2 else metrics

    from heatbath.core.streams import Streams

    lost = Streams(4).seed_of("task")
    monkeypatch.setattr(line, "step", step)
    text = reproduce(lab, "toy/fine", [3, 4, 5], tmp_path)
    assert "(2 of 3)" in text.splitlines()[3]
    assert text.splitlines()[3].endswith("1 diverged, 2 finished")


def test_a_table_that_was_cut_off_goes_on_where_it_was(lab, tmp_path, monkeypatch, line):
    expected = reproduce(lab, "toy/fine", [3, 5], tmp_path / "whole")
    plain = line.step

    def step(task, clock):
        if len(list((tmp_path / "cut").rglob("result.json"))) == 2 and clock.step == 2:
            raise KeyboardInterrupt
        return plain(task, clock)

    with monkeypatch.context() as patch:
        patch.setattr(line, "step", step)
        with pytest.raises(KeyboardInterrupt):
            reproduce(lab, "toy/fine", [3, 5], tmp_path / "cut", ["--checkpoint-every", "1"])
    taken = steps_taken(line, monkeypatch)
    text = reproduce(lab, "toy/fine", [3, 5], tmp_path / "cut", ["--checkpoint-every", "1"])
    assert taken == [2, 3, 0, 1, 2, 3]  # the third run from where it was, and the fourth
    # with a barrier after each step the numbers are others; two runs of the same cadence are the same
    again = reproduce(lab, "toy/fine", [3, 5], tmp_path / "again", ["--checkpoint-every", "1"])
    assert text == again
    assert text.splitlines()[0] == f"{expected.splitlines()[0]}, with --checkpoint-every 1"


def test_a_table_that_is_made_is_only_read(lab, tmp_path, monkeypatch, line):
    first = reproduce(lab, "toy/table", [0], tmp_path)
    taken = steps_taken(line, monkeypatch)
    assert reproduce(lab, "toy/table", [0], tmp_path) == first
    assert taken == [4]  # the one that failed is tried again, from its checkpoint; the one that diverged would again


def test_more_seeds_are_added_to_those_there_are(lab, tmp_path, monkeypatch, line):
    reproduce(lab, "toy/fine", [3], tmp_path)
    taken = steps_taken(line, monkeypatch)
    text = reproduce(lab, "toy/fine", [3, 4], tmp_path)
    assert taken == [0, 1, 2, 3] * 2
    assert "2 finished" in text


def test_a_table_made_with_other_options_is_refused(lab, tmp_path):
    reproduce(lab, "toy/fine", [3], tmp_path)
    before = (tmp_path / "tables/toy-fine/table.md").read_bytes()
    for argv in (["--steps", "5"], ["--chunk", "2"], ["--losses.fit.weight", "0.5"]):
        with pytest.raises(RunError, match=r"seed-3 was made with other options; choose another --runs, or remove it"):
            reproduce(lab, "toy/fine", [3], tmp_path, argv)
    assert (tmp_path / "tables/toy-fine/table.md").read_bytes() == before


def test_options_given_to_every_run_win_over_those_of_the_rows(lab, tmp_path):
    reproduce(lab, "toy/fine", [3], tmp_path, ["--steps", "2", "--chunk", "2"])
    for config in tmp_path.rglob("config.json"):
        table = json.loads(config.read_text())
        assert (table["plan"]["steps"], table["options"]["chunk"], table["plan"]["seed"]) == (2, 2, 3)


def test_what_is_wrong_with_all_runs_ends_the_table(lab, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown option --stpes; did you mean --steps?"):
        reproduce(lab, "toy/fine", [3], tmp_path, ["--stpes", "3"])
    with pytest.raises(ConfigError, match="no table named 'toy/fien'"):
        reproduce(lab, "toy/fien", [3], tmp_path)


def test_a_run_whose_building_fails_ends_the_table(lab, tmp_path, monkeypatch, line):
    monkeypatch.setattr(line, "__init__", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reproduce(lab, "toy/fine", [3], tmp_path)


def test_a_run_that_another_process_is_at_ends_the_table(lab, tmp_path):
    from heatbath.core.directory import RunDirectory

    mine = RunDirectory(tmp_path / "tables/toy-fine/a/seed-3")
    with mine.locked(), pytest.raises(RunError, match="belongs to another process"):
        reproduce(lab, "toy/fine", [3], tmp_path)


def test_a_failed_run_of_another_version_is_refused_not_counted(lab_of, tmp_path):
    reproduce(lab_of(), "toy/table", [0], tmp_path)
    with pytest.raises(RunError, match=r"broken/seed-0: not the components that the run was started with"):
        reproduce(lab_of(version="2.0"), "toy/table", [0], tmp_path)


def test_the_runs_of_a_table_are_runs_like_others(lab, tmp_path, new_run):
    reproduce(lab, "toy/fine", [3], tmp_path)
    from heatbath.core import api
    from heatbath.core.testing.expect import same

    mine = new_run(seed=3, steps=4)
    loop.start(mine)
    loop.advance(mine)
    made = api.load_run(tmp_path / "tables/toy-fine/a/seed-3", lab)
    assert same(made.state_dict()["components"], mine.state_dict()["components"])


def test_on_the_command_line_a_table_is_one_command(lab, tmp_path):
    answer = invoke("reproduce toy/fine --seeds 1:3 --runs out --steps 2", lab, cwd=tmp_path)
    assert answer.exit_code == 0
    assert answer.stdout.startswith("toy/fine: median ± MAD over seeds 1, 2, last checkpoint, with --steps 2\n")
    assert answer.stderr.splitlines()[0] == "[1/4] a, seed 1"
    assert (tmp_path / "out/tables/toy-fine/table.json").exists()
