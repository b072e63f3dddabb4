"""Codes of bounded entropy and couplings of random marginals, measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor

from heatbath.core import contracts
from heatbath.core.build import Setup
from heatbath.core.contracts import Clock
from heatbath.plugins.mecb import options as opt
from heatbath.solvers.coupling.bottleneck import BottleneckCoupling, mecb
from heatbath.solvers.coupling.code import Code
from heatbath.solvers.coupling.joint import Coupling
from heatbath.solvers.coupling.marginals import Masses, binary_entropy, entropy, marginal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NATS = math.log(2)
"""Nats of a bit."""
SHOWN = (1.0, 1.5, 2.0, 3.0)
"""H(X) / R of the joint laws that are drawn."""


class Bottleneck:
    """I(X; T) of three encoders and I(X; Y) of a coupling with Y, at rates R = H(X) i / steps, i = 1 .. steps; in bits.

    Metrics of an evaluation: `information`, `information_refined`, `information_baseline` and `mutual_information`,
    each summed over the rates so far and divided by the sum of the rates, so that a code that always fills the rate
    has 1; `gap`, the largest R - I(X; T) of the first encoder.

    Reference:
        Ebrahimi, Chen, Khisti, "Minimum entropy coupling with bottleneck", NeurIPS 2024, figures 2, 9 and 10.
    """

    def __init__(self, options: opt.Bottleneck, setup: Setup) -> None:
        known = (options.masses, options.masses) if options.masses else opt.SOURCES[options.source]
        self.p_x, self.p_y = marginal(known[0], "the source"), marginal(options.output or known[1], "the output")
        self.names = {slot: getattr(options, slot).name for slot in ("encoder", "refined", "baseline")}
        self.encoders = {slot: setup.build(slot, getattr(options, slot)) for slot in self.names}
        self.coupler = setup.build("coupler", options.coupler)
        self.rows: list[dict[str, float]] = []

    def coupled(self, rate: float, slot: str = "encoder") -> BottleneckCoupling:
        """X, T and Y at a rate, with the encoder of that slot."""
        return mecb(self.p_x, self.p_y, rate, encoder=self._encode(slot), coupler=self._couple)

    def _encode(self, slot: str) -> Callable[[Masses, float], Any]:
        solver = self.encoders[slot]
        return lambda p, rate: solver.solve(contracts.Bottleneck(p, rate)).value

    def _couple(self, p: Masses, q: Masses) -> Coupling:
        return Coupling.of_answer(self.coupler.solve(contracts.Marginals((p, q))).value, (p, q))

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """One rate."""
        rate = entropy(self.p_x) * (clock.step + 1) / clock.total
        made = self.coupled(rate)
        codes = {slot: Code.of(self._encode(slot)(self.p_x, rate), self.p_x) for slot in ("refined", "baseline")}
        row = {
            "rate": rate,
            "code_entropy": made.code.entropy,
            "information": made.code.information,
            "information_refined": codes["refined"].information,
            "information_baseline": codes["baseline"].information,
            "mutual_information": made.mutual_information,
        }
        self.rows.append(row)
        return dict(row)

    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Shares of the rate, over all rates so far."""
        rates = math.fsum(row["rate"] for row in self.rows)
        names = ("information", "information_refined", "information_baseline", "mutual_information")
        shares = {name: math.fsum(row[name] for row in self.rows) / rates if rates else 1.0 for name in names}
        return {**shares, "gap": max(row["rate"] - row["information"] for row in self.rows)}

    def references(self) -> dict[str, dict[str, float | None]]:
        """What no code can exceed; and what the gap of `ebim` cannot: h(p_2), p_2 the second largest mass."""
        second = float(np.sort(self.p_x)[-2]) if len(self.p_x) > 1 else 0.0
        shares = ("information", "information_refined", "information_baseline", "mutual_information")
        return {"bound": {**dict.fromkeys(shares, 1.0), "gap": binary_entropy(second)}}

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.mecb import figures  # matplotlib is an extra

        whole = entropy(self.p_x)
        return {
            "information": lambda: figures.information(self.rows, self.p_x, self.names),
            "couplings": lambda: figures.joints({c: self.coupled(whole / c).joint for c in SHOWN}),
        }

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [dict(row) for row in state["rows"]]


class Couplings:
    """Joint entropies, in nats, of couplings of pairs of random marginals, beside the lower bound for each pair.

    Metrics of an evaluation, over all pairs so far: `joint_entropy` and `joint_entropy_std`, mean and standard
    deviation; `gap`, the mean certified distance to the optimum.

    Reference:
        Ebrahimi, Chen, Khisti, NeurIPS 2024, table 1.
    """

    chunk = 100

    def __init__(self, options: opt.Couplings, setup: Setup) -> None:
        self.options, self.generator = options, setup.generator
        self.coupler = setup.build("coupler", options.coupler)
        self.entropies: list[float] = []
        self.bounds: list[float] = []

    def _draw(self, pairs: int) -> Masses:
        """Marginals, shape `(pairs, 2, support)`."""
        shape, device = (pairs, 2, self.options.support), self.generator.device
        if self.options.law == "half-normal":
            drawn = torch.randn(shape, generator=self.generator, dtype=torch.float64, device=device).abs()
        else:
            uniform = torch.rand(shape, generator=self.generator, dtype=torch.float64, device=device)
            drawn = -torch.log1p(-uniform)
        masses: Masses = (drawn / drawn.sum(2, keepdim=True)).cpu().numpy()
        return masses

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """Draw and couple a chunk of pairs."""
        drawn = self._draw(min(self.chunk, clock.total - clock.step))
        for p, q in drawn:
            coupling = Coupling.of_answer(self.coupler.solve(contracts.Marginals((p, q))).value, (p, q))
            self.entropies.append(NATS * coupling.entropy)
            self.bounds.append(NATS * max(coupling.bounds))
        recent = self.entropies[-len(drawn) :]
        return {"joint_entropy": fmean(recent), "gap": fmean(recent) - fmean(self.bounds[-len(drawn) :])}

    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Over all pairs so far."""
        mean = fmean(self.entropies)
        spread = pstdev(self.entropies)
        return {"joint_entropy": mean, "joint_entropy_std": spread, "gap": mean - fmean(self.bounds)}

    def references(self) -> dict[str, dict[str, float | None]]:
        """The mean of the lower bounds, which no coupler can be asked to beat."""
        return {"lower bound": {"joint_entropy": fmean(self.bounds), "gap": 0.0}}

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.mecb import figures

        return {"joint_entropy": lambda: figures.entropies(self.entropies, self.bounds)}

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"entropies": list(self.entropies), "bounds": list(self.bounds)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.entropies, self.bounds = list(state["entropies"]), list(state["bounds"])
