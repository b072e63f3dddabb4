"""Known integrals of fields, as constraints: the paper's, its variant with artificial diffusion, and a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from heatbath.core.build import Setup
from heatbath.core.contracts import Conditioning, Gaussian, Solver
from heatbath.plugins.probconserv import options as opt
from heatbath.solvers.gaussian import LinearConstraint, condition
from heatbath.solvers.gaussian.conditioned import ConditionedGaussian
from heatbath.solvers.gaussian.covariance import of_gaussian
from heatbath.solvers.gaussian.options import Conditioner as ConditionerOptions
from heatbath.solvers.gaussian.solver import Conditioner

KNOWN = frozenset({"fact:grid", "fact:mass"})


@dataclass(frozen=True)
class BoundMass:
    """w . u = b for the fields at hand.

    Attributes:
        constraint: one row, b of shape `(batch, 1)`.
        solver: of the problem `conditioning`.
    """

    constraint: LinearConstraint
    solver: Solver

    def residual(self, y: Tensor) -> Tensor:
        """w . y - b for fields `(batch, n)`, shape `(batch,)`."""
        return self.constraint.residual(y.flatten(1)).squeeze(-1)

    def condition(self, belief: Gaussian) -> Gaussian:
        """The law given b; float64. Raises as `solvers.gaussian.condition` does."""
        return as_gaussian(self.solver.solve(self._problem(belief)).value)

    def chi_square(self, belief: Gaussian) -> Tensor | None:
        """(w . mean - b)^2 / (w . Sigma w): how far the law is from what is known, in its own variances, `(batch,)`.

        None where the solver does not record it.
        """
        if "chi_square" not in self.solver.records:
            return None
        found: Tensor = self.solver.solve(self._problem(belief), record=frozenset({"chi_square"})).trace["chi_square"]
        return found

    def _problem(self, belief: Gaussian) -> Conditioning:
        """In the contracts' terms, for any solver: the noise of one row is a variance."""
        known = self.constraint
        return Conditioning(belief, known.rows, known.rhs, 0.0 if known.noise is None else known.noise.variance())


class Mass:
    """The quadrature of each field is its known mass.

    mean' = mean - s (w . mean - b) / S,  variance' = variance - s^2 / S,  s = variance w,  S = w . s + noise^2
    for a diagonal law; other laws as `solvers.gaussian` has it.

    Reference:
        Hansen et al., ICML 2023, step 2.
    """

    needs = KNOWN

    def __init__(self, options: opt.Mass, setup: Setup) -> None:
        self.options = options
        self.solver: Solver = setup.build("solver", options.solver)

    def at(self, values: Mapping[str, Any]) -> BoundMass:
        """For `fact:grid`, places `(n,)` or `(batch, n)`, and `fact:mass`, `(batch,)`."""
        return BoundMass(known_mass(values, self.options.rule, self.options.noise**2), self.solver)


class SmoothMass(Mass):
    """The same after artificial diffusion: u_{i-1} - 2 u_i + u_{i+1} = e_i was observed, with e_i of the variance

    R_i = s_{i-1}^2 + 4 s_i^2 + s_{i+1}^2 - 4 a s_{i-1} s_i - 4 a s_i s_{i+1} + 2 a^2 s_{i-1} s_{i+1},

    that of a second difference of a process with the law's deviations s and the correlation a of neighbours. For equal
    distances. n - 2 rows: n^3 operations a field and n^2 numbers, where `mass` is linear. Over-confident outside of the
    range that the model was trained on.

    Reference:
        Hansen et al., ICML 2023, section 3.3; a = 0.9 is that of its code.
    """

    options: opt.SmoothMass

    def at(self, values: Mapping[str, Any]) -> BoundMass:
        return SmoothBoundMass(
            **vars(super().at(values)), correlation=self.options.correlation, check=getattr(self.solver, "check", True)
        )


@dataclass(frozen=True)
class SmoothBoundMass(BoundMass):
    """`BoundMass`, after smoothing."""

    correlation: float = 0.9
    check: bool = True
    """of the smoothing: as the solver checks what it does itself"""

    def condition(self, belief: Gaussian) -> Gaussian:
        # As a `Gaussian`, a variance less n - 2 columns, which any solver reads; the law itself only ours would.
        smooth = smoothed(belief, self.correlation, check=self.check).gaussian()
        return as_gaussian(self.solver.solve(self._problem(smooth)).value)


def smoothed(belief: Gaussian, correlation: float, *, check: bool = True) -> ConditionedGaussian:
    """The law after artificial diffusion; see `SmoothMass`. `check` as in `condition`: one synchronisation."""
    mean = belief.mean.double()
    s = belief.marginal_variance.double().sqrt()
    before, here, after = s[..., :-2], s[..., 1:-1], s[..., 2:]
    noise = (
        before.square() + 4 * here.square() + after.square()
        - 4 * correlation * here * (before + after) + 2 * correlation**2 * before * after
    )  # fmt: skip
    flat = LinearConstraint.second_difference(mean.shape[-1], noise, like=mean)
    return condition(mean, of_gaussian(belief), flat, check=check)


class HardC:
    """The mean is projected as if all variances were 1, and the variances stay: the correction goes everywhere.

    Reference:
        Hansen et al., ICML 2023, baseline HardC.
    """

    needs = KNOWN

    def __init__(self, options: opt.HardC, setup: Any) -> None:
        self.options = options

    def at(self, values: Mapping[str, Any]) -> BoundMass:
        known = known_mass(values, self.options.rule, 0.0)
        return HardBoundMass(known, Conditioner(ConditionerOptions(), None))


@dataclass(frozen=True)
class HardBoundMass(BoundMass):
    """`BoundMass`, spread evenly."""

    def condition(self, belief: Gaussian) -> Gaussian:
        even = Gaussian(belief.mean, torch.ones_like(belief.mean))
        moved = self.solver.solve(self._problem(even)).value.mean
        law = replace(belief, mean=moved, variance=belief.variance.double())
        return replace(
            law,
            factor=None if law.factor is None else law.factor.double(),
            spread=None if law.spread is None else law.spread.double(),
        )


def known_mass(values: Mapping[str, Any], rule: str, noise: float) -> LinearConstraint:
    """The constraint of facts `grid` and `mass`; `noise` is a variance."""
    return LinearConstraint.quadrature(values["fact:grid"], values["fact:mass"], rule, noise)


def as_gaussian(answer: Any) -> Gaussian:
    """What any solver of `conditioning` answers, as a `Gaussian`; points independent where it does not say more."""
    if isinstance(answer, Gaussian):
        return answer
    if hasattr(answer, "gaussian"):
        law: Gaussian = answer.gaussian()
        return law
    return Gaussian(answer.mean, answer.marginal_variance)
