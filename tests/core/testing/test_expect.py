"""What all checks share."""

import pytest
import torch

from heatbath.core.errors import ConformanceError, HeatbathError
from heatbath.core.testing.expect import expect, same


def test_what_does_not_hold_is_said():
    expect(1, "one")
    with pytest.raises(ConformanceError, match=r"^nothing$"):
        expect([], "nothing")
    assert issubclass(ConformanceError, AssertionError)  # so that pytest shows it as a failure, not an error
    assert issubclass(ConformanceError, HeatbathError)


nan = float("nan")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.tensor([1.0, nan]), torch.tensor([1.0, nan])),
        ({"a": [1, (2.0, nan)], "b": None}, {"b": None, "a": [1, (2.0, nan)]}),
        ([1, 2], (1, 2)),
        (torch.zeros(0), torch.zeros(0)),
        (torch.tensor([nan, -0.0]), torch.tensor([-nan, -0.0])),
        (torch.arange(6.0).view(2, 3).T, torch.arange(6.0).view(2, 3).T.contiguous()),
        (torch.tensor([True]), torch.tensor([True])),
        ("x", "x"),
    ],
)
def test_equal_states_are_the_same(a, b):
    assert same(a, b)
    assert same(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.tensor([1.0]), torch.tensor([1.0 + 2**-23])),
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64)),
        (torch.tensor([1.0]), torch.tensor([[1.0]])),
        (torch.tensor([nan]), torch.tensor([0.0])),
        (torch.tensor([torch.inf]), torch.tensor([torch.finfo(torch.float32).max])),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, {"b": 1}),
        ([1, 2], [1]),
        ([1, 2], [2, 1]),
        (torch.tensor([0.0]), torch.tensor([-0.0])),
        (torch.tensor([0.0, nan]), torch.tensor([nan, 0.0])),
        (torch.tensor(1 + 2j), torch.tensor(1 - 2j)),
        (torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)),
        (0.0, -0.0),
        (nan, 1.0),
        (1.0, 1.5),
        ({"a": torch.zeros(1)}, {"a": None}),
    ],
)
def test_a_difference_of_one_bit_is_a_difference(a, b):
    assert not same(a, b)
    assert not same(b, a)
