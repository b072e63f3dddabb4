"""What `list`, `describe` and `plugins` print."""

import re
import sys

import pytest

from heatbath import Component, Host
from heatbath.core import listing
from heatbath.core.errors import ConfigError
from heatbath.core.hookspecs import KINDS
from heatbath.core.text import Page
from tests.core.shop import Shop
from tests.making import make_loss, make_offer, make_plugin


@pytest.fixture
def shop(host):
    host.add(Shop(), "shop", "shop-parts", "1.0")
    return host


def test_components_are_listed_by_kind_in_order_of_name_with_the_problem_they_serve(shop):
    schedules = listing.listing(shop, ["solvers", "agents", "schedules"]).split("\n\n")[-1].splitlines()
    assert schedules[0] == "schedules"
    assert [line.split()[0] for line in schedules[1:]] == shop.names("schedules")
    assert re.search(r"^  constant +one level; a plain number is short for it$", "\n".join(schedules), re.MULTILINE)
    assert re.search(r"^  shop/cosine +a part named shop/cosine$", "\n".join(schedules), re.MULTILINE)
    solvers = listing.listing(shop, ["solvers"]).splitlines()
    assert solvers[0] == "solvers"
    assert [line.split()[0] for line in solvers[1:]] == shop.names("solvers")
    assert re.search(r"^  shop/heun +ode +a part named shop/heun$", "\n".join(solvers), re.MULTILINE)


def test_a_kind_without_components_is_shown_only_when_asked_for_alone():
    host = Host()
    host.add(make_plugin(register_losses=[make_loss("a/loss")]), "a")
    assert listing.listing(host, KINDS) == "losses\n  a/loss  a loss"
    assert listing.listing(host, ["agents"]) == "agents\n  (none)"
    assert listing.listing(Host(), KINDS) == "nothing is registered: no plugin is loaded"


def test_plugins_are_listed_with_what_they_offer_or_why_they_failed():
    offers = [make_offer("good"), make_offer("bad", ValueError("no")), make_offer("idle", distribution="idle-parts")]
    host = Host(strict=False).load("good,bad", offers=offers)
    host.add(make_plugin(run_started=lambda run: None), "here")
    assert listing.plugins(host).splitlines() == [
        "plugin  status  from            offers, or why not",
        "bad     failed  acme-parts 1.0  ValueError: no",
        "good    loaded  acme-parts 1.0  1 loss",
        "here    loaded  (local)         watches runs",
        "idle    off     idle-parts 1.0  not selected",
    ]
    assert listing.plugins(Host()) == "no plugin is installed"


def test_a_component_without_options_is_described_in_a_card(shop):
    assert listing.describe(shop, "mse").splitlines()[:4] == [
        "mse",
        "mean squared error of the prediction",
        "",
        "kind    losses",
    ]
    assert listing.describe(shop, "mse").endswith("target  heatbath.plugins.common.losses:MeanSquaredError")
    assert "from    plugin shop (shop-parts 1.0)" in listing.describe(shop, "shop/heun")


def test_a_card_names_problem_reference_and_extra():
    host = Host()
    part = Component("a/heun", "Heun", "a:Heun", problem="ode", extra="fast", reference="Heun 1900")
    host.add(make_plugin(register_solvers=[part]), "a", "a-parts", "2.0")
    assert listing.describe(host, "a/heun").splitlines()[3:] == [
        "kind       solvers",
        "serves     ode",
        "from       plugin a (a-parts 2.0)",
        "target     a:Heun",
        "reference  Heun 1900",
        "extra      pip install 'a-parts[fast]'",
    ]


@pytest.mark.parametrize(
    ("encoding", "corner"), [("utf-8", "╭─ options "), ("ascii", " options "), (None, "╭─ options ")]
)
def test_options_are_described_whatever_standard_output_can_show(shop, monkeypatch, encoding, corner):
    monkeypatch.setattr(sys, "stdout", Page(encoding))
    for name, option in (("constant", "--level FLOAT"), ("shop/trial", "--losses.smooth-one.weight.level FLOAT")):
        card, _, boxes = listing.describe(shop, name).partition("\n\n" + corner)
        assert option in boxes
        assert "--help" not in boxes
        assert card.splitlines()[-1].startswith("target ")
        boxes.encode(encoding or "utf-8")
    assert not sys.stdout.getvalue()


def test_the_options_of_an_experiment_are_described_with_those_of_every_run(shop):
    text = listing.describe(shop, "shop/trial")
    for option in ("--count INT", "--seed INT", "--runs PATH", "--alpha.level FLOAT", "--grid.points INT"):
        assert option in text
    assert "(default: 7)" in text  # the experiment's own number of steps


def test_all_that_bears_a_name_is_described(shop):
    text = listing.describe(shop, "gtf.lorenz63")
    assert re.findall(r"^kind +(\w+)", text, re.MULTILINE) == ["experiments", "tables"]


@pytest.mark.parametrize("name", sorted({name for kind in KINDS for name in Host().load().names(kind)}))
def test_everything_that_is_registered_can_be_described(name):
    host = Host().load()
    text = listing.describe(host, name)
    assert text.startswith(f"{name}\n")
    for kind in KINDS:
        if name in host.names(kind) and host.record(kind, name).component.config:
            assert "options " in text


def test_an_unknown_name_comes_with_the_nearest_one(shop):
    with pytest.raises(ConfigError, match="nothing is named 'msee'; did you mean 'mse'"):
        listing.describe(shop, "msee")
    with pytest.raises(ConfigError, match="nothing is named 'zzzzzz'; `heatbath list` shows what there is"):
        listing.describe(shop, "zzzzzz")


def test_the_version_line_names_heatbath_and_python():
    assert re.fullmatch(r"heatbath \d+\.\d+\.\d+\S*, Python 3\.\d+\.\d+\S*", listing.version_line())
