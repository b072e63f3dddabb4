"""The command line: what each command answers, and the exit codes 0, 1, 2 and 130."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from heatbath import Component, Host, hookimpl
from heatbath.core import cli, listing
from heatbath.core.errors import NotFinite, RunError
from heatbath.core.hookspecs import KINDS
from heatbath.core.plan import Plan
from heatbath.core.tables import Row, Table
from heatbath.testing import invoke
from tests.making import make_plugin


@dataclass(frozen=True)
class Options:
    """A walk."""

    plan: ClassVar[Plan] = Plan(steps=4, checkpoint_every=2, device="cpu")

    end: str = "well"
    """how a step ends: well, nan, interrupt or error"""
    at: int = 3
    """which step that is"""


class Walk:
    """Counts, and ends as it is told."""

    def __init__(self, options, setup):
        self.options = options

    def step(self, clock):
        if clock.step + 1 == self.options.at:
            if self.options.end == "interrupt":
                raise KeyboardInterrupt
            if self.options.end == "error":
                raise RuntimeError("a wheel came off")
            if self.options.end == "nan":
                return {"loss": torch.tensor(float("nan"))}
        return {"loss": 1.0}

    def evaluate(self, clock, generator):
        return {"distance": float(clock.step)}

    def references(self):
        return {"true": {"distance": 4.0}}

    def barrier(self): ...

    def figures(self):
        return {"path": Picture}

    def state_dict(self):
        return {}

    def load_state_dict(self, state): ...


class Picture:
    def savefig(self, path, **how):
        path.write_bytes(b"a picture")


TABLE = Table("walk/it", ("distance",), (Row("short", {"steps": 2}, {"distance": 2.0}),), "nowhere")


class Walks:
    @hookimpl
    def register_experiments(self, register):
        register(Component("walk/it", "a walk", f"{__name__}:Walk", f"{__name__}:Options"))

    @hookimpl
    def register_tables(self, register):
        register(Component("walk/table", "one walk", f"{__name__}:TABLE"))


@pytest.fixture
def walks(host):
    host.add(Walks(), "walk", "walk-parts", "1.0")
    return host


@pytest.fixture
def say(walks, tmp_path):
    """A function that carries out a command line in an empty folder."""

    def answer(line):
        return invoke(line, walks, cwd=tmp_path)

    return answer


# What is printed


@pytest.mark.parametrize("line", ["", "--help", "-h", "--plugins none --help", "--plugins all"])
def test_help_is_printed_and_names_every_command(say, line):
    answer = say(line)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout == cli.HELP
    for command in cli.COMMANDS:
        assert f"\n  {command}" in answer.stdout


def test_the_version_is_printed(say):
    assert say("--version").stdout == f"{listing.version_line()}\n"


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(say, command, option):
    answer = say(f"{command} {option}")
    assert answer.exit_code == 0
    assert answer.stdout.startswith(f"usage: heatbath {command}")
    assert not answer.stderr


def test_what_can_be_run_is_listed_where_nothing_is_named(say):
    for command, name in (("run", "walk/it"), ("reproduce", "walk/table")):
        answer = say(command)
        assert answer.exit_code == 2
        assert answer.stdout.startswith(f"usage: heatbath {command}")
        assert name in answer.stdout


def test_everything_or_one_kind_is_listed(say, walks):
    assert say("list").stdout == f"{listing.listing(walks, KINDS)}\n"
    assert say("list tables").stdout == f"{listing.listing(walks, ['tables'])}\n"


def test_components_and_plugins_are_described(say, walks):
    assert say("describe walk/it").stdout == f"{listing.describe(walks, 'walk/it')}\n"
    assert say("plugins").stdout == f"{listing.plugins(walks)}\n"


def test_the_help_of_an_experiment_shows_the_options_of_what_is_chosen(say):
    assert "--alpha.level FLOAT" in say("run gtf.lorenz63 --help").stdout
    swapped = say("run gtf.lorenz63 --alpha linear --help")
    assert swapped.exit_code == 0
    assert "--alpha.end FLOAT" in swapped.stdout
    assert "--alpha.level" not in swapped.stdout


# Exit codes


def test_a_run_that_finishes_prints_its_result_and_exits_with_0(say, tmp_path):
    answer = say("run walk/it --name mine --seed 5")
    assert answer.exit_code == 0
    assert answer.stdout.splitlines() == [
        "walk/it: finished at step 4, seed 5",
        "",
        "metric    this run  true",
        "distance  4         4",
        "",
        "figure  runs/walk-it/mine/figures/path.png",
        "run     runs/walk-it/mine",
    ]
    assert answer.stderr == "heatbath: writing runs/walk-it/mine\n"
    assert json.loads((tmp_path / "runs/walk-it/mine/result.json").read_text())["status"] == "finished"


def test_a_run_that_diverges_exits_with_1_and_names_step_and_term(say):
    answer = say("run walk/it --name mine --end nan")
    assert answer.exit_code == 1
    last = answer.stderr.splitlines()[-1]
    assert last == "heatbath: step 3: loss is nan; the last checkpoint, step-000000002, is intact"


def test_ctrl_c_exits_with_130_and_says_how_to_go_on(say, tmp_path):
    answer = say(["run", "walk/it", "--name", "mine", "--end", "interrupt", "--runs", "my runs"])
    assert answer.exit_code == 130
    assert answer.stderr.splitlines()[-1] == (
        "heatbath: interrupted; go on with: heatbath resume 'my runs/walk-it/mine'"
    )
    assert not (tmp_path / "my runs/walk-it/mine/result.json").exists()


def test_ctrl_c_before_a_run_is_written_exits_with_130_and_offers_nothing(say, monkeypatch):
    def interrupted(self, options, setup):
        raise KeyboardInterrupt

    monkeypatch.setattr(Walk, "__init__", interrupted)
    answer = say("run walk/it")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (130, "", "")


def test_an_error_that_nobody_foresaw_keeps_its_traceback(say):
    with pytest.raises(RuntimeError, match="a wheel came off"):
        say("run walk/it --end error")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rnu walk/it", "no command 'rnu'; did you mean 'run'?"),
        ("zzzzzz", "no command 'zzzzzz'; there are run, resume, reproduce, list, describe, plugins"),
        ("--plugin x list", "unknown option --plugin; before the command go --plugins, --version and --help"),
        ("--plugins", "--plugins needs a value: all, none, or names of plugins joined by commas"),
        ("run walk/if", "no experiment named 'walk/if'; did you mean 'walk/it'?"),
        ("run walk/it --ned well", "unknown option --ned; did you mean --end?"),
        ("run walk/it --at soon", "--at: expected INT, got 'soon'"),
        ("run walk/it --steps 0", "`steps` must be at least 1, got 0"),
        ("run walk/it --device tpu", "--device: expected auto, cpu, cuda or cuda:INDEX, got 'tpu'"),
        ("run walk/it --name ../x", "--name: expected letters, digits, "),
        ("run walk/it --config", "--config needs a value"),
        ("run walk/it --config nowhere.toml", "--config: nowhere.toml cannot be read: No such file or directory"),
        ("run walk/it --config=.", "--config: . cannot be read: Is a directory"),
        ("resume nowhere", "nowhere holds no run: there is no config.json"),
        ("resume", "no run under runs waits to be resumed; name a run directory"),
        ("resume --steps many", "resume: argument --steps: invalid int value: 'many'"),
        ("reproduce walk/tables --seeds 1", "no table named 'walk/tables'; did you mean 'walk/table'?"),
        ("reproduce walk/table", "--seeds is needed: a:b (a to b - 1) or a,b,c"),
        ("reproduce walk/table --seeds x", "--seeds: expected a:b (a to b - 1) or a,b,c, numbers from 0 on, got 'x'"),
        ("list loses", "there is no kind 'loses' of component; did you mean 'losses'?"),
        ("list losses solvers", "list: unrecognized arguments: solvers"),
        ("describe", "describe: the following arguments are required: name"),
        ("describe msee", "nothing is named 'msee'; did you mean 'mse'?"),
        ("plugins more", "plugins: unrecognized arguments: more"),
    ],
)
def test_what_is_asked_wrongly_exits_with_2_and_one_line(say, tmp_path, line, message):
    answer = say(line)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"heatbath: {message}")
    assert answer.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("config.json"))


def test_an_error_of_several_lines_is_printed_as_one(walks, monkeypatch, capsys):
    def fail(host, argv):
        raise RunError("one\n  two\n\nthree")

    monkeypatch.setitem(cli.COMMANDS, "plugins", fail)
    assert cli.main(["plugins"], walks) == 2
    assert capsys.readouterr().err == "heatbath: one two three\n"


def test_only_divergence_exits_with_1(walks, monkeypatch):
    def fail(host, argv):
        raise NotFinite("loss is nan")

    monkeypatch.setitem(cli.COMMANDS, "plugins", fail)
    assert cli.main(["plugins"], walks) == 1


# Going on


def test_resume_takes_the_newest_run_that_has_not_ended(say, walks, tmp_path):
    say("run walk/it --name done")
    for name in ("older", "newer"):
        say(f"run walk/it --name {name} --end interrupt")
        config = tmp_path / "runs/walk-it" / name / "config.json"
        config.write_text(config.read_text().replace("interrupt", "well"))
        os.utime(config, (time.time(), time.time() + {"older": -100, "newer": 100}[name]))
    answer = say("resume")
    assert answer.exit_code == 0
    assert answer.stdout.splitlines()[-1] == "run     runs/walk-it/newer"
    assert say("resume").stdout.splitlines()[-1] == "run     runs/walk-it/older"
    assert say("resume").exit_code == 2
    assert say("resume runs/walk-it/newer").exit_code == 0  # it has ended, and stays as it is


def test_resume_can_train_longer(say):
    say("run walk/it --name mine")
    answer = say("resume runs/walk-it/mine --steps 6")
    assert answer.stdout.startswith("walk/it: finished at step 6")


def test_resume_says_how_to_go_on_after_another_ctrl_c(say):
    say("run walk/it --name mine --end interrupt")
    answer = say("resume runs/walk-it/mine")
    assert answer.exit_code == 130
    assert answer.stderr.splitlines()[-1] == "heatbath: interrupted; go on with: heatbath resume runs/walk-it/mine"


def test_resume_refuses_another_version_unless_told_otherwise(say, host, tmp_path):
    say("run walk/it --name mine --end interrupt")
    config = tmp_path / "runs/walk-it/mine/config.json"
    config.write_text(config.read_text().replace("interrupt", "well"))
    later = Host(strict=True).load("common")
    later.add(Walks(), "walk", "walk-parts", "1.1")
    answer = invoke("resume runs/walk-it/mine", later, cwd=tmp_path)
    assert answer.exit_code == 2
    assert "walk-parts 1.0" in answer.stderr
    assert "--allow-drift" in answer.stderr
    assert invoke("resume runs/walk-it/mine --allow-drift", later, cwd=tmp_path).exit_code == 0


def test_a_table_is_reproduced_with_options_for_every_run(say, tmp_path):
    answer = say("reproduce walk/table --seeds 1:3 --runs there --end well")
    assert answer.exit_code == 0
    assert "seeds 1, 2, last checkpoint, with --end well" in answer.stdout
    assert "published" in answer.stdout
    assert "[1/2] short, seed 1" in answer.stderr
    assert (tmp_path / "there/tables/walk-table/table.json").exists()


# Files


@pytest.mark.parametrize("form", ["--config {} --steps 2", "--steps 2 --config {}", "--steps=2 --config={}"])
def test_a_file_is_read_first_and_the_arguments_win(say, tmp_path, form):
    (tmp_path / "walk.toml").write_text('steps = 3\nseed = 8\nend = "well"\n')
    answer = say(f"run walk/it --name mine {form.format('walk.toml')}")
    assert answer.stdout.startswith("walk/it: finished at step 2, seed 8\n"), answer.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"steps = ", "--config: walk.toml is not TOML: Invalid value (at end of document)"),
        (b"\xff\xfe", "--config: walk.toml is not TOML: 'utf-8' codec can't decode"),
        (b"setps = 3", "unknown option --setps; did you mean --steps?"),
        (b'steps = "many"', "--steps: expected INT, got 'many'"),
        (b'"a\\nb" = 3', "unknown option --a b; "),
        (b"help = true", "unknown option --help; it is for the command line alone"),
    ],
)
def test_a_file_that_is_wrong_exits_with_2_and_one_line(say, tmp_path, content, message):
    (tmp_path / "walk.toml").write_bytes(content)
    answer = say("run walk/it --config walk.toml")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"heatbath: {message}")
    assert answer.stderr.count("\n") == 1


# Plugins


def test_the_switch_says_what_loads(monkeypatch):
    monkeypatch.delenv("HEATBATH_PLUGINS", raising=False)
    for line in ("--plugins common list", "--plugins=common list"):
        lines = invoke(line).stdout.splitlines()
        assert [words.split()[0] for words in lines[:3]] == ["losses", "cross-entropy", "mse"]
    assert invoke("--plugins none list").stdout == "nothing is registered: no plugin is loaded\n"
    monkeypatch.setenv("HEATBATH_PLUGINS", "none")
    assert invoke("list").stdout == "nothing is registered: no plugin is loaded\n"
    assert "mse" in invoke("--plugins all list").stdout


def test_an_unknown_plugin_in_the_switch_exits_with_2_and_the_nearest_one():
    answer = invoke("--plugins gft list")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == "heatbath: no plugin named 'gft' is installed; did you mean 'gtf'?\n"


def test_a_failing_plugin_is_one_line_and_a_row_and_the_rest_works(install, monkeypatch):
    monkeypatch.delenv("HEATBATH_STRICT", raising=False)
    monkeypatch.syspath_prepend(
        install("sick-parts", {"sick": "sick_parts"}, sick_parts="import sys; sys.exit('bye\\n!')")
    )
    answer = invoke("--plugins sick,common plugins")
    assert answer.exit_code == 0
    assert answer.stderr == "heatbath: plugin sick failed: SystemExit: bye !\n"
    assert re.search(r"^sick +failed +sick-parts 1.0 +SystemExit: bye !$", answer.stdout, re.MULTILINE)
    assert re.search(r"^common +loaded +heatbath ", answer.stdout, re.MULTILINE)
    monkeypatch.setenv("HEATBATH_STRICT", "1")
    answer = invoke("--plugins sick,common plugins")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == "heatbath: plugin sick (sick-parts 1.0) failed: SystemExit: bye !\n"


def test_the_log_goes_to_standard_error_and_no_handler_is_left_behind(tmp_path, monkeypatch):
    logger = logging.getLogger("heatbath")
    monkeypatch.setattr(logger, "propagate", True)
    before = (list(logger.handlers), logger.propagate)

    def run_started(run):
        raise RuntimeError("no display")

    loose = Host(strict=False).load("common")
    loose.add(Walks(), "walk", "walk-parts", "1.0")
    loose.add(make_plugin(run_started=run_started), "screen")
    answer = invoke("run walk/it --name logged", loose, cwd=tmp_path)
    assert "heatbath: plugin screen failed in run_started and is left out of this run: no display" in answer.stderr
    assert (list(logger.handlers), logger.propagate) == before


# The process


def test_the_command_is_main_in_a_process_with_one_thread_for_numpy(python):
    code = (
        "import os, sys; from heatbath.core import cli; sys.argv = ['heatbath', '--version']\n"
        "try: cli.entry()\n"
        "finally: print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    )
    done = python(code, OMP_NUM_THREADS="3")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == "3 1"


@pytest.mark.parametrize("command", [["-m", "heatbath"], None])
def test_the_module_and_the_script_are_the_same_command(command, tmp_path):
    words = [sys.executable, *command] if command else [str(Path(sys.executable).with_name("heatbath"))]
    done = subprocess.run([*words, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{listing.version_line()}\n")
    done = subprocess.run([*words, "nothing"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_a_signal_from_the_terminal_ends_a_real_run_with_130(tmp_path):
    line = "run gtf.lorenz63 --name it --points 500 --window 10 --batches-per-epoch 1 --steps 1000000"
    process = subprocess.Popen(
        [sys.executable, "-m", "heatbath", "--plugins", "common,envs,solvers,gtf", *line.split()],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        rows = tmp_path / "runs/gtf.lorenz63/it/metrics.jsonl"
        limit = time.monotonic() + 120
        while not rows.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "heatbath: interrupted; go on with: heatbath resume runs/gtf.lorenz63/it"


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    """As in `heatbath list | head -1`."""
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from heatbath.core.cli import entry; sys.argv[1:] = ['list']; entry()"
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("line", ["list", "plugins", "run gtf.lorenz63 --help", "describe gtf.lorenz63"])
def test_what_is_printed_does_not_depend_on_the_hashes_of_a_process(python, line):
    code = f"import sys; from heatbath.core.cli import main; sys.exit(main({line.split()!r}))"
    first, second = (python(code, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first.returncode == 0
    assert first.stdout == second.stdout


@pytest.mark.slow
def test_one_seed_gives_the_same_bits_in_any_process(python, tmp_path):
    """Metrics and checkpoint of two fresh processes, whose sets and dictionaries of strings are ordered otherwise."""
    line = "run gtf.lorenz63 --points 500 --window 10 --batches-per-epoch 2 --steps 6 --metrics.lyapunov-max none"
    for seed in ("1", "2"):
        words = [*line.split(), "--name", seed, "--runs", str(tmp_path)]
        code = f"from heatbath.core.cli import entry; import sys; sys.argv[1:] = {words!r}; entry()"
        done = python(code, PYTHONHASHSEED=seed, HEATBATH_PLUGINS="common,envs,solvers,gtf")
        assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "gtf.lorenz63" / seed for seed in ("1", "2"))
    assert (first / "metrics.jsonl").read_bytes() == (second / "metrics.jsonl").read_bytes()
    written = sorted(path.relative_to(first) for path in (first / "checkpoints").rglob("*") if path.is_file())
    assert written
    for path in written:
        assert (first / path).read_bytes() == (second / path).read_bytes()
