"""The contract itself: every hook works, stands in the docs, and its example runs."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

from heatbath import Component, Host, hookimpl
from heatbath.core import hookspecs
from heatbath.core.errors import PluginError
from heatbath.core.hookspecs import KINDS, SERVING, Hooks, singular
from heatbath.core.implementations import HOOK_NAMES, RUN_HOOKS, signature
from tests.making import make_plugin

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
CALLS = {
    "run_started": ("started", {"run": "a run"}),
    "run_metrics": ("metrics", {"run": "a run", "step": 3, "metrics": {"loss": 0.5}}),
    "run_checkpoint": ("checkpoint", {"run": "a run", "path": Path("step-3")}),
    "run_finished": ("finished", {"run": "a run", "outcome": "finished"}),
}


def component(kind, name="a/part"):
    problem = "some" if kind in SERVING else None
    return Component(name, "a part", "made:Part", "made:Options", problem=problem)


# Every hook


def test_a_hook_registers_a_kind_or_watches_runs():
    assert (*(f"register_{kind}" for kind in KINDS), *CALLS) == HOOK_NAMES
    assert tuple(CALLS) == RUN_HOOKS


@pytest.mark.parametrize("kind", KINDS)
def test_each_registration_hook_is_called_once_and_fills_its_own_table(kind):
    calls = []

    def hook(register):
        calls.append(kind)
        register(component(kind))

    host = Host(strict=True)
    host.add(make_plugin(**{f"register_{kind}": hook}), "a")
    assert calls == [kind]
    assert {k: host.names(k) for k in KINDS if host.names(k)} == {kind: ["a/part"]}
    assert host.plugins[0].detail == f"1 {singular(kind)}"


@pytest.mark.parametrize("hook", RUN_HOOKS)
def test_each_run_hook_is_called_with_all_its_arguments(hook):
    seen, (method, values) = [], CALLS[hook]
    arguments = list(inspect.signature(getattr(Hooks, hook)).parameters)[1:]
    assert list(values) == arguments
    implementation = {}
    exec(f"def {hook}({', '.join(arguments)}): seen.append(dict(locals()))", {"seen": seen}, implementation)
    host = Host(strict=True)
    host.add(make_plugin(**implementation), "a")
    getattr(host.observers(), method)(*values.values())
    assert seen == [values]
    assert host.plugins[0].detail == "watches runs"


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_each_hook_refuses_an_argument_that_it_does_not_have(hook):
    with pytest.raises(
        PluginError, match=re.escape(f"{hook}: has no argument `stranger`; it is called as {signature(hook)}")
    ):
        Host().add(make_plugin(**{hook: lambda stranger: None}), "a")


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_each_hook_stands_in_the_docs_with_its_exact_signature(hook):
    arguments = ", ".join(list(inspect.signature(getattr(Hooks, hook)).parameters)[1:])
    assert f"`{hook}({arguments})`" in PAGE.read_text(encoding="utf-8")


def test_the_docs_name_no_hook_that_does_not_exist():
    named = re.findall(r"\b((?:register|run)_\w+)\(", PAGE.read_text(encoding="utf-8"))
    assert named
    assert set(named) <= set(HOOK_NAMES)


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_each_hook_is_explained_with_an_example_that_the_host_accepts(hook):
    spec = getattr(Hooks, hook)
    assert inspect.getdoc(spec).partition("\n")[0].endswith((".", "`."))
    (test,) = doctest.DocTestFinder(recurse=False).find(spec, hook, globs=vars(hookspecs).copy())
    assert test.examples
    for example in test.examples:
        exec(example.source, test.globs)
    host = Host(strict=True)
    host.add(make_plugin(**{hook: test.globs[hook]}), "acme")


# Components


@pytest.mark.parametrize("name", ["mse", "gtf.lorenz63", "shallow-plrnn", "acme/jerk", "acme/a.b-c9", "a" * 40])
def test_a_good_name_is_kept(name):
    assert component("losses", name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "MSE", "9lives", "a b", "a/b/c", "/a", "a/", "acme/Jerk", "a_b", "a\n", "../a", "é", "a" * 41, "-a", "a=b"],
)
def test_a_bad_name_is_refused(name):
    with pytest.raises(PluginError, match=r"bad component name .* expected `name` or `namespace/name` in lower case"):
        component("losses", name)


@pytest.mark.parametrize("path", ["", "made", "made:", ":Part", "made:a.b", "made/losses:Part", "made:Part()", "a b:c"])
def test_a_bad_target_is_refused(path):
    with pytest.raises(PluginError, match=r"'a/b' has target .*, expected `module:attribute`"):
        Component("a/b", "", path)
    with pytest.raises(PluginError, match=r"'a/b' has config .*, expected `module:attribute`"):
        Component("a/b", "", "made:Part", path)


def test_the_mark_of_an_implementation_is_the_public_one():
    assert hookimpl is hookspecs.hookimpl


@pytest.mark.parametrize(("kind", "word"), [("losses", "loss"), ("metrics", "metric"), ("envs", "env")])
def test_the_word_for_one_component(kind, word):
    assert singular(kind) == word
