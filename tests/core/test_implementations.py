"""What the check of a plugin's hooks sees. The messages of its refusals are tested with the host."""

import pluggy
import pytest

from heatbath import hookimpl
from heatbath.core.errors import PluginError
from heatbath.core.hookspecs import Hooks
from heatbath.core.implementations import HOOK_NAMES, check, signature
from tests.making import make_plugin


@pytest.fixture
def manager():
    made = pluggy.PluginManager("heatbath")
    made.add_hookspecs(Hooks)
    return made


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_an_implementation_with_the_very_signature_passes(manager, hook):
    made = {}
    exec(f"def {signature(hook)}: ...", made)
    check(manager, make_plugin(**{hook: made[hook]}))


def test_checking_registers_nothing_and_runs_no_property(manager):
    class Plugin:
        @property
        def trap(self):
            raise AssertionError("executed")

        @hookimpl
        def run_started(self):
            raise AssertionError("executed")

    check(manager, Plugin())
    assert not manager.get_plugins()


def test_nothing_is_no_plugin(manager):
    with pytest.raises(PluginError, match="implements no hook; there are register_losses, "):
        check(manager, None)


def test_a_static_method_is_an_implementation_and_one_without_its_mark_is_found(manager):
    class Marked:
        @staticmethod
        @hookimpl
        def run_started(run): ...

    class Unmarked(Marked):
        @staticmethod
        def run_finished(run): ...

    check(manager, Marked())
    with pytest.raises(PluginError, match="run_finished: the function lacks `@hookimpl`"):
        check(manager, Unmarked())


def test_something_else_under_the_name_of_a_hook_is_left_alone(manager):
    plugin = make_plugin(run_started=lambda run: None)
    plugin.run_metrics = "a string"
    check(manager, plugin)
