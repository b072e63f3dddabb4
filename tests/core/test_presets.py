"""Settings by name, words that are short for a component, and the best evaluation of a run."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from heatbath.core.choices import Pick, pick
from heatbath.core.config import merge, read, read_run, to_argv, to_table
from heatbath.core.errors import ConfigError
from heatbath.testing import invoke


def test_a_preset_sets_options_and_the_user_wins(host):
    options, plan, _ = read_run(host, "gtf.series", ["--preset", "ecg-gtf", "--window", "50", "--steps=10"])
    assert options.alpha.options.level == 0.3
    assert (options.latent, options.observation.name, options.model.options.hidden) == (5, "affine", 250)
    assert (options.window, plan.steps) == (50, 10)
    assert options.losses.picks["observation"].weight.options.level == 1e-7


def test_another_choice_takes_the_presets_options_of_it_away(host):
    options, _, _ = read_run(host, "gtf.series", ["--alpha", "0.2", "--preset=ecg-agtf", "--model", "plrnn"])
    assert options.alpha.options.level == 0.2
    assert options.model.name == "plrnn"


def test_a_preset_is_read_back_as_what_it_meant(host):
    config, _, _ = read_run(host, "gtf.series", ["--preset", "eeg-agtf"])
    again, _, _ = read_run(host, "gtf.series", to_argv(to_table(config)))
    assert again == config


def test_an_unknown_preset_is_an_error_with_the_nearest(host):
    with pytest.raises(ConfigError, match="no preset 'ecg-gft'; did you mean 'ecg-gtf'"):
        read_run(host, "gtf.series", ["--preset", "ecg-gft"])
    with pytest.raises(ConfigError, match="no preset 'zzz'; known: lorenz63-full"):
        read_run(host, "gtf.lorenz63", ["--preset", "zzz"])
    with pytest.raises(ConfigError, match="--preset needs a value"):
        read_run(host, "gtf.lorenz63", ["--preset"])


def test_presets_are_described_with_their_source(host):
    page = invoke("describe gtf.series", host).stdout
    assert "--preset NAME" in page
    assert "table 1, ECG, shPLRNN + GTF" in page


@dataclass(frozen=True)
class Options:
    """A slot with a short word."""

    strength: Pick = pick("schedules", "constant", aliases={"slow": "exponential", "auto": "gtf.adaptive"}, level=0.5)
    plan: ClassVar[None] = None


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ([], "constant"),
        (["--strength", "slow"], "exponential"),
        (["--strength=slow"], "exponential"),
        (["--strength", "exponential"], "exponential"),
        (["--strength", "0.1", "--strength", "slow"], "exponential"),
        (["--strength", "slow", "--strength", "0.1"], "constant"),
        (["--strength", "slow", "--strength", "auto"], "gtf.adaptive"),
    ],
)
def test_a_short_word_stands_for_a_component(host, argv, name):
    chosen = read(host, Options, argv).strength
    assert chosen.name == name
    assert read(host, Options, to_argv(to_table(Options(chosen)))).strength == chosen


def test_options_follow_a_short_word(host):
    chosen = read(host, Options, ["--strength", "slow", "--strength.start", "0.3"]).strength
    assert (chosen.name, chosen.options.start) == ("exponential", 0.3)


def test_a_short_word_is_one_in_its_slot_only(host):
    with pytest.raises(ConfigError, match="auto"):
        read_run(host, "gtf.lorenz63", ["--learning-rate", "auto"])


def test_a_row_of_a_table_can_be_replaced_by_a_number(host):
    argv = merge(to_argv({"alpha": {"use": "auto", "start": 0.5}}), ["--alpha", "0.2"])
    options, _, _ = read_run(host, "gtf.lorenz63", argv)
    assert options.alpha.options.level == 0.2


def test_the_help_says_what_a_short_word_is(host):
    assert "auto is short for gtf.adaptive" in " ".join(invoke("run gtf.lorenz63 --help", host).stdout.split())
