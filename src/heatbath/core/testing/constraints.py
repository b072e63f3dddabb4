"""Conformance of constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from heatbath.core.contracts import Constraint, Gaussian
from heatbath.core.host import Host
from heatbath.core.testing.examples import BATCH, DIM, TIME, build, example_values
from heatbath.core.testing.expect import check_needs, expect


def check_constraint(
    host: Host, name: str, *, values: Mapping[str, Any] | None = None, exact: bool = True, **options: Any
) -> None:
    """Check a registered constraint against its contract, on a random Gaussian belief over 18 variables.

    Args:
        host: the plugins.
        name: as registered.
        values: what `at` is to see, where the examples of `example_values` do not fit it.
        exact: whether conditioning is to leave no residual; else only a smaller one.
        options: its own.

    Raises:
        ConformanceError: saying what is wrong.
    """
    constraint = build(host, "constraints", name, **options)
    expect(isinstance(constraint, Constraint), f"{name}: a constraint has `needs` and `at(values)`")
    check_needs(name, constraint)
    bound = constraint.at({**example_values(constraint.needs), **(values or {})})
    for method in ("residual", "condition"):
        expect(hasattr(bound, method), f"{name}: what `at` gives has no `{method}`")
    generator = torch.Generator().manual_seed(5)
    mean, spread = torch.randn(2, BATCH, TIME * DIM, generator=generator, dtype=torch.float64)
    belief = Gaussian(mean, spread.exp())
    before = bound.residual(belief.mean)
    shape = tuple(before.shape)
    expect(shape[:1] == (BATCH,), f"{name}: `residual` must have the batch of {BATCH} first, got shape {shape}")
    after = bound.condition(belief)
    expect(isinstance(after, Gaussian), f"{name}: `condition` must give a Gaussian, got {type(after).__name__}")
    left, had = float(bound.residual(after.mean).abs().max()), float(before.abs().max())
    expect(
        left <= 1e-9 * max(had, 1.0) if exact else left < had, f"{name}: conditioning leaves a residual of {left:.2g}"
    )
    variance = after.marginal_variance
    expect(bool((variance <= belief.variance * (1 + 1e-9)).all()), f"{name}: conditioning makes a belief less certain")
    unclipped = after.variance if after.factor is None else after.variance - after.factor.square().sum(-1)
    unclipped = unclipped if after.spread is None else unclipped + after.spread.square().sum(-1)
    expect(bool((unclipped >= -1e-9 * belief.variance).all()), f"{name}: conditioning gives a negative variance")
