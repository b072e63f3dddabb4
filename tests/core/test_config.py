"""Options: from a command line or a table into dataclasses, and back."""

import io
import json
import os
import string
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heatbath import Host
from heatbath.core.choices import Pick, Slots
from heatbath.core.config import _one_line, merge, read, read_run, resolve, to_argv, to_table
from heatbath.core.errors import ConfigError
from heatbath.core.hookspecs import KINDS
from heatbath.core.plan import Place, Plan
from heatbath.testing import invoke
from tests.core.shop import Cosine, Grid, Jerk, Shop, Trial

ALL = Host().load()
"""What is installed, for the tests that ask something of every experiment."""


@pytest.fixture
def shop(host):
    host.add(Shop(), "shop", "shop-parts", "1.0")
    return host


@pytest.fixture
def trial(shop):
    """A function that reads options of `shop/trial`."""

    def read_trial(line=""):
        return read_run(shop, "shop/trial", line.split() if isinstance(line, str) else line)[0]

    return read_trial


@pytest.fixture
def refused(shop):
    """A function that gives the complaint about options of `shop/trial`."""

    def complaint(line):
        with pytest.raises(ConfigError) as caught:
            read_run(shop, "shop/trial", line.split() if isinstance(line, str) else line)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return complaint


# What is read


def test_without_arguments_the_experiments_own_defaults_hold(shop):
    options, plan, place = read_run(shop, "shop/trial", [])
    assert type(options) is Trial
    assert plan == Plan(steps=7, device="cpu")
    assert place == Place()
    common = sys.modules["heatbath.plugins.common.options"]
    assert options.alpha == Pick("schedules", "constant", common.Constant(0.25))
    assert options.solver == Pick("solvers", "shop/heun", None, "ode")
    smooth = options.losses.picks["smooth_one"]
    assert smooth.options == Jerk(power=3, inner=Pick("schedules", "shop/cosine", Cosine(0.5)))
    assert smooth.weight == Pick("schedules", "constant", common.Constant(0.125))
    assert options.metrics == Slots("metrics", {"error": Pick("metrics", "shop/error", None)})


def test_every_type_of_option_is_read(trial):
    line = "--count -4 --rate 2.5e-1 --flag False --title=--odd --mode hard --sizes 1 2 3 --limit 0.5 --folder a/b"
    options = trial(f"{line} --grid.points 12")
    assert (options.count, options.rate, options.flag, options.title) == (-4, 0.25, False, "--odd")
    assert (options.mode, options.sizes, options.limit, options.folder) == ("hard", (1, 2, 3), 0.5, Path("a/b"))
    assert options.grid == Grid(12)
    assert trial("--sizes").sizes == ()
    assert trial("--limit None").limit is None


def test_plan_and_place_are_read_beside_the_options(shop):
    line = "--steps 9 --seed 4 --evaluate-every 2 --name me --runs there --tensorboard True --count 1"
    options, plan, place = read_run(shop, "shop/trial", line.split())
    assert plan == Plan(seed=4, steps=9, evaluate_every=2, device="cpu")
    assert place == Place("me", Path("there"), True)
    assert options.count == 1


def test_dashes_and_underscores_are_the_same(trial):
    assert trial("--losses.smooth_one.weight_decay 0.5") == trial("--losses.smooth-one.weight-decay 0.5")


def test_the_last_of_several_values_counts(trial):
    assert trial("--count 1 --count 2").count == 2


def test_a_component_is_swapped_with_options_of_its_own(trial):
    options = trial("--alpha shop/cosine --alpha.start 0.5 --losses.fit shop/jerk --losses.fit.power 5")
    assert options.alpha == Pick("schedules", "shop/cosine", Cosine(0.5))
    assert options.losses.picks["fit"].options.power == 5


def test_what_an_experiment_sets_of_a_component_is_not_handed_to_another(trial):
    assert trial("--alpha linear").alpha.options == sys.modules["heatbath.plugins.common.options"].Linear()


def test_a_component_that_is_named_again_keeps_what_the_experiment_sets(trial):
    assert trial("--alpha constant").alpha == trial().alpha
    assert trial("--losses.smooth-one shop/jerk").losses == trial().losses


def test_a_choice_within_a_choice_is_swapped(trial):
    jerk = (
        trial("--losses.smooth-one.inner linear --losses.smooth-one.inner.end 0.5").losses.picks["smooth_one"].options
    )
    assert (jerk.inner.name, jerk.inner.options.end, jerk.power) == ("linear", 0.5, 3)


@pytest.mark.parametrize("number", ["0.75", "-1e-3"])
@pytest.mark.parametrize("form", ["--alpha {}", "--alpha={}", "--alpha linear --alpha {}", "--alpha 3 --alpha {}"])
def test_a_number_stands_for_a_constant_schedule(trial, number, form):
    assert trial(form.format(number)).alpha == trial(f"--alpha constant --alpha.level={number}").alpha


def test_a_number_is_a_weight(trial):
    weight = trial("--losses.fit.weight 0.5").losses.picks["fit"].weight
    assert (weight.name, weight.options.level) == ("constant", 0.5)


def test_the_last_choice_counts_also_after_a_number(trial):
    assert trial("--alpha 0.2 --alpha linear --alpha.end 3") == trial("--alpha linear --alpha.end 3")
    assert trial("--alpha shop/cosine --alpha=linear") == trial("--alpha linear")


def test_an_option_after_a_number_refines_it(trial):
    assert trial("--alpha 0.2 --alpha.level 0.3").alpha.options.level == 0.3
    assert trial("--alpha.level 0.3 --alpha 0.2").alpha.options.level == 0.2


def test_a_slot_is_emptied_with_none_and_stays_in_the_config(trial):
    options = trial("--losses.fit none --metrics.error none")
    assert options.losses.picks["fit"] == Pick("losses", "none", None)
    assert to_table(options)["losses"]["fit"] == {"use": "none"}
    assert list(options.losses.picks) == ["fit", "smooth_one"]


def test_a_slot_is_added_with_options_and_a_weight(trial):
    options = trial("--losses.extra-one shop/jerk --losses.extra-one.power 1 --losses.extra-one.weight linear")
    added = options.losses.picks["extra_one"]
    assert (added.name, added.options.power, added.weight.name) == ("shop/jerk", 1, "linear")
    assert trial("--metrics.more shop/error").metrics.picks["more"] == Pick("metrics", "shop/error", None)
    assert trial("--losses.more mse").losses.picks["more"].weight.options.level == 1.0


def test_options_of_a_single_component_are_read(shop):
    assert read(shop, Cosine, ["--start", "0.5"]) == Cosine(0.5)


def test_resolving_a_pick_makes_options_of_its_overrides(shop):
    made = resolve(shop, Pick("losses", "shop/jerk", {"power": 4}))
    assert made.options == Jerk(power=4, inner=Pick("schedules", "shop/cosine", Cosine(0.5)))
    assert resolve(shop, made) == made
    with pytest.raises(ConfigError, match="no loss named 'shop/jark'; did you mean 'shop/jerk'"):
        resolve(shop, Pick("losses", "shop/jark"))


# What is refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--cuont 3", "unknown option --cuont; did you mean --count?"),
        ("--zzzzz 3", "unknown option --zzzzz; `heatbath run shop/trial --help` lists them"),
        ("--alpha.start 3", "--alpha: 'constant' has no option 'start'; it has level"),
        ("--solver.step 3", "--solver: 'shop/heun' has no option 'step'; it has none"),
        (
            "--losses.smooth-one.pwer 3",
            "--losses.smooth-one: 'shop/jerk' has no option 'pwer'; it has inner, inner.start, ",
        ),
        ("--losses.fit none --losses.fit.weight 2", "--losses.fit: 'none' has no option 'weight'; it has none"),
        ("--plan.steps 3", "unknown option --plan.steps; did you mean --steps?"),
        ("--", "unknown option --; `heatbath run shop/trial --help` lists them"),
        ("--help=x", "unknown option --help; "),
        ("--tyro-print-completion bash", "unknown option --tyro-print-completion; "),
        ("--count x", "--count: expected INT, got 'x'"),
        ("--count 1.5", "--count: expected INT, got '1.5'"),
        ("--count it's", '--count: expected INT, got "it\'s"'),
        ("--rate fast", "--rate: expected FLOAT, got 'fast'"),
        ("--sizes 1 x", "--sizes: expected [INT [INT ...]], got ['1', 'x']"),
        ("--rate nan", "--rate: expected a number, got nan"),
        ("--alpha.level nan", "--alpha.level: expected a number, got nan"),
        ("--losses.smooth-one.weight nan", "--losses.smooth-one.weight.level: expected a number, got nan"),
        ("--flag maybe", "--flag: expected True or False, got 'maybe'"),
        ("--mode loud", "--mode: expected soft or hard, got 'loud'"),
        ("--limit much", "--limit: expected {None}|FLOAT, got ['much']"),
        ("--alpha.level much", "--alpha.level: expected FLOAT, got 'much'"),
        ("--losses.smooth-one.power many", "--losses.smooth-one.power: expected INT, got 'many'"),
        ("--count", "--count needs a value"),
        ("--count --rate 3", "--count needs a value"),
        ("--count 1 2", "unexpected '2'; options are written --name value"),
        ("stray", "unexpected 'stray'; options are written --name value"),
        ("-x", "unexpected '-x'; options are written --name value"),
        ("--rate -1", "`rate` must be at least 0, got -1.0"),
        ("--steps 0", "`steps` must be at least 1, got 0"),
        ("--keep-checkpoints 0", "`keep_checkpoints` must be at least 1, got 0"),
        ("--grid.points 1", "--grid: `points` must be at least 2, got 1"),
        ("--losses.smooth-one.power 0", "--losses.smooth-one: `power` must be at least 1, got 0"),
        ("--losses.smooth-one.power 13", "ZeroDivisionError: unlucky"),
        ("--alpha cosine", "no schedule named 'cosine'; did you mean 'shop/cosine'?"),
        ("--alpha zzz", "no schedule named 'zzz'; known: constant, exponential, "),
        ("--alpha none", "no schedule named 'none'; "),
        ("--alpha os:system", "no schedule named 'os:system'; "),
        ("--solver shop/skip", "--solver: 'shop/skip' does not serve 'ode'; these do: bosh3, "),
        ("--alpha", "--alpha needs a name, one of the schedules: constant, exponential, "),
        ("--alpha=", "--alpha needs a name, one of the schedules: "),
        ("--alpha --count 3", "--alpha needs a name, one of the schedules: "),
        ("--solver", "--solver needs a name, one of the solvers: bosh3, "),
        ("--losses.new", "--losses.new needs a name, one of the losses: cross-entropy, gtf.l2, "),
        ("--alpha linear stray", "--alpha takes one name, got also 'stray'"),
        ("--alpha=linear stray", "--alpha takes one name, got also 'stray'"),
        ("--losses.new.power 1", "unknown option --losses.new.power; "),
    ],
)
def test_what_is_wrong_gets_one_line_that_says_what_was_expected(refused, line, message):
    assert refused(line).startswith(message)


@pytest.mark.parametrize(
    ("box", "line"),
    [
        ("", "the arguments could not be read"),
        ("│ a new kind of complaint. │\n│ ──── │\n│ much more │", "a new kind of complaint"),
        ("│ Error parsing --count: no such number: 'x' │", "--count: no such number: 'x'"),
    ],
)
def test_a_complaint_in_other_words_is_passed_on(box, line):
    assert _one_line(box) == line


def test_the_same_is_said_where_standard_output_is_not_utf_8(refused, monkeypatch):
    class Plain:
        encoding = "ascii"

        def isatty(self):
            return False

        def write(self, text):
            raise AssertionError("nothing is printed")

    monkeypatch.setattr(sys, "stdout", Plain())
    assert refused("--count x") == "--count: expected INT, got 'x'"
    assert refused("--grid.points 1") == "--grid: `points` must be at least 2, got 1"


def test_an_experiment_cannot_take_an_option_of_every_run(shop):
    with pytest.raises(ConfigError, match="shop/greedy: the option 'seed' belongs to every run; rename it"):
        read_run(shop, "shop/greedy", [])


def test_an_experiment_that_sets_what_a_component_does_not_have_is_told(shop):
    with pytest.raises(ConfigError, match="Cosine has no option 'begin'"):
        read_run(shop, "shop/wrong", [])


def test_an_unknown_experiment_comes_with_the_nearest_one(shop):
    with pytest.raises(ConfigError, match=r"no experiment named 'gtf.lorenz36'; did you mean 'gtf.lorenz63'"):
        read_run(shop, "gtf.lorenz36", [])


def test_help_goes_to_standard_output_and_ends(shop, capsys):
    with pytest.raises(SystemExit) as stop:
        read_run(shop, "shop/trial", ["--alpha", "shop/cosine", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: heatbath run shop/trial ")
    assert "--alpha.start FLOAT" in shown
    assert "--alpha.level" not in shown


# There and back


def same_again(host, experiment, argv):
    """Options, through a table, JSON and arguments."""
    options, plan, _ = read_run(host, experiment, argv)
    table = to_table(options)
    assert json.loads(json.dumps(table)) == table
    again, plan_again, _ = read_run(host, experiment, to_argv({**json.loads(json.dumps(table)), **vars(plan)}))
    assert (again, plan_again) == (options, plan)
    assert to_table(again) == table
    return table


@pytest.mark.parametrize("experiment", ALL.names("experiments"))
def test_the_default_config_of_every_experiment_survives_the_round_trip(experiment):
    same_again(ALL, experiment, [])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--count -4 --rate 1e-30 --flag False --title=--help --mode hard --sizes --limit -0.5 --folder=-x",
        "--title= --sizes -1 --limit None --grid.points 77",
        "--alpha -0.3 --losses.fit.weight -2",
        "--alpha shop/cosine --alpha.start -0.5 --solver rk4 --solver.step 0.5",
        "--losses.fit none --losses.new shop/jerk --losses.new.weight linear --losses.new.inner 3 --metrics.error none",
    ],
)
def test_a_config_survives_the_round_trip(shop, line):
    same_again(shop, "shop/trial", line.split())


def test_a_table_says_what_was_chosen_and_with_which_options(trial):
    table = to_table(trial("--alpha shop/cosine --alpha.start 0.5 --losses.fit.weight 2"))
    assert table["alpha"] == {"use": "shop/cosine", "start": 0.5}
    assert table["solver"] == {"use": "shop/heun"}
    assert table["losses"]["fit"] == {"use": "mse", "weight": {"use": "constant", "level": 2.0}}
    assert table["sizes"] == [4, 5]
    assert table["folder"] == "here"
    assert table["grid"] == {"points": 10}
    assert to_table(Pick("losses", "mse", {"power": 2})) == {"use": "mse", "power": 2}


def test_a_table_of_arguments_keeps_values_that_look_like_options():
    table = {"title": "--help", "alpha": -0.5, "sizes": [-1, 2], "empty": [], "losses": {"fit": {"use": "mse"}}}
    assert to_argv(table) == [
        "--title=--help", "--alpha=-0.5", "--sizes", "-1", "2", "--empty", "--losses.fit", "mse",
    ]  # fmt: skip


def test_help_is_no_option_of_a_table():
    with pytest.raises(ConfigError, match="unknown option --help; it is for the command line alone"):
        to_argv({"help": True})


@pytest.mark.parametrize("item", ["-h", "--help", "-x", "--count=3"])
def test_an_entry_of_a_list_cannot_become_an_option(item):
    with pytest.raises(ConfigError, match=f"--sizes: an entry of a list cannot begin with '-', got '{item}'"):
        to_argv({"sizes": [1, item]})


def test_use_without_a_component_is_an_option_like_any_other(refused):
    assert refused(to_argv({"use": "mse"})).startswith("unknown option --use")


# Two lots of arguments


@pytest.mark.parametrize(
    ("before", "after", "merged"),
    [
        ("--seed 1", "", "--seed 1"),
        ("", "--seed 1", "--seed 1"),
        ("--seed 1 --steps 2", "--seed=3", "--steps 2 --seed=3"),
        ("--sizes 1 2 3", "--sizes 4", "--sizes 4"),
        ("--batch-size 1", "--batch_size 2", "--batch_size 2"),
        ("--alpha linear --alpha.end 2", "--alpha.end 3", "--alpha linear --alpha.end 3"),
        ("--alpha linear --alpha.end 2", "--alpha linear", "--alpha.end 2 --alpha linear"),
        ("--alpha linear --alpha.end 2", "--alpha shop/cosine", "--alpha shop/cosine"),
        ("--alpha linear --alpha.end 2 --alphabet x", "--alpha 0.5", "--alphabet x --alpha 0.5"),
        ("--alpha.level 2", "--alpha constant", "--alpha.level 2 --alpha constant"),
        (
            "--losses.fit shop/jerk --losses.fit.power 1 --losses.fit.weight 2 --losses.fit.weight-decay 3",
            "--losses.fit mse",
            "--losses.fit.weight 2 --losses.fit mse",
        ),
        (
            "--losses.fit mse --losses.fit.weight linear --losses.fit.weight.end 2",
            "--losses.fit.weight 0.5",
            "--losses.fit mse --losses.fit.weight 0.5",
        ),
        (
            "--losses.fit mse --losses.fit.weight linear --losses.fit.weight.end 2 --losses.fitness mse",
            "--losses.fit none",
            "--losses.fitness mse --losses.fit none",
        ),
    ],
)
def test_later_arguments_win_and_what_belongs_to_a_replaced_component_goes(before, after, merged):
    assert merge(before.split(), after.split()) == merged.split()


def test_a_loss_that_a_file_weighs_can_be_emptied(trial):
    file = to_argv({"losses": {"smooth-one": {"use": "shop/jerk", "power": 1, "weight": 2}}})
    assert trial(merge(file, ["--losses.smooth-one", "none"])) == trial("--losses.smooth-one none")
    assert trial(merge(file, ["--losses.smooth-one", "mse"])).losses.picks["smooth_one"].weight.options.level == 2


# Files


FILE = """
count = 5
title = "from a file"
sizes = [7, 8, 9]
steps = 11
alpha = 0.75

[grid]
points = 20

[losses.smooth-one]
use = "shop/jerk"
power = 4
weight = {use = "shop/cosine", start = 0.5}
"""


def test_a_toml_file_says_the_same_as_arguments(shop):
    line = (
        "--count 5 --sizes 7 8 9 --steps 11 --alpha 0.75 --grid.points 20 --losses.smooth-one shop/jerk "
        "--losses.smooth-one.power 4 --losses.smooth-one.weight shop/cosine --losses.smooth-one.weight.start 0.5"
    )
    from_file = read_run(shop, "shop/trial", to_argv(tomllib.loads(FILE)))
    from_line = read_run(shop, "shop/trial", [*line.split(), "--title", "from a file"])
    assert from_file == from_line


def test_keyword_arguments_of_the_python_interface_say_the_same_as_arguments(trial):
    config = {"alpha": {"use": "shop/cosine", "start": 0.5}, "losses": {"fit": {"weight": 0.5}}, "sizes": (1, 2)}
    assert trial(to_argv(config)) == trial("--alpha shop/cosine --alpha.start 0.5 --losses.fit.weight 0.5 --sizes 1 2")


# Values are data


DANGEROUS = [
    "os:system", "os.system", "subprocess:run", "builtins.eval", "__import__('os').system('true')", "this:s", "@file",
    "!!python/object/apply:os.system", "-h", "--help", "--tyro-write-completion", "shop/cosine", "none", "constant",
]  # fmt: skip
KNOWN = [
    "alpha", "losses", "metrics", "fit", "smooth-one", "new", "weight", "use", "target", "_target_", "config", "grid",
    "count", "title", "sizes", "plan", "seed", "steps", "name", "runs", "solver", "class_path", "inner", "help",
]  # fmt: skip
WORDS = st.one_of(st.sampled_from(DANGEROUS), st.text(max_size=20))
KEYS = st.one_of(st.sampled_from(KNOWN), st.text(max_size=10), st.text(string.ascii_lowercase + "-._=", max_size=10))
VALUES = st.one_of(WORDS, st.integers(-9, 99), st.floats(), st.booleans(), st.lists(WORDS | st.integers(), max_size=3))
TABLES = st.dictionaries(KEYS, st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=3)), max_size=4)
OPTIONS = st.one_of(KEYS.map("--{}".format), st.tuples(KEYS, KEYS).map("--{0[0]}.{0[1]}".format))
ARGV = st.lists(st.one_of(WORDS, OPTIONS, st.tuples(OPTIONS, WORDS).map("=".join)), max_size=6)
FORBIDDEN = {
    "import", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "subprocess.Popen",
    "pickle.find_class", "socket.connect", "os.remove", "os.mkdir",
}  # fmt: skip


class Watch:
    """Notes what this process imports, executes, or writes while it is on."""

    def __init__(self):
        self.on, self.seen = False, []
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if self.on and (event in FORBIDDEN or (event == "open" and set(str(arguments[1])) & set("wax+"))):
            self.seen.append((event, arguments))

    def __enter__(self):
        self.seen, self.on, self.modules = [], True, set(sys.modules)
        return self

    def __exit__(self, *error):
        self.on = False
        self.seen += [("module", name) for name in sorted(set(sys.modules) - self.modules)]


@pytest.fixture(scope="module")
def watch():
    return Watch()


@pytest.fixture(scope="module")
def warm():
    """A host whose options are all imported already, and a parser that has done all that it does."""
    made = Host(strict=True).load("common,gtf,solvers,envs")
    made.add(Shop(), "shop", "shop-parts", "1.0")
    for kind in KINDS:
        for name in made.names(kind):
            made.options_type(kind, name)
    for line in ("--help", "--count x", "--count", "--mode x", "--grid.points 1", "stray", "--limit x"):
        invoke(f"run shop/trial {line}", made)
    return made


def test_the_watch_sees_imports_commands_and_files(watch, tmp_path):
    sys.modules.pop("this", None)
    with watch, redirect_stdout(io.StringIO()):
        import this  # noqa: F401
    assert ("module", "this") in watch.seen
    with watch:
        os.system("true")
        subprocess.run(["true"], check=True)
        (tmp_path / "file").write_text("x")
    assert {"os.system", "subprocess.Popen", "open"} <= {event for event, _ in watch.seen}
    with watch:
        read(Host().load("none"), Cosine, ["--start", "3"])
    assert not watch.seen


def outcome(ask):
    try:
        return ask()
    except (ConfigError, SystemExit) as error:
        return error


LOOSE = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@LOOSE
@given(ARGV)
def test_arbitrary_arguments_import_execute_and_write_nothing_and_fail_in_one_line(watch, warm, argv):
    with watch, redirect_stdout(io.StringIO()):
        answer = outcome(lambda: read_run(warm, "shop/trial", argv)[0])
    if isinstance(answer, SystemExit):
        assert not answer.code
        assert {"-h", "--help"} & set(argv)
    assert isinstance(answer, SystemExit | ConfigError | Trial)
    assert not watch.seen


@LOOSE
@given(TABLES)
def test_an_arbitrary_table_imports_executes_and_writes_nothing_and_never_ends_the_program(watch, warm, table):
    with watch:
        answer = outcome(lambda: read_run(warm, "shop/trial", to_argv(table))[0])
    assert isinstance(answer, ConfigError | Trial)
    assert not watch.seen


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


@LOOSE
@given(st.one_of(st.text(), TABLES.map(lambda t: "".join(f"{json.dumps(k)} = {toml(v)}\n" for k, v in t.items()))))
def test_an_arbitrary_file_gets_exit_code_2_and_one_line(watch, warm, tmp_path, text):
    file = tmp_path / "config.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    argv = ["run", "shop/trial", "--steps", "0", "--config", str(file)]  # where all else is right, `--steps` is not
    with watch:
        answer = invoke(argv, warm)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("heatbath: ")
    assert answer.stderr.count("\n") == 1
    assert len(answer.stderr.splitlines()) == 1
    assert not watch.seen
