"""Loading, looking up, watching runs, travelling to other processes."""

import itertools
import logging
import multiprocessing
import pickle
import sys

import pytest

from heatbath import Component, Host, hookimpl
from heatbath.core import discovery
from heatbath.core.errors import ConfigError, Drift, HeatbathError, MissingExtra, PluginError
from heatbath.core.host import PluginRow, Record
from tests.making import make_loss, make_offer, make_plugin


def load(*offers, strict=False, switch="all"):
    return Host(strict=strict).load(switch, offers=offers)


ALPHA = make_offer("alpha")


def registers_late(kept):
    def register_losses(register):
        kept.append(register)

    return make_plugin(register_losses=register_losses)


def unmarked():
    plugin = make_plugin(register_losses=[make_loss("bad/loss")])
    plugin.register_metrics = lambda register: None
    return plugin


def keyword_only(*, register):
    raise AssertionError("never called")


def half_way(register):
    register(make_loss("bad/first"))
    raise RuntimeError("the disk is on fire\nand smokes")


class Plugin:
    @hookimpl
    def register_losses(self, register):
        register(make_loss("bad/loss"))


def solver(name, problem):
    return Component(name, "a solver", "made:Solver", problem=problem)


FAULTS = {
    "broken import": (
        ModuleNotFoundError("No module named 'nowhere'"),
        "ModuleNotFoundError: No module named 'nowhere'",
    ),
    "exit on import": (SystemExit(3), "SystemExit: 3"),
    "error while registering": (
        make_plugin(register_losses=half_way),
        "RuntimeError: the disk is on fire and smokes",
    ),
    "argument that the hook does not have": (
        make_plugin(register_losses=lambda registry: None),
        "register_losses: has no argument `registry`; it is called as register_losses(register)",
    ),
    "keyword-only argument": (
        make_plugin(register_losses=keyword_only),
        "register_losses: `register` is keyword-only, which pluggy never passes",
    ),
    "misspelt hook": (
        make_plugin(register_loses=lambda register: None),
        "there is no hook 'register_loses'; did you mean 'register_losses'?",
    ),
    "unknown hook": (
        make_plugin(zzz=lambda: None),
        "there is no hook 'zzz'; there are register_losses, register_solvers",
    ),
    "unmarked hook": (unmarked(), "register_metrics: the function lacks `@hookimpl`"),
    "no hook at all": (make_plugin(), "implements no hook; there are register_losses"),
    "class in place of an instance": (Plugin, "register_losses: belongs to a class; hand over an instance of it"),
    "wrapper that is no generator": (
        make_plugin(register_losses=hookimpl(wrapper=True)(lambda register: None)),
        "Plugin 'bad' for hook 'register_losses'",
    ),
    "something that is no component": (
        make_plugin(register_losses=lambda register: register("bad/loss")),
        "register_losses: expected a Component, got str",
    ),
    "bad name": (
        make_plugin(register_losses=lambda register: register(make_loss("Bad Loss"))),
        "bad component name 'Bad Loss', expected `name` or `namespace/name` in lower case",
    ),
    "bad target": (
        make_plugin(register_losses=lambda register: register(Component("bad/loss", "", "bad.losses"))),
        "'bad/loss' has target 'bad.losses', expected `module:attribute`",
    ),
    "bare name of a third party": (
        make_plugin(register_losses=[make_loss("jerk")]),
        "register_losses: 'jerk' is bare, which only heatbath's own may be; call it 'bad/jerk'",
    ),
    "solver without a problem": (
        make_plugin(register_solvers=[solver("bad/heun", None)]),
        "register_solvers: 'bad/heun' must say which `problem` it serves",
    ),
    "experiment without options": (
        make_plugin(register_experiments=[Component("bad/trial", "", "bad:Trial")]),
        "register_experiments: 'bad/trial' needs `config`, the dataclass of its options",
    ),
    "component of another plugin": (
        make_plugin(register_losses=[make_loss("alpha/loss")]),
        "register_losses: 'alpha/loss' of plugin bad (bad-parts 2.0) "
        "is already provided by plugin alpha (acme-parts 1.0)",
    ),
    "component twice": (
        make_plugin(register_losses=[make_loss("bad/loss"), make_loss("bad/loss")]),
        "register_losses: 'bad/loss' of plugin bad (bad-parts 2.0) is already provided by plugin bad (bad-parts 2.0)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_plugin_costs_only_itself_and_its_reason_is_listed(fault):
    plugin, reason = FAULTS[fault]
    host = load(make_offer("bad", plugin, "bad-parts", "2.0"), ALPHA, make_offer("last"))
    assert [(row.name, row.status) for row in host.plugins] == [
        ("alpha", "loaded"),
        ("bad", "failed"),
        ("last", "loaded"),
    ]
    assert host.failed["bad"].startswith(reason)
    assert "\n" not in host.failed["bad"]
    assert host.names("losses") == ["alpha/loss", "last/loss"]
    assert not host.names("solvers")
    host.add(make_plugin(register_losses=[make_loss("bad/loss")]), "bad")  # nothing of the faulty one is left behind
    assert "bad/loss" in host.names("losses")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_strict_host_raises_what_is_wrong(fault):
    plugin, reason = FAULTS[fault]
    with pytest.raises(PluginError) as caught:
        load(ALPHA, make_offer("bad", plugin, "bad-parts", "2.0"), strict=True)
    assert str(caught.value).startswith(f"plugin bad (bad-parts 2.0) failed: {reason}")


def test_every_fault_of_a_plugin_object_is_an_error_of_heatbath():
    for plugin, _ in FAULTS.values():
        if isinstance(plugin, BaseException) or plugin is FAULTS["error while registering"][0]:
            continue
        host = load(ALPHA)
        with pytest.raises(HeatbathError):
            host.add(plugin, "bad")
        assert host.snapshot() == load(ALPHA).snapshot()


def test_ctrl_c_while_loading_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        load(ALPHA, make_offer("slow", KeyboardInterrupt()))


def test_register_called_after_its_hook_is_refused_and_changes_nothing():
    kept = []
    host = load(make_offer("late", registers_late(kept)))
    with pytest.raises(PluginError, match="`register` was called after the hook had returned"):
        kept[0](make_loss("late/loss"))
    assert not host.names("losses")
    assert host.plugins == [PluginRow("late", "acme-parts", "1.0", "loaded", "")]


def test_a_hook_may_take_fewer_arguments_any_arguments_and_defaults():
    seen = []

    def run_metrics(step):
        seen.append(step)

    def run_started(*args, **kwargs):
        seen.append((args, kwargs))

    def run_finished(run=None, outcome=""):
        seen.append((run, outcome))

    host = Host(strict=True)
    host.add(make_plugin(run_metrics=run_metrics, run_started=run_started, run_finished=run_finished), "few")
    observers = host.observers()
    observers.started("run")
    observers.metrics("run", 3, {})
    observers.finished("run", "finished")
    assert seen == [((), {}), 3, ("run", "finished")]


def test_a_hook_under_another_function_name_and_one_of_another_host_version_are_accepted():
    @hookimpl(specname="register_losses")
    def more(register):
        register(make_loss("a/more"))

    @hookimpl(optionalhook=True)
    def register_holograms(register):
        raise AssertionError("never called")

    plugin = make_plugin()
    plugin.more, plugin.register_holograms = more, register_holograms
    host = Host(strict=True)
    host.add(plugin, "a")
    assert host.names("losses") == ["a/more"]


def test_an_instance_with_hooks_is_a_plugin():
    host = Host(strict=True)
    host.add(Plugin(), "bad")
    assert host.names("losses") == ["bad/loss"]


# Names that two want


def test_two_distributions_that_offer_one_name_both_fail_and_name_each_other():
    host = load(make_offer("twin", distribution="alpha"), make_offer("twin", distribution="beta", version="3"), ALPHA)
    assert [(row.name, row.distribution, row.status) for row in host.plugins] == [
        ("alpha", "acme-parts", "loaded"),
        ("twin", "alpha", "failed"),
        ("twin", "beta", "failed"),
    ]
    assert [row.detail for row in host.plugins if row.status == "failed"] == [
        "the name 'twin' is also offered by beta 3; uninstall all of them but one",
        "the name 'twin' is also offered by alpha 1.0; uninstall all of them but one",
    ]


def test_a_third_party_cannot_take_the_name_of_a_first_party_plugin():
    own = make_offer("common", make_plugin(register_losses=[make_loss("mse")]), "heatbath", "0.1")
    host = load(make_offer("common", distribution="aaa"), own)
    assert [(row.distribution, row.status) for row in host.plugins] == [("aaa", "failed"), ("heatbath", "loaded")]
    assert "also offered by heatbath 0.1" in host.failed["common"]
    assert host.names("losses") == ["mse"]


def test_a_third_party_cannot_take_the_component_of_a_first_party_plugin():
    thief = make_offer("aaa", make_plugin(register_losses=[make_loss("acme/mse")]), "aaa")
    own = make_offer("zzz", make_plugin(register_losses=[make_loss("acme/mse")]), "heatbath", "0.1")
    host = load(thief, own)
    assert host.record("losses", "acme/mse").distribution == "heatbath"
    assert "of plugin aaa (aaa 1.0) is already provided by plugin zzz (heatbath 0.1)" in host.failed["aaa"]


def test_a_name_that_is_loaded_stays_with_whom_it_was_loaded_for():
    host = load(ALPHA)
    host.load("all", offers=[make_offer("alpha", distribution="other"), make_offer("more")])
    assert [(row.name, row.distribution, row.status) for row in host.plugins] == [
        ("alpha", "acme-parts", "loaded"),
        ("alpha", "other", "failed"),
        ("more", "acme-parts", "loaded"),
    ]
    assert "also offered by acme-parts 1.0" in host.failed["alpha"]


def test_a_plugin_under_a_taken_name_or_a_second_name_is_refused():
    host = Host()
    plugin = make_plugin(register_losses=[make_loss("a/loss")])
    host.add(plugin, "a")
    with pytest.raises(PluginError, match="a plugin named 'a' is loaded already"):
        host.add(make_plugin(register_losses=[]), "a")
    with pytest.raises(PluginError, match="plugin b is plugin a again, under another name"):
        host.add(plugin, "b")


def test_loading_again_adds_what_is_missing_and_lists_nothing_twice():
    bad = make_offer("bad", ValueError("no"))
    host = load(ALPHA, make_offer("more"), bad, switch="alpha,bad")
    assert [(r.name, r.status) for r in host.plugins] == [("alpha", "loaded"), ("bad", "failed"), ("more", "off")]
    host.load("more", offers=[ALPHA, make_offer("more"), bad])
    assert [(r.name, r.status) for r in host.plugins] == [("alpha", "loaded"), ("bad", "off"), ("more", "loaded")]
    host.load("alpha,more", offers=[ALPHA, make_offer("more"), bad])  # both are there already
    host.load("all", offers=[])
    assert [(r.name, r.status) for r in host.plugins] == [("alpha", "loaded"), ("bad", "off"), ("more", "loaded")]


def test_the_result_does_not_depend_on_the_order_of_installation():
    offers = [
        ALPHA,
        make_offer("twin", distribution="alpha"),
        make_offer("twin", distribution="beta"),
        make_offer("thief", make_plugin(register_losses=[make_loss("alpha/loss")])),
        make_offer("own", make_plugin(register_losses=[make_loss("mse")]), "heatbath"),
    ]
    results = {(load(*order).snapshot(), tuple(load(*order).plugins)) for order in itertools.permutations(offers)}
    assert len(results) == 1


# Strictness and the switch


@pytest.mark.parametrize(("value", "strict"), [("1", True), ("yes", True), ("0", False), ("", False), (None, False)])
def test_the_environment_says_whether_a_host_is_strict(monkeypatch, value, strict):
    monkeypatch.delenv("HEATBATH_STRICT", raising=False)
    if value is not None:
        monkeypatch.setenv("HEATBATH_STRICT", value)
    host, bad = Host(), make_offer("bad", ValueError("no"))
    if strict:
        with pytest.raises(PluginError, match=r"plugin bad .* failed: ValueError: no"):
            host.load("all", offers=[bad])
    else:
        assert host.load("all", offers=[bad]).failed == {"bad": "ValueError: no"}


def test_an_argument_wins_over_the_strictness_of_the_environment(monkeypatch):
    monkeypatch.setenv("HEATBATH_STRICT", "1")
    assert load(make_offer("bad", ValueError("no")), strict=False).failed


def test_a_plugin_that_is_not_selected_is_off_and_never_imported():
    host = load(ALPHA, make_offer("bad", AssertionError("imported")), strict=True, switch="alpha")
    assert [(row.name, row.status, row.detail) for row in host.plugins] == [
        ("alpha", "loaded", "1 loss"),
        ("bad", "off", "not selected"),
    ]


# Looking up


def test_a_row_counts_what_a_plugin_offers():
    plugin = make_plugin(
        register_losses=[make_loss("a/x"), make_loss("a/y")],
        register_solvers=[solver("a/z", "ode")],
        run_started=lambda run: None,
    )
    assert load(make_offer("a", plugin)).plugins[0].detail == "2 losses, 1 solver; watches runs"


def test_names_are_sorted_and_can_be_asked_for_by_problem():
    plugin = make_plugin(register_solvers=[solver("a/z", "ode"), solver("a/b", "sde"), solver("a/a", "ode")])
    host = load(make_offer("a", plugin))
    assert host.names("solvers") == ["a/a", "a/b", "a/z"]
    assert host.names("solvers", "ode") == ["a/a", "a/z"]
    assert host.names("solvers", "chess") == []
    assert [record.component.name for record in host.records("solvers")] == ["a/a", "a/b", "a/z"]


def test_an_unknown_component_comes_with_the_nearest_one(host):
    with pytest.raises(ConfigError, match="no schedule named 'constnat'; did you mean 'constant'"):
        host.record("schedules", "constnat")


def test_an_unknown_component_far_from_all_comes_with_what_there_is_and_who_is_silent():
    host = load(ALPHA, make_offer("bad", ValueError("no")), make_offer("more"), switch="alpha,bad")
    with pytest.raises(ConfigError) as caught:
        host.record("losses", "zzz")
    assert str(caught.value) == "no loss named 'zzz'; known: alpha/loss (plugins: bad is failed; more is off)"
    with pytest.raises(ConfigError, match=r"no env named 'zzz'; known: none \(plugins: "):
        host.record("envs", "zzz")


@pytest.mark.parametrize("look_up", [Host.names, Host.records, lambda host, kind: host.record(kind, "mse")])
def test_an_unknown_kind_comes_with_the_nearest_one(host, look_up):
    with pytest.raises(ConfigError, match="there is no kind 'loss' of component; did you mean 'losses'"):
        look_up(host, "loss")
    with pytest.raises(ConfigError, match="there is no kind 'zzz' of component; there are losses, solvers, "):
        look_up(host, "zzz")


def with_target(target, **more):
    return load(make_offer("a", make_plugin(register_losses=[Component("a/loss", "", target, **more)])), strict=True)


def test_a_target_is_imported_when_it_is_asked_for_and_not_before(install, monkeypatch):
    folder = install("late-parts", {}, late_parts="def build(): ...\nOptions = dict\n")
    monkeypatch.syspath_prepend(folder)
    host = with_target("late_parts:build", config="late_parts:Options")
    assert "late_parts" not in sys.modules
    assert host.target("losses", "a/loss").__name__ == "build"
    assert host.options_type("losses", "a/loss") is dict


def test_a_component_without_options_has_no_options_type(parts):
    assert with_target(f"{parts()}:Loss").options_type("losses", "a/loss") is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "'a/loss' of plugin a (acme-parts 1.0): cannot import wrong_parts: No module named 'wrong_parts'"),
        ("Losses = 1", "'a/loss' of plugin a (acme-parts 1.0): wrong_parts has no attribute 'Loss'"),
        ("import nowhere.near", "cannot import wrong_parts: No module named 'nowhere'"),
        ("import sys; sys.nothing", "wrong_parts failed: AttributeError: module 'sys' has no attribute 'nothing'"),
        ("1 / 0", "wrong_parts failed: ZeroDivisionError: division by zero"),
        ("(", "wrong_parts failed: SyntaxError: '(' was never closed"),
    ],
)
def test_a_target_that_cannot_be_imported_says_whose_it_is_and_why(install, monkeypatch, source, message):
    monkeypatch.syspath_prepend(install("wrong", {}, **({} if source is None else {"wrong_parts": source})))
    with pytest.raises(PluginError) as caught:
        with_target("wrong_parts:Loss").target("losses", "a/loss")
    assert message in str(caught.value)


def test_a_missing_extra_says_what_to_install(install, monkeypatch):
    monkeypatch.syspath_prepend(install("deep", {}, deep_parts="import nowhere.near"))
    host = with_target("deep_parts:Loss", extra="deep", config="deep_parts:Options")
    message = r"'a/loss' needs: pip install 'acme-parts\[deep\]' \(missing: nowhere\)"
    with pytest.raises(MissingExtra, match=message):
        host.target("losses", "a/loss")
    with pytest.raises(MissingExtra, match=message):
        host.options_type("losses", "a/loss")


def test_an_import_error_that_names_no_module_asks_for_the_extra_all_the_same(install, monkeypatch):
    monkeypatch.syspath_prepend(install("odd", {}, odd_parts="raise ImportError('no GPU')"))
    with pytest.raises(MissingExtra, match=r"pip install 'acme-parts\[deep\]'$"):
        with_target("odd_parts:Loss", extra="deep").target("losses", "a/loss")


def test_a_module_of_the_plugin_that_is_missing_is_not_a_missing_extra():
    for target in ("absent_parts:Loss", "absent_parts.losses:Loss"):
        with pytest.raises(PluginError, match="cannot import absent_parts"):
            with_target(target, extra="deep").target("losses", "a/loss")


def test_provenance_names_plugin_distribution_version_and_target():
    assert load(ALPHA).provenance([("losses", "alpha/loss"), ("losses", "alpha/loss")]) == {
        "losses:alpha/loss": {
            "plugin": "alpha",
            "distribution": "acme-parts",
            "version": "1.0",
            "target": "made.losses:Loss",
        }
    }


@pytest.mark.parametrize(("version", "source"), [("1.0", "plugin p (d 1.0)"), ("", "plugin p (d)")])
def test_a_source_is_written_with_its_version_if_it_has_one(version, source):
    assert Record(make_loss("a/b"), "p", "d", version).source == source


# Observers


def watcher(name, log, fails=False):
    def run_started(run):
        log.append(name)
        if fails:
            raise RuntimeError("no display")

    def run_metrics(step, metrics):
        log.append((name, step))

    return make_plugin(run_started=run_started, run_metrics=run_metrics)


def watched(log, order, strict=False, failing="b"):
    host = Host(strict=strict)
    for name in order:
        host.add(watcher(name, log, fails=name == failing), name)
    return host


@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_observers_are_called_in_order_of_name(order):
    log = []
    watched(log, order, failing="").observers().started("run")
    assert log == ["a", "b", "c"]


def test_an_observer_that_raises_is_dropped_for_this_run_and_the_log_says_so(caplog):
    log = []
    host = watched(log, "abc")
    observers = host.observers()
    with caplog.at_level(logging.WARNING, "heatbath"):
        observers.started("run")
        observers.metrics("run", 1, {})
    assert log == ["a", "b", "c", ("a", 1), ("c", 1)]
    assert caplog.messages == ["plugin b failed in run_started and is left out of this run: no display"]
    host.observers().metrics("another run", 1, {})
    assert ("b", 1) in log


def test_an_observer_that_raises_ends_a_strict_run():
    with pytest.raises(PluginError, match="plugin b failed in run_started: no display"):
        watched([], "abc", strict=True).observers().started("run")


# Other processes


def test_a_spawned_worker_rebuilds_an_equal_host():
    host = Host(strict=True).load("common,gtf")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        snapshot = pool.apply(Host.snapshot, (host,))
    assert snapshot == host.snapshot()
    assert {record.plugin for _, record in snapshot} == {"common", "gtf"}


def test_a_pickled_host_keeps_its_plugins_and_its_strictness():
    for host in (Host(strict=True).load("common"), Host(strict=False).load("none")):
        twin = pickle.loads(pickle.dumps(host))
        assert twin.snapshot() == host.snapshot()
        assert twin._strict == host._strict


def test_a_host_with_a_plugin_of_this_process_refuses_to_travel():
    host = Host().load("none")
    host.add(make_plugin(register_losses=[make_loss("a/loss")]), "mine")
    with pytest.raises(PluginError, match="plugin mine was added in this process and cannot be found in another"):
        pickle.dumps(host)


def test_a_worker_with_other_plugins_installed_refuses(monkeypatch):
    there = [make_offer("alpha")]
    monkeypatch.setattr(discovery, "installed", lambda: there)
    packed = pickle.dumps(Host().load("all"))
    assert pickle.loads(packed).names("losses") == ["alpha/loss"]
    there[:] = [make_offer("alpha", version="1.1")]
    with pytest.raises(Drift, match="other plugins installed than the one that it works for"):
        pickle.loads(packed)
    there[:] = []
    with pytest.raises(ConfigError, match="no plugin named 'alpha' is installed"):
        pickle.loads(packed)
