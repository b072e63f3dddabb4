"""What all checks share: saying what is wrong, and telling whether two states are the same."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from heatbath.core.checkpoints import read_plain
from heatbath.core.contracts import in_vocabulary
from heatbath.core.errors import ConformanceError, RunError
from heatbath.core.streams import global_state


def expect(condition: object, message: str) -> None:
    """Raise `ConformanceError` unless the condition holds."""
    if not condition:
        raise ConformanceError(message)


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal in every bit; NaN equals NaN.

    >>> same({"a": torch.tensor([float("nan")])}, {"a": torch.tensor([float("nan")])})
    True
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        return torch.equal(a.isnan(), b.isnan()) and torch.equal(_bytes(a), _bytes(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b)
    return bool(a == b)


def _bytes(tensor: Tensor) -> Tensor:
    """All bits of a tensor but those that make one NaN another."""
    return tensor.detach().masked_fill(tensor.isnan(), 0).reshape(-1).view(torch.uint8)


def check_needs(name: str, component: Any) -> None:
    """`needs` is a frozenset of names that a task can provide."""
    needs = getattr(component, "needs", None)
    expect(isinstance(needs, frozenset), f"{name}: `needs` must be a frozenset, got {type(needs).__name__}")
    assert isinstance(needs, frozenset)
    for need in sorted(needs):
        expect(in_vocabulary(need), f"{name}: `needs` names {need!r}, which is not in the vocabulary")


@contextmanager
def global_generators_untouched(name: str, what: str) -> Iterator[None]:
    """Fail when the global random generators moved: components draw from the generator that they are given."""
    before = global_state(torch.device("cpu"))
    yield
    moved = not same(before, global_state(torch.device("cpu")))
    expect(not moved, f"{name}: {what} draws from a global random generator; use the one that is passed")


def check_state(name: str, component: Any, fresh: Any) -> None:
    """A component with a state can give it to a freshly built one, through a file that holds no code."""
    saves, loads = hasattr(component, "state_dict"), hasattr(component, "load_state_dict")
    expect(saves == loads, f"{name}: `state_dict` and `load_state_dict` come together")
    if not saves:
        return
    page = io.BytesIO()
    torch.save(component.state_dict(), page)
    page.seek(0)
    try:
        state = read_plain(page)
    except RunError as error:
        raise ConformanceError(f"{name}: `state_dict` must hold tensors and plain Python only: {error}") from error
    fresh.load_state_dict(state)
    expect(
        same(fresh.state_dict(), component.state_dict()), f"{name}: the state changes on its way through a checkpoint"
    )
