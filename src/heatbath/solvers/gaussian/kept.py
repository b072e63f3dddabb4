"""Properties that are computed once, and keep the gradients that they can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast, overload

import torch
from torch import Tensor


class Traced(Protocol):
    """What knows whether gradients flow through it."""

    @property
    def traced(self) -> bool: ...


class kept:  # noqa: N801 - a decorator, as `cached_property` is
    """`cached_property` for a tensor that was perhaps first looked at under `torch.no_grad()`.

    What was computed there has no history, and what was computed in inference mode cannot get one: either is computed
    anew once gradients are wanted. Where no input has a gradient, nothing is computed twice under `no_grad`.

    >>> class Square:
    ...     def __init__(self, side):
    ...         self.side = side
    ...         self.traced = side.requires_grad
    ...     @kept
    ...     def area(self):
    ...         return self.side**2
    >>> square = Square(torch.tensor(3.0, requires_grad=True))
    >>> with torch.no_grad():
    ...     square.area.requires_grad
    False
    >>> square.area.requires_grad, square.area is square.area
    (True, True)
    """

    def __init__(self, make: Callable[[Any], Tensor]) -> None:
        self.make, self.__doc__ = make, make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        # Not the property's own name: Python would then no longer ask.
        self.key = f"_kept_{name}"

    @overload
    def __get__(self, law: None, owner: type | None = None) -> kept: ...
    @overload
    def __get__(self, law: Traced, owner: type | None = None) -> Tensor: ...
    def __get__(self, law: Traced | None, owner: type | None = None) -> Tensor | kept:
        if law is None:
            return self
        found, had_gradients = law.__dict__.get(self.key, (None, False))
        if found is None or _out_of_reach(found) or (torch.is_grad_enabled() and not had_gradients and law.traced):
            found = self.make(law)
            law.__dict__[self.key] = found, torch.is_grad_enabled()
        return cast(Tensor, found)


def _out_of_reach(found: Tensor) -> bool:
    """Whether autograd would refuse what was computed in inference mode."""
    return found.is_inference() and not torch.is_inference_mode_enabled()
