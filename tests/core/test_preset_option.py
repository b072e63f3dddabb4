"""`--preset NAME`: published settings by name."""

from __future__ import annotations

import pytest

from heatbath.core.config import read_run, to_argv, to_table
from heatbath.core.errors import ConfigError
from heatbath.core.host import Host
from heatbath.testing import invoke


def test_it_sets_options_and_the_user_wins(host: Host) -> None:
    options, plan, _ = read_run(
        host, "neural-ode.digits", ["--preset", "paper-text", "--losses.penalty.weight", "3", "--steps=10"]
    )
    penalty = options.losses.picks["penalty"]
    assert penalty.options.aggregate == "sum"
    assert penalty.weight.options.level == 3.0
    assert plan.steps == 10


def test_it_is_read_back_as_what_it_meant(host: Host) -> None:
    config, _, _ = read_run(host, "neural-ode.digits", ["--preset=paper-repo-stiffness"])
    again, _, _ = read_run(host, "neural-ode.digits", to_argv(to_table(config)))
    assert again == config


def test_an_unknown_one_is_an_error_with_the_nearest(host: Host) -> None:
    with pytest.raises(ConfigError, match="no preset 'paper-rep'; did you mean 'paper-repo'"):
        read_run(host, "neural-ode.digits", ["--preset", "paper-rep"])
    with pytest.raises(ConfigError, match="--preset needs a value"):
        read_run(host, "neural-ode.digits", ["--preset"])


def test_they_are_described_with_their_source(host: Host) -> None:
    page = invoke("describe neural-ode.digits", host).stdout
    assert "--preset NAME" in page
    assert "mean over steps of E h" in page
