"""The couplers and encoders of this room as solvers of the problems `coupling` and `bottleneck`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from torch import Generator

from heatbath.core.contracts import NOTHING, Bottleneck, Marginals, Solution, StepHook
from heatbath.solvers.coupling import options as opt
from heatbath.solvers.coupling.bottleneck import mecb, through_rows
from heatbath.solvers.coupling.closed_form import ebim, ebim_rows
from heatbath.solvers.coupling.code import Code
from heatbath.solvers.coupling.exact import exact_mec
from heatbath.solvers.coupling.greedy import greedy_mec, greedy_rows
from heatbath.solvers.coupling.joint import Coupling, independent
from heatbath.solvers.coupling.marginals import Masses
from heatbath.solvers.coupling.quantisers import adaptive_quantiser, shkel_verdu, uniform_quantiser
from heatbath.solvers.coupling.refined import ebim_refined
from heatbath.solvers.coupling.zero_seeking import zero_seeking_mec


class Coupler:
    """A function of marginals as a solver of `coupling`; `value` is a `Coupling`.

    A coupler may have `rows(P, Q)`, which couples many pairs at once, `(batch, n)` and `(batch, m)` to
    `(batch, n, m)`; `joint_rows` calls one that has not row by row.
    """

    records = NOTHING

    def __init__(self, couple: Callable[..., Coupling], rows: Callable[..., Any] | None = None) -> None:
        self.couple = couple
        if rows is not None:
            self.rows = rows

    def solve(
        self,
        problem: Marginals,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """Couple `problem.masses`; `on_step` has nothing to follow and is not called."""
        coupling = self.couple(*problem.masses)
        return Solution(coupling, stats={"atoms": len(coupling.mass), "joint_entropy": coupling.entropy})


class Encoder:
    """A function of a source and a rate as a solver of `bottleneck`; `value` is labels or p(t | x).

    An encoder may have `rows(P, rate)`, which encodes many sources at once: labels `(batch, n)` and masses of the
    codes `(batch, n)`, 0 for codes that do not occur.
    """

    records = NOTHING

    def __init__(self, encode: Callable[..., ArrayLike | Code], rows: Callable[..., Any] | None = None) -> None:
        self.encode = encode
        if rows is not None:
            self.rows = rows

    def solve(
        self,
        problem: Bottleneck,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution:
        """Encode `problem.source`; `on_step` has nothing to follow and is not called."""
        answer = self.encode(problem.source, problem.rate)
        code = answer if isinstance(answer, Code) else Code.of(answer, problem.source)
        value = code.labels if code.channel is None else code.channel
        return Solution(value, stats={"code_entropy": code.entropy, "information": code.information})


def joint_rows(encoder: Any, coupler: Any, P: Masses, Q: Masses, rate: float) -> Masses:
    """p(x, y) through a code of at most `rate` bits, for many pairs, with any solvers of the two problems.

    Args:
        encoder: a solver of `bottleneck`.
        coupler: a solver of `coupling`.
        P: laws of X, shape `(batch, n)`.
        Q: laws of Y, shape `(batch, m)`.
        rate: R in bits.

    Returns:
        Shape `(batch, n, m)`; with `ebim` and `greedy-mec` it is `mecb_rows`, with the same bits.

    Raises:
        CouplingError: for marginals that are none, a rate below 0, or a code that breaks the bound.
    """
    if hasattr(encoder, "rows") and hasattr(coupler, "rows"):
        labels, codes = encoder.rows(P, rate)
        return through_rows(P, labels, codes, Q, coupler.rows)

    def couple(p: Masses, q: Masses) -> Coupling:
        return Coupling.of_answer(coupler.solve(Marginals((p, q))).value, (p, q))

    def encode(p: Masses, rate: float) -> ArrayLike:
        code: ArrayLike = encoder.solve(Bottleneck(p, rate)).value
        return code

    made = [mecb(p, q, rate, encoder=encode, coupler=couple).joint for p, q in zip(P, Q, strict=True)]
    return np.stack(made) if made else np.zeros((*np.shape(P), np.shape(Q)[1]))


def greedy(options: None, setup: Any) -> Coupler:
    """`greedy-mec`."""
    return Coupler(greedy_mec, greedy_rows)


def zero_seeking(options: None, setup: Any) -> Coupler:
    """`zero-seeking-mec`."""
    return Coupler(zero_seeking_mec)


def exact(options: opt.Exact, setup: Any) -> Coupler:
    """`exact-mec`."""
    return Coupler(partial(exact_mec, max_symbols=options.max_symbols))


def product(options: None, setup: Any) -> Coupler:
    """`independent`."""
    return Coupler(independent)


def closed_form(options: None, setup: Any) -> Encoder:
    """`ebim`."""
    return Encoder(ebim, lambda P, rate: ebim_rows(P, rate)[:2])


def refined(options: opt.Refined, setup: Any) -> Encoder:
    """`ebim-refined`."""
    return Encoder(partial(ebim_refined, candidates=options.candidates))


def uniform(options: None, setup: Any) -> Encoder:
    """`uniform-quantiser`."""
    return Encoder(uniform_quantiser)


def adaptive(options: None, setup: Any) -> Encoder:
    """`adaptive-quantiser`."""
    return Encoder(adaptive_quantiser)


def single_shot(options: None, setup: Any) -> Encoder:
    """`shkel-verdu`."""
    return Encoder(shkel_verdu)
