"""Components are built by name, in their place, with what they need; losses are summed by weight."""

import math
from types import SimpleNamespace

import pytest
import torch

from heatbath import Component, hookimpl
from heatbath.core.build import Metrics, Objective, Setup, floats
from heatbath.core.choices import Pick, Slots, loss, metric
from heatbath.core.config import resolve
from heatbath.core.contracts import Clock, StepContext, Term
from heatbath.core.errors import ConfigError, MissingNeed, NotFinite, PluginError
from heatbath.core.streams import Streams, global_state
from heatbath.core.testing.expect import same

PROVIDES = frozenset({"prediction", "target"})


class Plain:
    """Built by a target without options; remembers what it was given."""

    needs = frozenset()

    def __init__(self, options, setup, **facts):
        self.options, self.setup, self.facts = options, setup, facts
        self.drawn = torch.rand(3)


class Nested(Plain):
    """Builds a part of its own."""

    def __init__(self, options, setup):
        super().__init__(options, setup)
        self.part = setup.build("part", Pick("models", "toy/plain"))
        self.after = torch.rand(3)


class Greedy(Plain):
    needs = frozenset({"target", "solution:error", "belief"})


class Misspelt(Plain):
    needs = frozenset({"preds"})


@pytest.fixture
def shop(lab):
    """The toys and some more."""

    class More:
        @hookimpl
        def register_models(self, register):
            for name, attribute in {"plain": Plain, "nested": Nested, "greedy": Greedy, "misspelt": Misspelt}.items():
                register(Component(f"toy/{name}", "a part", f"{__name__}:{attribute.__name__}", problem="line"))

    lab.add(More(), "more", "toy-shop", "1.0")
    return lab


@pytest.fixture
def setup(shop):
    return Setup(shop, Streams(0))


# Parts


def test_a_part_knows_its_place_its_stream_and_the_facts(setup):
    part = setup.build("task", Pick("models", "toy/plain"), size=3, name="x")
    assert part.setup.path == "task"
    assert part.facts == {"size": 3, "name": "x"}
    assert part.options is None
    assert part.setup.generator is setup.streams("task")
    assert part.setup.device == torch.device("cpu")
    assert setup.built == {"task": part}
    assert setup.used == [("models", "toy/plain")]


def test_parts_of_parts_are_kept_by_their_path(setup):
    nested = setup.build("task", Pick("models", "toy/nested"))
    assert setup.built == {"task.part": nested.part, "task": nested}
    assert nested.part.setup.path == "task.part"
    assert setup.used == [("models", "toy/plain"), ("models", "toy/nested")]


def test_what_a_builder_draws_depends_on_its_place_alone(shop):
    def build(seed, *slots):
        setup = Setup(shop, Streams(seed), "task")
        return [setup.build(slot, Pick("models", "toy/plain")).drawn.tolist() for slot in slots]

    alone, beside = build(0, "a"), build(0, "b", "a")
    assert alone[0] == beside[1] != beside[0]
    assert build(1, "a") != alone
    nested = Setup(shop, Streams(0)).build("task", Pick("models", "toy/nested"))
    assert (
        nested.part.drawn.tolist()
        == Setup(shop, Streams(0)).build("task.part", Pick("models", "toy/plain")).drawn.tolist()
    )
    # a part built in between takes no number away from the whole
    with Streams(0).scoped("task/build"):
        expected = torch.rand(6)
    assert torch.equal(torch.cat([nested.drawn, nested.after]), expected)


def test_building_gives_the_global_generators_back(setup):
    before = global_state(setup.device)
    setup.build("task", Pick("models", "toy/nested"))
    assert same(global_state(setup.device), before)


def test_a_choice_may_come_with_overrides_or_with_options(setup):
    for choice in (
        Pick("schedules", "linear", {"end": 0.5}),
        resolve(setup.host, Pick("schedules", "linear", {"end": 0.5})),
    ):
        assert setup.build("rate", choice).value(Clock(1, 1)) == 0.5
    with pytest.raises(ConfigError, match="Linear has no option 'slope'"):
        setup.build("rate", Pick("schedules", "linear", {"slope": 1}))


def test_facts_that_a_target_does_not_take_are_refused_naming_it(setup):
    with pytest.raises(PluginError) as caught:
        setup.build("net", Pick("models", "toy/affine"), observation_size=3)
    assert str(caught.value).startswith(
        "net: 'toy/affine' of plugin toy (toy-shop 1.0) does not take the facts observation_size: "
    )
    with pytest.raises(PluginError, match="does not take the facts none: missing a required argument: 'size'"):
        setup.build("net", Pick("models", "toy/affine"))
    assert setup.built == {}


def test_a_type_error_inside_a_target_is_its_own(setup):
    with pytest.raises(TypeError, match="str"):
        setup.build("net", Pick("models", "toy/affine"), size="three")


def test_a_module_is_moved_to_where_the_run_computes(shop, monkeypatch):
    moved = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, device: (moved.append(device), module)[1])
    Setup(shop, Streams(0)).build("net", Pick("models", "toy/affine"), size=2)
    assert moved == [torch.device("cpu")]


def test_a_part_that_needs_what_is_not_provided_is_refused_naming_the_need(setup):
    with pytest.raises(MissingNeed) as caught:
        setup.build("net", Pick("models", "toy/greedy"), PROVIDES)
    assert str(caught.value) == (
        "net: 'toy/greedy' of plugin more (toy-shop 1.0) needs belief, solution:error; "
        "this experiment provides prediction, target"
    )
    with pytest.raises(MissingNeed, match="this experiment provides nothing"):
        setup.build("net", Pick("models", "toy/greedy"))
    setup.build("net", Pick("models", "toy/greedy"), Greedy.needs)


def test_a_need_that_no_task_can_provide_is_the_plugins_fault(setup):
    with pytest.raises(
        PluginError, match=r"net: 'toy/misspelt' of plugin more .* needs 'preds', which no task can provide"
    ):
        setup.build("net", Pick("models", "toy/misspelt"), frozenset({"preds"}))


# Losses


class Fixed:
    """A loss of given values."""

    needs, reduced = frozenset({"prediction"}), False

    def __init__(self, value, **diagnostics):
        self.value, self.diagnostics, self.grad = value, diagnostics, None

    def __call__(self, context):
        self.seen, self.generator, self.grad = set(context.values), context.generator, torch.is_grad_enabled()
        return Term(self.value * context["prediction"], self.diagnostics)


class Whole(Fixed):
    """A loss that is a mean already."""

    reduced = True

    def __call__(self, context):
        return Term(super().__call__(context).value.sum())


def objective(**terms):
    weights = {
        name: SimpleNamespace(value=weight if callable(weight) else lambda _, w=weight: w)
        for name, (_, weight) in terms.items()
    }
    return Objective({name: (term, weights[name]) for name, (term, _) in terms.items()}, Streams(0), "task.losses")


def context(step=0, **values):
    ones = {"prediction": torch.ones(4, requires_grad=True), "target": torch.zeros(4)}
    return StepContext(Clock(step, 10), {**ones, **values})


def test_the_objective_is_the_weighted_sum_of_means():
    values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    total, metrics = objective(a=(Fixed(values), 1.0), b=(Fixed(values), 0.5), c=(Whole(torch.ones(4)), 2.0))(context())
    assert total.item() == 3.0 + 1.5 + 8.0
    assert {name: float(value) for name, value in metrics.items()} == {"loss/a": 3.0, "loss/b": 3.0, "loss/c": 4.0}
    assert total.requires_grad
    assert not any(value.requires_grad for value in metrics.values())


def test_samples_count_by_their_weight_and_what_is_reduced_does_not():
    values, weight = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([1.0, 0.0, 3.0, 0.0])
    total, _ = objective(a=(Fixed(values), 1.0))(context(weight=weight))
    assert total.item() == (1 + 3 * 3) / 4
    total, _ = objective(a=(Whole(values), 1.0))(context(weight=weight))
    assert total.item() == 12.0


def test_diagnostics_are_named_after_their_loss_and_detached():
    largest = torch.tensor(2.0, requires_grad=True)
    _, metrics = objective(a=(Fixed(torch.ones(4), largest=largest), 1.0))(context())
    assert set(metrics) == {"loss/a", "loss/a/largest"}
    assert not metrics["loss/a/largest"].requires_grad


def test_weights_follow_the_clock():
    term = objective(a=(Fixed(torch.ones(4)), lambda clock: 1.0 + clock.progress))
    assert term(context(step=0))[0].item() == 1.0
    assert term(context(step=5))[0].item() == 1.5


def test_a_loss_of_weight_0_is_measured_without_a_gradient():
    kept, idle = Fixed(torch.ones(4)), Fixed(torch.full((4,), torch.nan))
    total, metrics = objective(kept=(kept, 1.0), idle=(idle, 0.0))(context())
    assert (kept.grad, idle.grad) == (True, False)
    assert math.isnan(metrics["loss/idle"])
    assert total.item() == 1.0  # 0 times NaN is not added
    with torch.no_grad():
        objective(kept=(kept, 1.0))(context())
    assert kept.grad is False


def test_an_objective_without_any_weight_is_refused_naming_the_step():
    with pytest.raises(ConfigError, match=r"task.losses: every loss has weight 0 at step 3, nothing can be learned"):
        objective(a=(Fixed(torch.ones(4)), 0.0))(context(step=3))


def test_a_loss_sees_what_it_declared_and_its_own_stream():
    one, two = Fixed(torch.ones(4)), Fixed(torch.ones(4))
    made = objective(one=(one, 1.0), two=(two, 1.0))
    made(context())
    assert one.seen == {"prediction"}
    assert one.generator is made.streams("task.losses.one") is not two.generator


def test_an_objective_needs_what_its_losses_need():
    one, two = Fixed(torch.ones(4)), Fixed(torch.ones(4))
    two.needs = frozenset({"solution:error", "model"})
    made = objective(one=(one, 1.0), two=(two, 1.0))
    assert made.needs == {"prediction", "solution:error", "model"}
    assert made.records == {"error"}


def test_losses_and_their_weights_are_built_by_slot(setup):
    slots = Slots(
        "losses", {"fit": loss("mse", 0.25), "extra": Pick("losses", "toy/jitter"), "off": Pick("losses", "none")}
    )
    for place in (setup, Setup(setup.host, Streams(0), "task")):
        made = place.objective("losses", slots, PROVIDES)
        prefix = f"{place.path}." if place.path else ""
        assert made.path == f"{prefix}losses"
        assert set(made.terms) == {"fit", "extra"}
        parts = [f"{prefix}losses.{part}" for part in ("fit", "fit.weight", "extra", "extra.weight")]
        assert list(place.built) == parts
    assert [weight.value(Clock(0, 1)) for _, weight in made.terms.values()] == [0.25, 1.0]


def test_an_objective_without_losses_is_refused(setup):
    with pytest.raises(ConfigError, match="--losses: every loss is `none`; at least one is needed"):
        setup.objective("losses", Slots("losses", {"fit": Pick("losses", "none")}), PROVIDES)


def test_a_loss_that_does_not_fit_the_task_is_refused(setup):
    with pytest.raises(
        MissingNeed, match=r"losses.l2: 'gtf.l2' of plugin gtf .* needs model; this experiment provides"
    ):
        setup.objective("losses", Slots("losses", {"l2": loss("gtf.l2")}), PROVIDES)


# Metrics


def test_metrics_are_built_by_slot_and_those_of_several_numbers_are_named_by_it(setup):
    slots = Slots("metrics", {"far": metric("toy/error"), "draw": metric("toy/draw"), "off": metric("none")})
    made = setup.metrics("metrics", slots, PROVIDES)
    assert list(setup.built) == ["metrics.far", "metrics.draw"]
    found = made(context(prediction=torch.ones(4)))
    assert list(found) == ["far", "draw/number", "draw/half"]
    assert found["far"] == 1.0
    assert all(type(value) is float for value in found.values())


def test_a_metric_is_reset_before_each_evaluation_and_sees_what_it_declared():
    class Sum:
        needs = frozenset({"target"})
        total = 5.0

        def reset(self):
            self.total = 0.0

        def update(self, context):
            assert set(context.values) == {"target"}
            self.total += float(context["target"].sum())

        def compute(self):
            return self.total

    made = Metrics({"sum": Sum()}, Streams(0), "task.metrics")
    assert made(context(target=torch.ones(4))) == made(context(target=torch.ones(4))) == {"sum": 4.0}


def test_a_metric_draws_the_same_at_a_step_and_another_at_the_next(setup):
    made = setup.metrics("metrics", Slots("metrics", {"one": metric("toy/draw"), "two": metric("toy/draw")}), PROVIDES)
    first, again, later = made(context()), made(context()), made(context(step=1))
    assert first == again
    assert first["one/number"] != first["two/number"]
    assert first["one/number"] != later["one/number"]


# Reading


def test_metrics_are_read_in_their_order_and_exactly():
    given = {
        "a": torch.tensor(0.1),
        "b": 3,
        "c": torch.tensor([2.5], requires_grad=True),
        "d": 0.1,
        "e": torch.tensor(7),
    }
    assert floats(given) == {"a": float(torch.tensor(0.1)), "b": 3.0, "c": 2.5, "d": 0.1, "e": 7.0}
    assert list(floats(given)) == list(given)
    assert floats({}) == {}


def test_all_tensors_come_in_one_transfer(monkeypatch):
    transfers, plain = [], torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda tensor: (transfers.append(tuple(tensor.shape)), plain(tensor))[1]
    )
    for name in ("item", "__float__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: pytest.fail("a transfer of its own"))
    floats({"a": torch.tensor(1.0), "b": torch.tensor(2.0), "c": 3.0})
    assert transfers == [(2,)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_named_all_of_it(bad):
    with pytest.raises(NotFinite, match=rf"^loss/fit is {bad}, rate is {bad}$"):
        floats({"fine": 1.0, "loss/fit": torch.tensor(bad), "rate": bad})
