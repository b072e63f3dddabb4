"""Where a function of the state changes sign: found on the dense output, and differentiable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.ode.steps import VectorField, by_sample

EventFunction = Callable[[Any, Tensor], Tensor]


def values(event: EventFunction, t: Any, y: Tensor) -> Tensor:
    """What the event gives, flat. Raises `InvalidInput` unless that is a tensor of floating point."""
    found = event(t, y)
    if not isinstance(found, Tensor) or not found.is_floating_point():
        kind = found.dtype if isinstance(found, Tensor) else type(found).__name__
        raise InvalidInput(
            f"an event must give a tensor of floating point, whose entries change sign where it happens, got {kind}"
        )
    return found.reshape(-1)


def crossed(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Entries that changed sign or became 0; one that was 0 has not.

    >>> crossed([1.0, -1.0, 0.0], [-1.0, -2.0, 3.0])
    [0]
    """
    return [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a * b < 0 or (b == 0 and a != 0)]


def find_root(g: Callable[[float], float], before: float, after: float, tolerance: float = 1e-14) -> float:
    """A root of g in (0, 1], between values of opposite sign, by the Illinois variant of regula falsi and bisection.

    Reference:
        Dowell and Jarratt, BIT 11, 1971.

    >>> round(find_root(lambda x: x * x - 0.25, -0.25, 0.75), 9)
    0.5
    """
    if after == 0:
        return 1.0
    low, high, g_low, g_high, side = 0.0, 1.0, before, after, 0
    for attempt in range(200):
        middle = (low * g_high - high * g_low) / (g_high - g_low) if attempt % 3 < 2 else (low + high) / 2
        value = g(middle)
        if value == 0 or high - low <= tolerance:
            return middle
        if (value > 0) == (g_high > 0):
            high, g_high = middle, value
            g_low, side = (g_low / 2 if side == 1 else g_low), 1
        else:
            low, g_low = middle, value
            g_high, side = (g_high / 2 if side == -1 else g_high), -1
    return (low + high) / 2


def differentiable(event: EventFunction, f: VectorField, t: float, y: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Time and state of an event, in the graph; the time is 0-d, float64.

    dtau = -dg / (g_t + g_y f) at the event, dy = dy(t) + f dtau (the implicit-function theorem).

    Args:
        event: g.
        f: the derivative; evaluated once.
        t: the time of the event.
        y: the state there, in the graph as a state at a fixed time.
        index: which entry of g is 0.
    """
    value = values(event, t, y)[index]
    with torch.enable_grad():
        time = torch.full((), t, dtype=torch.float64, device=y.device).requires_grad_()
        state = y.detach().requires_grad_()
        at_rest = values(event, time, state)[index]
        g_t, g_y = torch.autograd.grad(at_rest, (time, state), allow_unused=True, materialize_grads=True)
    slope = f(t, y).detach()
    rate = g_t + (g_y * slope).sum().to(torch.float64)
    moved = -(value - value.detach()).to(torch.float64) / rate
    return time.detach() + moved, y + slope * moved.to(y.dtype)


BISECTIONS = 53
"""Halvings of a step, down to round-off."""


class SampleEvents:
    """An event that each sample meets at a time of its own; everything stays on the device.

    Args:
        event: g, of times `(batch, 1, .., 1)` and the state; its first axis is the batch, an entry of it depends on no
            other sample.
        sign: -1 where time runs backwards; times here always increase.
        u: the state, with an axis of samples.
        scalar: whether the caller's state has none.

    Attributes:
        ended: which samples have met it, shape `(batch,)`.
        time: when, as the caller counts, in the graph, float64, shape `(batch,)`; nan where it was not met.
    """

    def __init__(self, event: EventFunction, sign: float, u: Tensor, scalar: bool) -> None:
        self._event, self._sign, self._scalar, self._axes = event, sign, scalar, u.dim()
        self._before = self._signs = torch.zeros_like(by_sample(u))
        self.ended = torch.zeros(len(u), dtype=torch.bool, device=u.device)
        self.time = torch.full((len(u),), math.nan, dtype=torch.float64, device=u.device)

    def _wide(self, x: Tensor, like: Tensor) -> Tensor:
        x = x if x.dtype == torch.bool else x.to(like.dtype)
        return x.view(-1, *(1,) * (self._axes - 1))

    def _values(self, t: Tensor, u: Tensor) -> Tensor:
        """g of every sample, `(batch, entries)`."""
        time = self._sign * self._wide(t, u)
        if self._scalar:
            return values(self._event, time.squeeze(0), u.squeeze(0)).unsqueeze(0)
        found = self._event(time, u)
        if isinstance(found, Tensor) and (not found.dim() or found.shape[0] != len(u)):
            raise InvalidInput(
                "with one step size a sample, an event has one row a sample: expected a first axis of "
                f"{len(u)}, got shape {tuple(found.shape)}"
            )
        values(lambda t, y: found, time, u)
        return by_sample(found)

    @torch.no_grad()
    def look(self, t: Tensor, u: Tensor, which: Tensor | None = None) -> None:
        """Take note of the signs, of some samples or all."""
        found = self._values(t, u)
        self._signs = found if which is None else torch.where(which.unsqueeze(1), found, self._signs)

    @torch.no_grad()
    def crossed(self, t: Tensor, u: Tensor, accepted: Tensor) -> tuple[Tensor, Tensor]:
        """Which samples' steps the event lies in, and at whose ends it is nan, which are not to be accepted."""
        self._before, after = self._signs, self._values(t, u)
        strange = accepted & after.isnan().any(1)
        accepted = accepted & ~strange
        self._signs = torch.where(accepted.unsqueeze(1), after, self._before)
        return accepted & _changed(self._before, after).any(1), strange

    @torch.no_grad()
    def first_root(self, crossing: Tensor, t: Tensor, h: Tensor, state: Callable[[Tensor], Tensor]) -> Tensor:
        """Where in the step each sample's event lies, in (0, 1], by bisection; 1 where it lies in none.

        Args:
            crossing: which samples.
            t: starts of their steps.
            h: lengths.
            state: the dense output at fractions of the step.
        """
        low, high = torch.zeros_like(t), torch.ones_like(t)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            over = _changed(self._before, self._values(t + middle * h, state(middle))).any(1)
            low, high = torch.where(over, low, middle), torch.where(over, middle, high)
        return torch.where(crossing, high, 1.0)

    def differentiable(self, crossing: Tensor, t: Tensor, u: Tensor, f: VectorField) -> Tensor:
        """States of the samples at their events, in the graph; f is evaluated once. Notes times and that they ended.

        By the implicit-function theorem, as `differentiable` of one event, for the entry of g that is nearest to 0.
        """
        time = t
        if u.requires_grad:
            value = self._values(t, u)
            index = self._nearest(value.detach()).unsqueeze(1)
            with torch.enable_grad():
                clock, state = t.detach().requires_grad_(), u.detach().requires_grad_()
                at_rest = self._values(clock, state).gather(1, index).sum()
                g_t, g_y = torch.autograd.grad(at_rest, (clock, state), allow_unused=True, materialize_grads=True)
            slope = f(self._wide(t, u), u).detach()
            rate = g_t + by_sample(g_y * slope).sum(1).to(torch.float64)
            chosen = value.gather(1, index).squeeze(1)
            moved = -(chosen - chosen.detach()).to(torch.float64) / torch.where(crossing, rate, 1.0)
            time, u = t.detach() + moved, u + slope * self._wide(moved, u)
        self.time = torch.where(crossing, self._sign * time, self.time)
        self.ended = self.ended | crossing
        return u

    def _nearest(self, value: Tensor) -> Tensor:
        """Of the entries that changed sign, that nearest to 0."""
        return torch.where(_changed(self._before, value), value.abs(), math.inf).argmin(1)

    def held(self, times: Sequence[float], rows: Sequence[Tensor], u: Tensor) -> list[Tensor]:
        """Rows in which samples keep the state of their event from it on."""
        since = self._sign * self.time.detach()
        after = [self.ended & (since < time) for time in times]
        return [torch.where(self._wide(which, u), u, row) for which, row in zip(after, rows, strict=True)]


def _changed(before: Tensor, after: Tensor) -> Tensor:
    """As `crossed`, by entry."""
    return (before * after < 0) | ((after == 0) & (before != 0))
