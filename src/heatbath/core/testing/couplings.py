"""Conformance of solvers of `coupling` and `bottleneck`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heatbath.core.contracts import Bottleneck, Marginals, Solution, Solver
from heatbath.core.testing.expect import expect, global_generators_untouched

Masses = NDArray[np.float64]
PAIRS: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    ((0.5, 0.25, 0.25), (0.6, 0.4)),
    ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.5)),
    ((0.4, 0.0, 0.3, 0.2, 0.1), (0.5, 0.3, 0.2)),
    ((1.0,), (0.7, 0.3)),
)
"""Marginals with ties, a mass of 0, and a side of one symbol."""
SOURCES = ((0.7, 0.2, 0.1), (0.25, 0.25, 0.25, 0.25), (0.4, 0.0, 0.3, 0.2, 0.1), (1.0,))
RATES = (0.0, 0.5, 1.0, 1.5, 3.0)


def check_coupler(name: str, solver: Solver, accuracy: float) -> None:
    """The answer has the marginals that were given, in positive atoms, and the same ones each time."""
    for pair in PAIRS:
        marginals = tuple(np.array(p) for p in pair)
        with global_generators_untouched(name, "the solver"):
            value = _solved(name, solver, Marginals(marginals)).value
        for p, given in zip(marginals, pair, strict=True):
            expect(tuple(p.tolist()) == given, f"{name}: the marginals that it was given are changed")
        _check_coupling(name, value, marginals, accuracy)
        again = _solved(name, solver, Marginals(marginals)).value
        same = np.array_equal(again.indices, value.indices) and np.array_equal(again.mass, value.mass)
        expect(same, f"{name}: two solutions of one problem differ")


def _check_coupling(name: str, value: Any, marginals: tuple[Masses, ...], accuracy: float) -> None:
    for attribute in ("indices", "mass"):
        expect(hasattr(value, attribute), f"{name}: the answer has no `{attribute}`, got {type(value).__name__}")
    indices, mass = np.asarray(value.indices), np.asarray(value.mass)
    wanted = (len(marginals), len(mass))
    expect(indices.shape == wanted, f"{name}: `indices` has shape {indices.shape}, expected {wanted}")
    expect(np.issubdtype(indices.dtype, np.integer), f"{name}: `indices` must be integers, got {indices.dtype}")
    expect((mass > 0).all(), f"{name}: an atom has the mass {mass.min()}, expected positive ones")
    for k, p in enumerate(marginals):
        inside = ((indices[k] >= 0) & (indices[k] < len(p))).all()
        expect(inside, f"{name}: `indices[{k}]` names a symbol that marginal {k} does not have")
        off = float(np.abs(np.bincount(indices[k], weights=mass, minlength=len(p)) - p).max())
        expect(off <= accuracy, f"{name}: marginal {k} of the answer is off by {off:.2g}, more than {accuracy}")


def check_encoder(name: str, solver: Solver, accuracy: float) -> None:
    """The answer is a map or a channel whose code keeps the rate, and the same one each time."""
    for source in SOURCES:
        for rate in RATES:
            p = np.array(source)
            with global_generators_untouched(name, "the solver"):
                value = np.asarray(_solved(name, solver, Bottleneck(p, rate)).value)
            expect(tuple(p.tolist()) == source, f"{name}: the source that it was given is changed")
            code = _code_masses(name, value, p)
            positive = code[code > 0]
            entropy = float(-(positive * np.log2(positive)).sum())
            expect(entropy <= rate + accuracy, f"{name}: a code of {entropy:.6g} bits at a rate of {rate}")
            again = np.asarray(_solved(name, solver, Bottleneck(p, rate)).value)
            expect(np.array_equal(again, value), f"{name}: two solutions of one problem differ")


def _code_masses(name: str, value: NDArray[Any], p: Masses) -> Masses:
    if value.shape == p.shape and np.issubdtype(value.dtype, np.integer):
        expect(value.min() >= 0, f"{name}: labels count from 0, got {value.min()}")
        return np.bincount(value, weights=p).astype(np.float64)
    channel = value.ndim == 2 and len(value) == len(p)
    expect(channel, f"{name}: expected labels, shape {p.shape}, or p(t | x), got {value.dtype} of shape {value.shape}")
    stochastic = value.min() >= 0 and np.abs(value.sum(1) - 1).max() <= 1e-9
    expect(stochastic, f"{name}: the rows of p(t | x) must be of at least 0 and sum to 1")
    return np.asarray(p @ value)


def _solved(name: str, solver: Solver, problem: Marginals | Bottleneck) -> Solution:
    solution = solver.solve(problem)
    expect(isinstance(solution, Solution), f"{name}: expected a Solution, got {type(solution).__name__}")
    expect(solution.ok, f"{name}: did not reach the end: {dict(solution.stats)}")
    expect(not solution.trace, f"{name}: nothing was to be recorded, yet the trace holds {sorted(solution.trace)}")
    for key, value in solution.stats.items():
        expect(isinstance(value, int | float | str), f"{name}: the statistic {key!r} must be a number on the host")
    return solution
