"""Flat parameters and the modules that live in them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from heatbath.core.errors import ConfigError
from heatbath.solvers.recurrence.layout import Layout


@pytest.mark.parametrize(
    ("layout", "size"),
    [
        (Layout(5, 250, affine=True), 2785),
        (Layout(16, 512, observed=64, affine=True), 17952),
        (Layout(3, 50), 356),
        (Layout(5, 4, observed=3), 10 + 4 + 40 + 6),
    ],
)
def test_the_published_parameter_counts(layout: Layout, size: int) -> None:
    assert layout.size == size


def test_views_and_flattening_are_inverse() -> None:
    layout = Layout(3, 4, observed=2)
    theta = torch.arange(float(layout.size))
    assert torch.equal(layout.flatten(layout.views(theta)), theta)
    assert layout.views(theta.expand(5, -1))["W2"].shape == (5, 4, 3)
    assert torch.equal(layout.step(theta).W1, theta[3:15].view(3, 4))


def test_a_tied_module_sees_what_is_done_to_the_vector_and_the_other_way_round() -> None:
    layout = Layout(2, 3)
    module = nn.ParameterDict({name: torch.randn(shape) for name, shape in layout.shapes.items()})
    before = {name: one.detach().clone() for name, one in module.items()}
    theta = torch.zeros(layout.size)
    layout.tie(module, theta)
    assert all(torch.equal(module[name], before[name]) for name in before)
    theta.mul_(2)
    assert all(torch.equal(module[name], 2 * before[name]) for name in before)
    module.load_state_dict(before)
    assert torch.equal(theta, layout.flatten(before))


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="sizes must be at least 1, got M=0"):
        Layout(0, 3)
    with pytest.raises(ConfigError, match="4 observed variables need an affine observation model or 4 latent units"):
        Layout(3, 3, observed=4)
    with pytest.raises(ConfigError, match=r"expected 23 parameters, got a vector of shape \(16,\)"):
        Layout(2, 3, observed=2, affine=True).views(torch.zeros(16))
    layout = Layout(2, 3)
    parameters = layout.views(torch.zeros(layout.size))
    with pytest.raises(ConfigError, match=r"`W1` must have shape \(2, 3\), got \(3, 2\)"):
        layout.flatten({**parameters, "W1": parameters["W2"]})
    with pytest.raises(ConfigError, match="expected parameters A, W1, W2, h1, h2, got A"):
        layout.flatten({"A": parameters["A"]})
