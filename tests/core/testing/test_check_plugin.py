"""`check_plugin` passes plugins that are light and whole, and names what is wrong with others."""

import sys
from dataclasses import dataclass

import pytest

from heatbath import Component, hookimpl
from heatbath.core.testing import plugins
from heatbath.testing import check_plugin


@pytest.fixture
def loaded(host):
    """Adds a plugin with one loss of these targets, and takes it for one that is installed."""

    def add(target, config=None):
        class Plugin:
            @hookimpl
            def register_losses(self, register):
                register(Component("toy/it", "a loss", target, config))

        host.add(Plugin(), "toy")
        return host

    return add


@pytest.mark.parametrize("name", ["common", "envs", "gtf", "solvers", "progress", "retention", "tensorboard"])
def test_first_party_plugins_pass(host, name):
    check_plugin(host, name)


def test_a_plugin_that_is_not_there_is_named(host, refuses):
    refuses("no plugin 'tgf'; there are common, envs,", check_plugin, host, "tgf")


def test_a_plugin_that_failed_is_told_why(lab_of, refuses):
    from heatbath.core.discovery import Offer

    host = lab_of(strict=False)
    host.load("all", offers=[Offer("broken", "broken-shop", "1", lambda: 1 / 0)])
    refuses("broken: ZeroDivisionError: division by zero", check_plugin, host, "broken")


class Light:
    pass


NUMBER = 3


@dataclass
class Thawed:
    """Can be changed."""


class Plain:
    """Not a dataclass."""


def test_a_target_that_cannot_be_called_is_named(loaded, refuses):
    refuses("toy/it: not callable", check_plugin, loaded(f"{__name__}:NUMBER"), "toy")


@pytest.mark.parametrize("options", [Thawed, Plain])
def test_options_that_can_change_are_refused(loaded, refuses, options):
    host = loaded(f"{__name__}:Light", f"{__name__}:{options.__name__}")
    refuses(f"toy/it: {options.__name__} must be a frozen dataclass", check_plugin, host, "toy")


def test_an_option_without_a_default_is_found(loaded):
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        check_plugin(loaded(f"{__name__}:Light", "heatbath.core.tables:Row"), "toy")


def test_a_plugin_whose_registration_fails_in_a_new_process_is_told_why(refuses, loaded):
    refuses("no plugin named 'toy' is installed", check_plugin, loaded(f"{__name__}:Light"), "toy")


def test_what_a_plugin_imports_in_a_new_process_is_named(monkeypatch, refuses, host):
    plugins._check_light("gtf", ["heatbath.plugins.gtf.options"])
    refuses(
        "registering it, or reading its options, imports torch numpy", plugins._check_light, "gtf",
        ["heatbath.plugins.gtf.models"],
    )  # fmt: skip


def test_what_needs_an_extra_that_is_not_installed_is_passed_over(monkeypatch, host):
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    monkeypatch.delitem(sys.modules, "heatbath.solvers.ode.torchdiffeq_adapter", raising=False)
    assert not plugins._present(host, "solvers", "torchdiffeq/dopri5")
    assert plugins._present(host, "solvers", "rk4")
    check_plugin(host, "solvers")
