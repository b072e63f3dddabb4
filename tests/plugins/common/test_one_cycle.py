"""The one-cycle schedule against torch's."""

import pytest
import torch

from heatbath.core.contracts import Clock
from heatbath.testing import build, check_schedule


def test_it_conforms(host):
    check_schedule(host, "one-cycle", peak=0.1)


def test_it_is_that_of_torch(host):
    steps = 50
    schedule = build(host, "schedules", "one-cycle", peak=3e-3)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=steps + 1, pct_start=0.3 + 0.7 / 51
    )
    for step in range(steps):
        found = schedule.value(Clock(step, steps))
        assert found == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-2)
        optimizer.step()
        reference.step()


def test_its_options_are_checked(host):
    with pytest.raises(Exception, match="`rise` must lie between 0 and 1, got 1"):
        build(host, "schedules", "one-cycle", rise=1.0)
