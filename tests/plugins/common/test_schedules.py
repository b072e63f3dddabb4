"""Schedules that do not listen."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heatbath.core.contracts import Clock
from heatbath.plugins.common import options as opt
from heatbath.plugins.common.schedules import Constant, Exponential, Linear, _Open
from heatbath.testing import check_schedule

PROGRESS = [Clock(0, 8), Clock(2, 8), Clock(4, 8), Clock(8, 8)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("constant", {"level": 0.3}),
        ("linear", {"start": -1.0, "end": 2.0}),
        ("exponential", {"start": 1e-3, "end": 1e-6}),
    ],
)
def test_they_conform(host, name, options):
    check_schedule(host, name)
    check_schedule(host, name, **options)


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Constant(opt.Constant(0.3), None), [0.3, 0.3, 0.3, 0.3]),
        (Linear(opt.Linear(2.0, -2.0), None), [2.0, 1.0, 0.0, -2.0]),
        (Exponential(opt.Exponential(1.0, 1 / 16), None), [1.0, 1 / 2, 1 / 4, 1 / 16]),
        (Exponential(opt.Exponential(-1.0, -16.0), None), [-1.0, -2.0, -4.0, -16.0]),
    ],
)
def test_values_over_a_run(schedule, values):
    assert [schedule.value(clock) for clock in PROGRESS] == pytest.approx(values, abs=1e-15)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 50))
def test_a_geometric_schedule_meets_its_ends_and_its_steps_have_one_ratio(start, end, total):
    schedule = Exponential(opt.Exponential(start, end), None)
    values = [schedule.value(Clock(step, total)) for step in range(total + 1)]
    assert values[0] == start
    assert values[-1] == pytest.approx(end, rel=1e-12)
    ratios = [math.log(b / a) for a, b in pairwise(values)]
    assert ratios == pytest.approx([math.log(end / start) / total] * total, abs=1e-9)


def test_a_sample_repeats_the_value():
    drawn = Linear(opt.Linear(0.0, 1.0), None).sample(Clock(1, 4), 3, torch.Generator())
    assert drawn.tolist() == [0.25, 0.25, 0.25]


def test_feedback_is_not_heard():
    schedule = Linear(opt.Linear(), None)
    schedule.observe({"reward": 1.0})
    assert schedule.value(Clock(0, 4)) == 1.0
    assert schedule.needs == frozenset()


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0), (-1.0, 2.0)])
def test_ends_between_which_there_is_no_ratio_are_refused(start, end):
    with pytest.raises(ValueError, match=f"`start` and `end` must have one sign and not be 0, got {start} and {end}"):
        opt.Exponential(start, end)


def test_what_has_no_value_of_its_own_is_no_schedule():
    with pytest.raises(NotImplementedError):
        _Open().value(Clock(0, 1))
