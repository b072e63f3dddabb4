"""Curricula on the adversary's temperature: schedules that hear what the protagonist earned.

A trainer draws temperatures with `sample`, plays an episode at each, and tells `observe` the pairs: `temperatures` as
they were drawn, and `returns`, the protagonist's discounted return at each, both of shape `(pairs,)`, on any device;
they are read on the host, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from heatbath.core.contracts import NOTHING, Clock
from heatbath.core.errors import InvalidInput
from heatbath.plugins.qarl import options as opt
from heatbath.plugins.qarl.gamma_law import sample_gamma
from heatbath.plugins.qarl.self_paced import gamma_log_weights, next_shape

Array = NDArray[np.float64]
HEARD = frozenset({"feedback:temperatures", "feedback:returns"})


def pairs(feedback: Mapping[str, Any]) -> tuple[Array, Array]:
    """Temperatures and returns as numbers on the host.

    Raises:
        InvalidInput: when there are not as many of one as of the other, or a number is not finite.
    """
    heard = []
    for name in ("temperatures", "returns"):
        values = feedback[name]
        values = values.detach().double().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values, float)
        if not np.isfinite(values).all():
            raise InvalidInput(f"`feedback:{name}`: expected finite numbers, got {values[~np.isfinite(values)][0]}")
        heard.append(values.reshape(-1))
    if len(heard[0]) != len(heard[1]):
        raise InvalidInput(f"expected a return for every temperature, got {len(heard[1])} for {len(heard[0])}")
    return heard[0], heard[1]


class Gamma:
    """alpha ~ Gamma(k, rate), whose shape k goes to its target as fast as a trust region and the returns allow.

        min_k KL(k || target)  s.t.  KL(k || k_old) <= max_kl,  (1/M) sum_i w_i(k) J_i >= threshold

    solved exactly (`self_paced`), whenever M pairs have been heard, which are then forgotten; k stays where it is while
    the mean return is below the threshold.

    Deviation: the authors' code solves the same program by scipy's trust-constr, to about 0.1 in k.

    Args:
        options: the law, where it goes, and when.
        setup: unused.

    Reference:
        Reddi, Toelle, Peters, Chalvatzaki, D'Eramo, ICLR 2024; after Klink, Abdulsamad, Belousov, D'Eramo, Peters,
        Pajarinen, "A probabilistic interpretation of self-paced learning", JMLR 2021.

    >>> curriculum = Gamma(opt.Gamma(pairs=2, threshold=0.0), None)
    >>> curriculum.observe({"temperatures": [0.05, 0.06], "returns": [1.0, 1.0]})
    >>> round(curriculum.shape, 3), round(curriculum.value(Clock(0, 1)), 6)
    (43.294, 0.043294)
    """

    needs = HEARD

    def __init__(self, options: opt.Gamma, setup: Any) -> None:
        self.options, self.shape, self.heard = options, options.shape, ([], [])  # type: tuple[Any, float, Any]

    def value(self, clock: Clock) -> float:
        """E alpha = k / rate."""
        return float(self.shape / self.options.rate)

    def sample(self, clock: Clock, count: int, generator: Generator) -> Tensor:
        """Draws, float64, shape `(count,)`, on the generator's device."""
        return sample_gamma(self.shape, self.options.rate, count, generator)

    def observe(self, feedback: Mapping[str, Any]) -> None:
        """Take note of pairs; with M or more of them, move.

        Raises:
            InvalidInput: for pairs that do not fit, numbers that are not finite, or that the law cannot have given.
        """
        drawn, returns = pairs(feedback)
        self._refuse(drawn)
        self.heard[0].extend(drawn.tolist())
        self.heard[1].extend(returns.tolist())
        if len(self.heard[0]) < self.options.pairs:
            return
        how, earned = self.options, np.array(self.heard[1])
        weights = self._log_weights(np.array(self.heard[0]))
        self.shape = next_shape(self.shape, how.target, how.max_kl, how.threshold, weights, earned, how.self_normalised)
        self.heard = ([], [])

    def _refuse(self, drawn: Array) -> None:
        if drawn.min(initial=math.inf) <= 0:
            raise InvalidInput(f"`feedback:temperatures`: expected positive temperatures, got {drawn.min():g}")

    def _log_weights(self, drawn: Array) -> Callable[[float], Array]:
        return gamma_log_weights(drawn, self.options.rate, self.shape)

    def state_dict(self) -> dict[str, Any]:
        return {"shape": self.shape, "temperatures": list(self.heard[0]), "returns": list(self.heard[1])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.shape, self.heard = state["shape"], (list(state["temperatures"]), list(state["returns"]))


class Single(Gamma):
    """The same law, of which one draw serves for all episodes asked for at once: the paper's reduced sampling."""

    def sample(self, clock: Clock, count: int, generator: Generator) -> Tensor:
        """One draw, repeated."""
        return super().sample(clock, 1, generator).expand(count).clone()


class Force(Gamma):
    """A limit on the adversary's force in place of its temperature: f = clip((m0 + m1 - alpha) F / m0, 0, F).

    alpha is of the same law, m0 and m1 are its means at the start and at the end, and F is the largest force; so the
    force grows as the temperature falls. Feedback `temperatures` are forces, as they were drawn.

    Deviation: the authors weigh the alphas behind the forces, which their teacher keeps. Here the forces themselves are
    weighed, with the masses that the law puts on f = 0 and f = F; that is exact, and `sample` needs no memory.
    """

    def __init__(self, options: opt.Force, setup: Any) -> None:
        super().__init__(options, setup)
        self.m0, self.m1, self.most = options.shape / options.rate, options.target / options.rate, options.force

    def value(self, clock: Clock) -> float:
        """E f, in closed form: incomplete Gamma functions."""
        low, high = self.m1, self.m0 + self.m1
        inner = high * (self._below(high, 0) - self._below(low, 0))
        inner -= self.shape / self.options.rate * (self._below(high, 1) - self._below(low, 1))
        return float(self.most * (self._below(low, 0) + inner / self.m0))

    def _below(self, alpha: float, more: int) -> float:
        """P(alpha' < alpha), alpha' ~ Gamma(k + more, rate)."""
        return _regularised(self.shape + more, self.options.rate * alpha)

    def sample(self, clock: Clock, count: int, generator: Generator) -> Tensor:
        """Forces, float64, in [0, F], shape `(count,)`."""
        alpha = super().sample(clock, count, generator)
        return ((self.m0 + self.m1 - alpha) * (self.most / self.m0)).clamp(0.0, self.most)

    def _refuse(self, drawn: Array) -> None:
        if not ((drawn >= 0) & (drawn <= self.most)).all():
            raise InvalidInput(f"`feedback:temperatures`: expected forces in [0, {self.most:g}], got {drawn.tolist()}")

    def _log_weights(self, drawn: Array) -> Callable[[float], Array]:
        alpha = self.m0 + self.m1 - drawn * self.m0 / self.most
        none, full = drawn <= 0.0, drawn >= self.most
        inner = gamma_log_weights(np.where(none | full, self.m0, alpha), self.options.rate, self.shape)
        ends = self._ends(self.shape)

        def weights(k: float) -> Array:
            now = self._ends(k)
            return np.select([none, full], [now[0] - ends[0], now[1] - ends[1]], inner(k))

        return weights

    def _ends(self, k: float) -> tuple[float, float]:
        """ln P(f = 0) and ln P(f = F) at shape k."""
        rate = self.options.rate
        full = _regularised(k, rate * self.m1)
        none = _regularised(k, rate * (self.m0 + self.m1), upper=True)
        return math.log(max(none, 1e-300)), math.log(max(full, 1e-300))


def _regularised(k: float, x: float, upper: bool = False) -> float:
    """P(k, x), or Q(k, x) = 1 - P(k, x)."""
    function = torch.special.gammaincc if upper else torch.special.gammainc
    return float(function(torch.tensor(k, dtype=torch.float64), torch.tensor(x, dtype=torch.float64)))


class _Level:
    """One temperature for all episodes."""

    needs: frozenset[str] = NOTHING

    def value(self, clock: Clock) -> float:
        raise NotImplementedError

    def sample(self, clock: Clock, count: int, generator: Generator) -> Tensor:
        """The value, repeated."""
        return torch.full((count,), self.value(clock), dtype=torch.float64, device=generator.device)

    def observe(self, feedback: Mapping[str, Any]) -> None: ...


class Linear(_Level):
    """A straight line from start to end over the first `until` of the run, then the end."""

    def __init__(self, options: opt.Linear, setup: Any) -> None:
        self.options = options

    def value(self, clock: Clock) -> float:
        how = self.options
        share = min(clock.progress / how.until, 1.0)
        return how.end if share == 1.0 else how.start + (how.end - how.start) * share


class Fixed(_Level):
    """One temperature for the whole run."""

    def __init__(self, options: opt.Fixed, setup: Any) -> None:
        self.temperature = options.temperature

    def value(self, clock: Clock) -> float:
        return self.temperature


class Point(_Level):
    """A temperature that falls by a fixed amount whenever the mean return is above the threshold, down to the end."""

    needs = HEARD

    def __init__(self, options: opt.Point, setup: Any) -> None:
        self.options, self.temperature = options, options.start
        self.returns: list[float] = []

    def value(self, clock: Clock) -> float:
        return self.temperature

    def observe(self, feedback: Mapping[str, Any]) -> None:
        """Take note of returns; with M or more of them, judge and forget them. Raises as `Gamma.observe` does."""
        self.returns.extend(pairs(feedback)[1].tolist())
        if len(self.returns) < self.options.pairs:
            return
        if math.fsum(self.returns) / len(self.returns) > self.options.threshold:
            self.temperature = max(self.temperature - self.options.decrement, self.options.end)
        self.returns = []

    def state_dict(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "returns": list(self.returns)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.temperature, self.returns = state["temperature"], list(state["returns"])
