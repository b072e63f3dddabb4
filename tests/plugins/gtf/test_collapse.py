"""Whether a trajectory repeats itself."""

import math

import pytest
import torch

from heatbath.plugins.gtf.collapse import cycle_length
from heatbath.testing import build

ONE = torch.ones(2)


def circle(period, time=12_000):
    angle = 2 * math.pi * torch.arange(float(time)) / period
    return torch.stack([angle.cos(), angle.sin()], 1)


def test_rest_is_a_cycle_of_one():
    assert cycle_length(torch.full((500, 2), 3.0), ONE) == 1


def test_what_is_not_finite_is_at_rest():
    assert cycle_length(torch.full((500, 2), math.nan), ONE) == 1


def test_coming_to_rest_is_rest():
    t = torch.arange(12_000.0)
    assert cycle_length(torch.stack([torch.exp(-t / 100), 1 - torch.exp(-t / 50)], 1), ONE) == 1


@pytest.mark.parametrize("period", [2, 37, 512, 1500])
def test_a_whole_period_is_found(period):
    assert cycle_length(circle(period), ONE) == period


def test_a_broken_period_is_found_where_it_nearly_closes():
    """Two periods of 73.4 steps are 146.8; the fifth of a step that is missing is 1.7 % of the circle's radius."""
    assert cycle_length(circle(73.4), ONE) == 147


@pytest.mark.parametrize("system", ["lorenz63", "rossler", "henon"])
def test_chaos_does_not_repeat(host, system):
    series = build(host, "envs", system).series(20_000, torch.Generator().manual_seed(0))
    assert cycle_length(series, series.std(0)) == 0


def test_noise_does_not_repeat():
    assert cycle_length(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)), ONE) == 0


def test_a_short_run_is_judged_too():
    assert cycle_length(circle(10, time=60), ONE) == 10
