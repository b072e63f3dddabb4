"""What is installed, in which order, and what of it is wanted."""

import itertools
import sys

import pytest

from heatbath import Host
from heatbath.core import discovery
from heatbath.core.errors import ConfigError, PluginError
from tests.making import make_offer

PLUGIN = """
from heatbath import Component, hookimpl

@hookimpl
def register_losses(register):
    register(Component("{name}/loss", "a loss", "{name}.losses:Loss"))
"""


def names(offers):
    return [offer.name for offer in offers]


ABC = [make_offer("abel"), make_offer("bea"), make_offer("cain")]


def test_first_party_plugins_are_found_under_their_entry_points():
    found = {offer.name: offer for offer in discovery.installed() if offer.first_party}
    assert {"common", "envs", "gtf", "solvers", "progress", "retention"} <= set(found)
    assert {offer.distribution for offer in found.values()} == {"heatbath"}


def test_an_installed_plugin_is_found_and_not_imported(install, monkeypatch):
    folder = install("shop-parts", {"shop": "shop_parts"}, "2.5", shop_parts="raise AssertionError('imported')")
    monkeypatch.syspath_prepend(folder)
    (offer,) = [offer for offer in discovery.installed() if offer.name == "shop"]
    assert (offer.distribution, offer.version, offer.first_party) == ("shop-parts", "2.5", False)
    assert "shop_parts" not in sys.modules
    with pytest.raises(AssertionError, match="imported"):
        offer.load()


def test_first_party_plugins_come_first_and_then_names_and_distributions_are_sorted(install, monkeypatch):
    for distribution in ("zz-parts", "aa-parts"):
        monkeypatch.syspath_prepend(install(distribution, {"twin": "nowhere", "aaa": "nowhere"}))
    offers = discovery.installed()
    assert [offer.first_party for offer in offers] == sorted((o.first_party for o in offers), reverse=True)
    third = [(o.name, o.distribution) for o in offers if o.distribution in ("zz-parts", "aa-parts")]
    assert third == [("aaa", "aa-parts"), ("aaa", "zz-parts"), ("twin", "aa-parts"), ("twin", "zz-parts")]


def test_an_entry_point_of_no_distribution_is_of_unknown_origin(monkeypatch):
    class Point:
        name, dist, load = "stray", None, None

    monkeypatch.setattr(discovery, "entry_points", lambda group: [Point()])
    assert [(o.name, o.distribution, o.version) for o in discovery.installed()] == [("stray", "(unknown)", "")]


def test_the_host_does_not_depend_on_the_order_of_the_path(install, monkeypatch):
    """Two good distributions, two that fight for a name, one that takes another's component, in every order."""
    folders = [
        install("one-parts", {"one": "one_parts"}, one_parts=PLUGIN.format(name="one")),
        install("two-parts", {"two": "two_parts"}, two_parts=PLUGIN.format(name="two")),
        install("twin-a", {"twin": "twin_a"}, twin_a=PLUGIN.format(name="twin")),
        install("twin-b", {"twin": "twin_b"}, twin_b=PLUGIN.format(name="twin")),
        install("thief-parts", {"thief": "thief_parts"}, thief_parts=PLUGIN.format(name="one")),
    ]
    usual = list(sys.path)
    results = set()
    for order in itertools.permutations(folders):
        monkeypatch.setattr(sys, "path", [*map(str, order), *usual])
        host = Host(strict=False).load("one,two,twin,thief")
        results.add((host.snapshot(), tuple(row for row in host.plugins if row.status != "off")))
    ((snapshot, rows),) = results
    assert [record.component.name for _, record in snapshot] == ["one/loss", "two/loss"]
    assert [(row.name, row.status) for row in rows] == [
        ("one", "loaded"),
        ("thief", "failed"),
        ("twin", "failed"),
        ("twin", "failed"),
        ("two", "loaded"),
    ]


@pytest.mark.parametrize(
    ("switch", "wanted"),
    [
        ("all", ["abel", "bea", "cain"]),
        ("none", []),
        ("", []),
        ("bea", ["bea"]),
        ("cain,abel", ["abel", "cain"]),
        (" cain , abel ,", ["abel", "cain"]),
    ],
)
def test_the_switch_parts_the_offers(switch, wanted):
    chosen, rest = discovery.select(ABC, switch)
    assert names(chosen) == wanted
    assert names(rest) == [name for name in names(ABC) if name not in wanted]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, ["abel", "bea", "cain"]), ("", ["abel", "bea", "cain"]), ("none", []), ("bea", ["bea"])],
)
def test_the_environment_is_asked_where_there_is_no_switch(monkeypatch, value, wanted):
    monkeypatch.delenv("HEATBATH_PLUGINS", raising=False)
    if value is not None:
        monkeypatch.setenv("HEATBATH_PLUGINS", value)
    assert names(discovery.select(ABC)[0]) == wanted
    assert names(discovery.select(ABC, "cain")[0]) == ["cain"]


def test_an_unknown_plugin_in_the_switch_comes_with_the_nearest_one():
    with pytest.raises(ConfigError, match="no plugin named 'abe' is installed; did you mean 'abel'"):
        discovery.select(ABC, "bea,abe")


def test_an_unknown_plugin_far_from_all_comes_with_what_is_installed():
    with pytest.raises(ConfigError, match="no plugin named 'zzz' is installed; installed: abel, bea, cain"):
        discovery.select(ABC, "zzz")
    with pytest.raises(ConfigError, match="no plugin named 'zzz' is installed; installed: none"):
        discovery.select([], "zzz")


def test_a_plugin_that_wants_another_host_is_reported(install, monkeypatch):
    """A plugin written for hooks that this host lacks, or that imports what a later host offers."""
    later = "from heatbath import hookimpl\n\n@hookimpl\ndef register_oracles(register): ...\n"
    monkeypatch.syspath_prepend(install("later-parts", {"later": "later_parts"}, later_parts=later))
    monkeypatch.syspath_prepend(install("newer", {"newer": "newer_parts"}, newer_parts="from heatbath import oracle"))
    failed = Host(strict=False).load("later,newer").failed
    assert failed["later"].startswith("there is no hook 'register_oracles'; ")
    assert failed["newer"].startswith("ImportError: cannot import name 'oracle' from 'heatbath'")
    with pytest.raises(PluginError, match=r"plugin later \(later-parts 1.0\) failed: there is no hook"):
        Host(strict=True).load("later,newer")
