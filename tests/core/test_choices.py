"""What an options dataclass declares."""

from dataclasses import dataclass

import pytest

from heatbath.core.choices import NONE, SLOTS, Pick, Slots, loss, losses, metric, metrics, pick


@dataclass(frozen=True)
class Options:
    alpha: Pick = pick("schedules", "constant", level=0.15)
    solver: Pick = pick("solvers", "rk4", problem="ode", step=0.1)
    losses: Slots = losses(fit=loss("mse"), l2=loss("gtf.l2", 0.5))
    metrics: Slots = metrics(error=metric("prediction-error", steps=20))


def test_a_pick_holds_a_kind_a_name_a_problem_and_the_experiments_own_defaults():
    assert Options().alpha == Pick("schedules", "constant", {"level": 0.15})
    assert Options().solver == Pick("solvers", "rk4", {"step": 0.1}, problem="ode")


def test_a_component_may_have_options_called_kind_and_name():
    @dataclass(frozen=True)
    class Odd:
        it: Pick = pick("losses", "a/loss", kind="hinge", name="me")

    assert Odd().it == Pick("losses", "a/loss", {"kind": "hinge", "name": "me"})
    assert loss("a/loss", kind="hinge").options == {"kind": "hinge"}


@pytest.mark.parametrize(
    ("weight", "schedule"),
    [
        (0.5, Pick("schedules", "constant", {"level": 0.5})),
        (2, Pick("schedules", "constant", {"level": 2.0})),
        (Pick("schedules", "linear"), Pick("schedules", "linear")),
    ],
)
def test_the_weight_of_a_loss_is_a_schedule_or_a_number_for_a_constant_one(weight, schedule):
    assert loss("mse", weight, power=2) == Pick("losses", "mse", {"power": 2}, weight=schedule)


def test_a_loss_weighs_one_and_a_metric_weighs_nothing():
    assert loss("mse").weight == Pick("schedules", "constant", {"level": 1.0})
    assert metric("d-stsp", bins=3) == Pick("metrics", "d-stsp", {"bins": 3})


def test_slots_keep_their_order_and_each_options_has_its_own():
    first, second = Options(), Options()
    assert list(first.losses.picks) == ["fit", "l2"]
    assert first.losses == second.losses
    assert first.losses.picks is not second.losses.picks
    first.losses.picks.clear()
    assert list(Options().losses.picks) == ["fit", "l2"]


def test_each_kind_that_comes_in_slots_says_how_a_new_slot_is_made():
    assert {kind: make("x").kind for kind, make in SLOTS.items()} == {"losses": "losses", "metrics": "metrics"}
    assert NONE == "none"
