"""What may be wrong with a conditioning problem, found in one read of one flag, and said in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from heatbath.core.contracts import Gaussian
from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian.constraint import LinearConstraint
from heatbath.solvers.gaussian.dependent import DEPENDENT
from heatbath.solvers.gaussian.protocol import Covariance, given, magnitude, others
from heatbath.solvers.gaussian.rows import complaint_of
from heatbath.solvers.gaussian.shapes import fitting, tensor

if TYPE_CHECKING:
    from heatbath.solvers.gaussian.conditioned import ConditionedGaussian

CONSISTENT = 10 * DEPENDENT
"""What may be left of a row, beside the size of its terms: 1e-12. Rows that agree leave `DEPENDENT` of it at most."""
INDEFINITE = 1e-10
"""What a variance that should be 0 may be below it, beside those that it is a difference of."""
UNSEEN = 1e-3
"""What a row with a noise may be off by, beside the noise's deviation."""
FAR = 1e4
"""Standard deviations by which rows are told to agree only far away."""
SHARES = 0.1
"""Rows that are off by this part of the worst one, in deviations, are named beside it."""


def kinds(mean: Any, covariance: Any, constraint: Any) -> None:
    """Whether these are a tensor, a covariance and a constraint.

    Raises:
        InvalidInput: saying what to pass instead.
    """
    tensor("`mean`", mean, "(..., n)", 0)
    if mean.dim() == 0:
        raise InvalidInput("`mean` must have shape (..., n), got a single number")
    if mean.shape[-1] == 0:
        raise InvalidInput(f"`mean` must be over one point at least, got shape {tuple(mean.shape)}")
    if isinstance(covariance, Gaussian):
        raise InvalidInput(
            "`covariance` is a whole law; pass its mean, and its covariance by "
            "`heatbath.solvers.gaussian.covariance.of_gaussian(law)`"
        )
    if isinstance(covariance, Tensor) or not hasattr(covariance, "times"):
        what = f"a tensor of shape {tuple(covariance.shape)}" if isinstance(covariance, Tensor) else type(covariance)
        raise InvalidInput(
            f"`covariance` must say of what form it is, got {what}; variances go into `Diagonal(variances)`, "
            "a matrix into `Dense(matrix)`"
        )
    if not isinstance(constraint, LinearConstraint):
        raise InvalidInput(
            f"`constraint` must be a `LinearConstraint`, got {type(constraint).__name__}; "
            "`LinearConstraint.quadrature(x, mass)` is an integral, `LinearConstraint.dense(rows, rhs)` any rows"
        )


def fit(mean: Tensor, covariance: Covariance, constraint: LinearConstraint) -> None:
    """Whether the shapes fit, which costs no synchronisation.

    Raises:
        InvalidInput: naming the two that do not.
    """
    n, (_, columns) = mean.shape[-1], constraint.shape
    if covariance.n != n:
        raise InvalidInput(f"`mean` is over {n} points, `covariance` over {covariance.n}")
    if columns != n:
        raise InvalidInput(f"`mean` is over {n} points, `constraint` over {columns}")
    fitting(mean=mean.shape[:-1], covariance=given(covariance).shape[:-1], constraint=constraint.batch)


def sound(
    mean: Tensor,
    covariance: Covariance,
    constraint: LinearConstraint,
    cross: Tensor,
    S: Tensor,
    innovation: Tensor,
    regular: Tensor,
) -> bool:
    """Whether all is well, S being `regular`: the one read of `condition`."""
    computed = (S, innovation, mean, *others(covariance, cross))
    return bool(_flag(covariance, constraint, computed) & regular)


@torch.no_grad()
def _flag(covariance: Covariance, constraint: LinearConstraint, computed: Sequence[Tensor]) -> Tensor:
    """Extremes and sums carry NaN and infinity along, each in one pass without a field's worth of flags.

    A sum may overflow where no number does; the slow look then finds nothing wrong.
    """
    flag = _all_positive(covariance) & torch.stack([values.sum() for values in computed]).isfinite().all()
    rows = constraint.rows.sound()
    if rows is not None:
        flag = flag & rows
    return flag if constraint.noise is None else flag & _all_positive(constraint.noise)


def _all_positive(covariance: Covariance) -> Tensor:
    """And finite; a batch of no fields has no extremes."""
    numbers = given(covariance)
    if not numbers.numel():
        return (numbers >= 0).all()
    lowest, highest = numbers.aminmax()
    return (lowest >= 0) & (highest < torch.inf)


@torch.no_grad()
def refuse_bad_numbers(mean: Tensor, covariance: Covariance, constraint: LinearConstraint, cross: Tensor) -> None:
    """The slow look, once something is known to be wrong.

    Raises:
        InvalidInput: saying what.
    """
    for name, values in (("mean", mean), ("the constraint's `rhs`", constraint.rhs)):
        if not bool(values.isfinite().all()):
            raise InvalidInput(f"{name} has {int((~values.isfinite()).sum())} values that are NaN or infinite")
    laws = {"covariance": covariance} | (
        {} if constraint.noise is None else {"the constraint's noise": constraint.noise}
    )
    for name, law in laws.items():
        for variance in (given(law), law.variance()):
            if bool(variance.isnan().any()):
                raise InvalidInput(f"{name} has {int(variance.isnan().sum())} variances that are NaN")
            if bool((variance < 0).any()):
                raise InvalidInput(f"{name} has negative variances, the least is {float(variance.min()):.3g}")
            if bool(variance.isinf().any()):
                raise InvalidInput(f"{name} has infinite variances; a flat prior is a large finite one")
    rows = constraint.rows.sound()
    if rows is not None and not bool(rows):
        raise InvalidInput(complaint_of(constraint.rows))
    if not bool(constraint.rows.transposed().isfinite().all()):
        raise InvalidInput("the constraint's rows have values that are NaN or infinite")
    if bad := sum(int((~values.isfinite()).sum()) for values in others(covariance, cross)):
        raise InvalidInput(f"covariance has {bad} values beside its variances that are NaN or infinite")


@torch.no_grad()
def refuse_indefinite(covariance: Covariance, constraint: LinearConstraint, least: Tensor | None = None) -> None:
    """Whether a row has a negative variance, or a mixture of rows: `least` is the worst one's beside the best one's.

    Raises:
        InvalidInput: with that variance.
    """
    columns = constraint.rows.transposed()
    variance = (columns * covariance.times(columns)).sum(-2)
    scale = (columns.square() * magnitude(covariance).unsqueeze(-1)).sum(-2)
    below = variance + INDEFINITE * scale
    if bool((below < 0).any()):
        worst = below.flatten(0, -2).amin(0) if below.dim() > 1 else below
        row = int(worst.argmin())
        raise InvalidInput(
            f"the covariance is not positive semidefinite: row {row} of the constraint has the variance "
            f"{float(variance[..., row].min()):.3g}; symmetrise it and clip its eigenvalues"
        )
    if least is not None and bool((least < -INDEFINITE).any()):
        raise InvalidInput(
            "the covariance is not positive semidefinite: a mixture of the constraint's rows has "
            f"{float(least.min()):.3g} times the variance of another; symmetrise it and clip its eigenvalues"
        )


@torch.no_grad()
def refuse_contradiction(posterior: ConditionedGaussian, S: Tensor) -> None:
    """Each row must hold to `CONSISTENT` of its terms: no more is left by round-off, and by rows that agree.

    Rows that agree, but so far from the mean that round-off there is more than that, are no better.

    Raises:
        InvalidInput: naming the row that is worst off, and those that are at odds.
    """
    constraint, factor = posterior.constraint, posterior.factor
    if factor.mixing is not None and not bool(factor.sound):
        raise InvalidInput(
            "the covariance is singular up to round-off in some mixtures of the constraint's rows; give the constraint "
            "a noise, or the covariance a diagonal of its own"
        )
    v = factor.unmixed(factor.solve(posterior.innovation))
    left = posterior.residual()
    if constraint.noise is not None:
        left = left - constraint.noise.times(v.unsqueeze(-1)).squeeze(-1)
    typical = posterior.prior_mean.abs() + magnitude(posterior.prior).sqrt()
    columns = constraint.rows.transposed().abs()
    size = (typical.unsqueeze(-2) @ columns).squeeze(-2) + constraint.rhs.abs()
    allowed = CONSISTENT * size
    if constraint.noise is not None:
        allowed = allowed + UNSEEN * constraint.noise.variance().sqrt()
    excess = (left.abs() - allowed) / torch.where(size > 0, size, 1.0)
    if not bool((excess > 0).any()):
        return
    deviations = S.diagonal(dim1=-2, dim2=-1).clamp_min(0.0).sqrt()
    tables = torch.broadcast_tensors(excess, left.abs(), deviations, (v * deviations).abs())
    worst = int(tables[0].amax(-1).argmax())
    over, off, deviation, pull = (table.reshape(-1, table.shape[-1])[worst] for table in tables)
    row = int(over.argmax())
    if float(deviation[row]) == 0:
        raise InvalidInput(
            f"row {row} of the constraint cannot be met: it is off by {float(off[row]):.3g} where the covariance has "
            f"no variance; give those points some, or the constraint a noise{_again(posterior)}"
        )
    if factor.mixing is not None and bool((factor.freedom() < factor.mixing.independent).any()):
        raise InvalidInput(
            "the constraint asks for what the law cannot give: the covariance has no variance beyond round-off in some "
            f"mixtures of its rows, and row {row} stays off by {float(off[row]):.3g}; give the constraint a noise, or "
            f"the covariance a diagonal of its own{_again(posterior)}"
        )
    moved = float(posterior.chi_square().expand(tables[0].shape[:-1]).reshape(-1)[worst]) ** 0.5
    if moved > FAR:
        raise InvalidInput(
            f"the constraint's rows contradict each other: {_rows(pull)} agree only where the mean has moved by "
            f"{moved:.2g} of its standard deviations, and round-off leaves {float(off[row]):.2g}; correct `rhs`, or "
            "give the constraint a noise"
        )
    raise InvalidInput(
        f"the constraint's rows contradict each other: row {row} stays off by {float(off[row]):.3g} when the others "
        f"hold ({_rows(over.clamp_min(0.0))} are at odds); correct `rhs`, or give the constraint a noise"
    )


def _again(posterior: ConditionedGaussian) -> str:
    """What to do where the law before is a difference, known to round-off of what it was before that."""
    if torch.equal(magnitude(posterior.prior), posterior.prior.variance()):
        return ""
    return "; or stack this constraint with those that the law was conditioned on before, and condition once"


def _rows(shares: Tensor) -> str:
    """Names of the rows with more than `SHARES` of the largest share."""
    named = [str(k) for k, share in enumerate(shares.tolist()) if share > SHARES * float(shares.max())]
    return ("rows " if len(named) > 1 else "row ") + ", ".join(named)
