"""Gaussians conditioned on linear observations, held implicitly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import index
from typing import SupportsIndex

import torch
from torch import Generator, Tensor

from heatbath.core.contracts import Gaussian
from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import checks
from heatbath.solvers.gaussian.constraint import LinearConstraint
from heatbath.solvers.gaussian.covariance import (
    Diagonal,
    DiagonalPlusLowRank,
    Downdated,
)
from heatbath.solvers.gaussian.density import log_density
from heatbath.solvers.gaussian.dependent import untangled
from heatbath.solvers.gaussian.factor import Factor, factorise
from heatbath.solvers.gaussian.kept import kept
from heatbath.solvers.gaussian.likelihood import pointwise_log_likelihood
from heatbath.solvers.gaussian.protocol import Covariance, given, magnitude, others
from heatbath.solvers.gaussian.shapes import broadcast, fitting, seeded, tensor

ROUND_OFF = 1e-13
"""Part of the variance that independent points would give a row, below which what is computed is round-off."""


def condition(
    mean: Tensor, covariance: Covariance, constraint: LinearConstraint, *, check: bool = True
) -> ConditionedGaussian:
    """The law of u ~ N(mean, covariance), given that b = G u + e, e ~ N(0, noise).

    S = G Sigma G^T + noise,  K = Sigma G^T S^{-1},
    mean' = mean - K (G mean - b),  Sigma' = Sigma - K G Sigma.

    Computed in float64 whatever the inputs are, and corrected once, so that without noise G mean' = b to round-off.
    Only products with Sigma are needed: for one row and a diagonal Sigma the cost is a few passes over the field.
    Rows that depend on each other, or almost, are found and mixed into independent ones (`dependent`); rows that
    contradict each other are an error: what is returned meets the constraint to 1e-12 of its terms.

    What goes in is kept and not copied, where it is float64 already, and the answer's `mean` and `variance` are
    computed when first asked for: do not change an input in place, hand in a clone of what will be changed.

    Symbols: mu, Sigma the law before; G, b the constraint; S, K as above.

    Args:
        mean: shape `(..., n)`; the leading axes are fields and times, each conditioned on its own.
        covariance: of shape n by n, with batch axes that broadcast against the mean's.
        constraint: its batch axes broadcast too.
        check: read back whether the input is sound, which is the one host synchronisation here. Without it bad input
            gives NaN, and dependent rows are not found.

    Returns:
        The law, in float64. Differentiable in all that went in.

    Raises:
        InvalidInput: for shapes that do not fit; with `check`, for variances that are negative or NaN, values that are
            not finite, a grid that does not rise, a row that asks for what has no variance, contradicting rows.

    Reference:
        Hansen, Maddix, Alizadeh, Gupta, Mahoney, "Learning Physical Models that Can Respect Conservation Laws", ICML
        2023, step 2; the covariance is any here, and there may be several rows.
    """
    checks.kinds(mean, covariance, constraint)
    mean, covariance = mean.double(), covariance.double()
    checks.fit(mean, covariance, constraint)
    cross = covariance.times(constraint.rows.transposed())
    S = _congruence(constraint, cross, covariance)
    if constraint.noise is not None:
        unit = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)
        S = S + constraint.noise.times(unit)
    innovation = constraint.rows.matvec(mean) - constraint.rhs
    factor = factorise(S)
    if check and not checks.sound(mean, covariance, constraint, cross, S, innovation, factor.sound):
        return _with_care(mean, covariance, constraint, cross, S, innovation, factor)
    return ConditionedGaussian(mean, covariance, constraint, cross, innovation, factor)


def _with_care(
    mean: Tensor,
    covariance: Covariance,
    constraint: LinearConstraint,
    cross: Tensor,
    S: Tensor,
    innovation: Tensor,
    factor: Factor,
) -> ConditionedGaussian:
    """The slow way, where something is wrong or rows depend on each other."""
    checks.refuse_bad_numbers(mean, covariance, constraint, cross)
    checks.refuse_indefinite(covariance, constraint)
    if S.shape[-1] > 1:
        cross, factor, least = untangled(covariance, constraint)
        checks.refuse_indefinite(covariance, constraint, least)
    posterior = ConditionedGaussian(mean, covariance, constraint, cross, innovation, factor)
    checks.refuse_contradiction(posterior, S)
    return replace(posterior)  # what the check has cached has no history


def _congruence(constraint: LinearConstraint, cross: Tensor, covariance: Covariance) -> Tensor:
    """G Sigma G^T from Sigma G^T, shape `(..., m, m)`, symmetric to the bit."""
    if cross.shape[-1] == 1:
        S = constraint.rows.matvec(cross.squeeze(-1)).unsqueeze(-1)
    else:
        # The columns go in front of all batches: rows may have some of their own.
        S = constraint.rows.matvec(cross.movedim(-1, 0)).movedim(0, -1)
        S = (S + S.mT) / 2
    if isinstance(covariance, Diagonal | DiagonalPlusLowRank):
        return S
    # Where Sigma came of a difference, a row's variance can be nothing but its round-off.
    independent = (constraint.rows.transposed().square() * magnitude(covariance).unsqueeze(-1)).sum(-2)
    real = S.diagonal(dim1=-2, dim2=-1) > ROUND_OFF * independent
    return torch.where(real.unsqueeze(-1) & real.unsqueeze(-2), S, 0.0)


@dataclass(frozen=True)
class ConditionedGaussian:
    """N(mean', Sigma') with Sigma' = Sigma - W W^T, W = Sigma G^T T^T, S^{-1} = T^T T. Made by `condition`.

    Attributes:
        prior_mean: mu, shape `(..., n)`.
        prior: Sigma.
        constraint: G, b and the noise.
        cross: Sigma G^T, shape `(..., n, m)`, or Sigma (M G)^T with the rows mixed as the factor has them.
        innovation: G mu - b, by how much the law before missed, shape `(..., m)`.
        factor: of S, or of M S M^T.
    """

    prior_mean: Tensor
    prior: Covariance
    constraint: LinearConstraint
    cross: Tensor
    innovation: Tensor
    factor: Factor

    @kept
    def mean(self) -> Tensor:
        """Shape `(..., n)`."""
        return self._pull(self.prior_mean, self.constraint.rhs, self.innovation)

    @kept
    def variance(self) -> Tensor:
        """Of each point, at least 0, shape `(..., n)`."""
        taken = self.taken
        if taken.shape[-1] == 1:
            taken = taken.squeeze(-1)
            left = torch.addcmul(self.prior.variance(), taken, taken, value=-1)
        else:
            left = self.prior.variance() - taken.square().sum(-1)
        # Fresh storage without a history can be clipped where it is; a field's worth of new memory costs as much again.
        left = left.clamp_min(0.0) if left.requires_grad else left.clamp_(min=0.0)
        return left.expand(self.shape)

    @property
    def traced(self) -> bool:
        """Whether gradients flow into any of what it was made of: each leaves its mark in one of these."""
        parts = (self.prior_mean, self.cross, self.innovation, self.factor.whitener)
        return any(part.requires_grad for part in parts)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of `mean` and `variance`: the batch axes of all that went in, and n."""
        batches = (self.prior_mean.shape[:-1], self.innovation.shape[:-1], self.cross.shape[:-2])
        return (*broadcast(*batches), self.prior_mean.shape[-1])

    @property
    def marginal_variance(self) -> Tensor:
        """`variance`, by its name in the contracts."""
        return self.variance

    @kept
    def taken(self) -> Tensor:
        """W, a column for each row of the factor: Sigma' = Sigma - W W^T."""
        return self.factor.whiten_columns(self.cross)

    @property
    def covariance(self) -> PosteriorCovariance:
        """Sigma', as what the next `condition` takes."""
        return PosteriorCovariance(self)

    def residual(self) -> Tensor:
        """G mean' - b, shape `(..., m)`: round-off without noise, noise S^{-1} (G mu - b) with it."""
        return self.constraint.rows.matvec(self.mean) - self.constraint.rhs

    def chi_square(self) -> Tensor:
        """How far the law before was from the observation: (G mu - b)^T S^{-1} (G mu - b), shape `(...)`.

        Chi-squared with `degrees_of_freedom` where the law before was right; one row: the squared number of standard
        deviations by which the model's total was off.
        """
        return self.factor.whiten(self.innovation).square().sum(-1)

    def degrees_of_freedom(self) -> Tensor:
        """Independent rows of the constraint, shape `(...)`, broadcastable to that of `chi_square`."""
        return self.factor.freedom()

    def conflict(self) -> Tensor:
        """Probability of a `chi_square` as large as this where the law before was right, shape `(...)`.

        Small values say that model and physics disagree by more than the model's own uncertainty.
        """
        chi_square = self.chi_square()
        freedom = self.degrees_of_freedom().clamp_min(1e-300)
        found: Tensor = torch.special.gammaincc((freedom / 2).expand_as(chi_square).contiguous(), chi_square / 2)
        return found

    def sample(self, draws: int, generator: Generator) -> Tensor:
        """Draws, shape `(draws, ..., n)`, by Matheron's rule: u - K (G u + e - b), u of the law before.

        Linear in n, without a factor of the singular Sigma'. Without noise each draw meets the constraint to round-off.

        Raises:
            InvalidInput: for `draws` that are no number of draws, or without a generator: the global one is never drawn
                from.

        Reference:
            Wilson et al., "Pathwise Conditioning of Gaussian Processes", JMLR 2021, equation 12.
        """
        if isinstance(draws, bool) or not isinstance(draws, SupportsIndex):
            raise InvalidInput(f"`draws` must be an integer, how many, got {draws!r}")
        if index(draws) < 0:
            raise InvalidInput(f"`draws` must be at least 0, got {draws}")
        seeded(generator)
        shape = (index(draws), *self.mean.shape)
        return self._conditioned(self.prior_mean + self.prior.draw(shape, generator), self.constraint.rhs, generator)

    def log_prob_pointwise(self, u: Tensor, floor: float = 1e-8) -> Tensor:
        """log N(u_i; mean'_i, variance_i) at each point, shape `(..., n)`, variances at least `floor`; nats."""
        return pointwise_log_likelihood(self._field(u), self.mean, self.variance, floor)

    def log_prob(self, u: Tensor, *, check: bool = True) -> Tensor:
        """log density of whole fields u of shape `(..., n)`, shape `(...)`; nats.

        With noise on every row: the density on the whole space,
        log N(u; mu, Sigma) + log N(b; G u, noise) - log N(b; G mu, S).
        Without: on the manifold G u = b, with respect to its surface,
        log N(u; mu, Sigma) - log N(b; G mu, S) - log det(G G^T) / 2, for u on it. With both kinds of rows, and with
        points that have no variance, on the manifold that these fix; see `density.log_density`.

        Deviation: the paper's code leaves the last term out; with it the density integrates to 1 over the manifold, and
        mixing the rows does not change it.

        Args:
            u: fields; what they are off the manifold is not seen.
            check: read back whether the answer is finite, which is a host synchronisation.

        Raises:
            InvalidInput: when the law before has no density (it was conditioned itself); with `check`, when it is
                singular beyond points without variance, or exact rows that depend on each other stand beside noisy
                ones.
        """
        u = self._field(u)
        deviation = u - self.prior_mean
        return log_density(self.prior, deviation, self.constraint, u, self.factor, self.chi_square(), check=check)

    def _field(self, u: Tensor) -> Tensor:
        tensor("`u`", u, "(..., n)", 1)
        if u.shape[-1] != self.prior_mean.shape[-1]:
            raise InvalidInput(f"the law is over {self.prior_mean.shape[-1]} points, `u` over {u.shape[-1]}")
        fitting(u=u.shape[:-1], law=self.shape[:-1])
        return u.double()

    def gaussian(self) -> Gaussian:
        """As the contracts have it.

        Raises:
            InvalidInput: when the law before is not of the form diag(v) + F F^T - W W^T.
        """
        base: Covariance = self.prior
        taken = self.taken
        if isinstance(base, PosteriorCovariance):
            before = base.posterior.gaussian()
            return Gaussian(self.mean, before.variance, _beside(before.factor, taken), before.spread)
        if isinstance(base, Downdated):
            taken, base = _beside(base.factor, taken), base.base
        if isinstance(base, DiagonalPlusLowRank):
            return Gaussian(self.mean, base.d.expand_as(self.mean), taken, base.factor)
        if isinstance(base, Diagonal):
            return Gaussian(self.mean, base.d.expand_as(self.mean), taken)
        raise InvalidInput(f"a {type(base).__name__} covariance is not of the form diag(v) + F F^T - W W^T")

    def _conditioned(self, u: Tensor, target: Tensor, generator: Generator) -> Tensor:
        """Draws of the law before turned into draws of this one."""
        noise = self.constraint.noise
        if noise is not None:
            target = target - noise.draw((*u.shape[:-1], self.constraint.rows.m), generator)
        return self._pull(u, target, self.constraint.rows.matvec(u) - target)

    def _pull(self, u: Tensor, target: Tensor, residual: Tensor) -> Tensor:
        """u - K residual, with residual = G u - target, and the same once more for what round-off left.

        With v = S^{-1} (G u - target), in the factor's mixture of rows, the exact answer leaves noise v of it.
        """
        v = self.factor.solve(residual)
        u = self._minus_cross(u, v)
        left = self.constraint.rows.matvec(u) - target
        if self.constraint.noise is not None:
            left = left - self.constraint.noise.times(self.factor.unmixed(v).unsqueeze(-1)).squeeze(-1)
        return self._minus_cross(u, self.factor.solve(left), own=not u.requires_grad)

    def _minus_cross(self, u: Tensor, v: Tensor, own: bool = False) -> Tensor:
        """u - Sigma G^T v; in place where u is our own and has no history."""
        if v.shape[-1] == 1:
            cross = self.cross.squeeze(-1)
            return u.addcmul_(cross, v, value=-1) if own else torch.addcmul(u, cross, v, value=-1)
        return u - (self.cross @ v.unsqueeze(-1)).squeeze(-1)


@dataclass(frozen=True)
class PosteriorCovariance:
    """Sigma - W W^T, drawn from by Matheron's rule, so that conditioning goes on from a conditioned law."""

    posterior: ConditionedGaussian

    @property
    def n(self) -> int:
        return self.posterior.prior.n

    def double(self) -> PosteriorCovariance:
        return self

    def times(self, vectors: Tensor) -> Tensor:
        taken = self.posterior.taken
        return self.posterior.prior.times(vectors) - taken @ (taken.mT @ vectors)

    def variance(self) -> Tensor:
        return self.posterior.variance

    def magnitude(self) -> Tensor:
        return magnitude(self.posterior.prior)

    def given(self) -> Tensor:
        return given(self.posterior.prior)

    def others(self) -> tuple[Tensor, ...]:
        return (*others(self.posterior.prior, self.posterior.cross), self.posterior.taken)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        before = self.posterior.prior.draw(shape, generator)
        return self.posterior._conditioned(before, torch.zeros_like(self.posterior.constraint.rhs), generator)

    def log_prob(self, deviation: Tensor) -> Tensor:
        return Downdated(self.posterior.prior, self.posterior.taken).log_prob(deviation)


def _beside(a: Tensor | None, b: Tensor) -> Tensor:
    if a is None:
        return b
    batch = broadcast(a.shape[:-2], b.shape[:-2])
    return torch.cat([part.expand(*batch, *part.shape[-2:]) for part in (a, b)], -1)
