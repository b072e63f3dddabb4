"""What may be wrong with a conditioning problem, found in one read of one flag, and said in one sentence."""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian.constraint import LinearConstraint
from heatbath.solvers.gaussian.covariance import Covariance
from heatbath.solvers.gaussian.factor import Factor, truncate, unit_scale
from heatbath.solvers.gaussian.shapes import broadcast

CONSISTENT = 1e-9
"""What may be left of a residual in directions without variance, beside the size of the observation."""


def fit(mean: Tensor, covariance: Covariance, constraint: LinearConstraint) -> None:
    """Whether the shapes fit, which costs no synchronisation.

    Raises:
        InvalidInput: naming the two that do not.
    """
    if mean.dim() == 0:
        raise InvalidInput("`mean` must have shape (..., n), got a single number")
    n, (m, columns) = mean.shape[-1], constraint.shape
    if covariance.n != n:
        raise InvalidInput(f"`mean` is over {n} points, `covariance` over {covariance.n}")
    if columns != n:
        raise InvalidInput(f"`mean` is over {n} points, `constraint` over {columns}")
    batches = {
        "mean": mean.shape[:-1],
        "covariance": covariance.variance().shape[:-1],
        "constraint": broadcast(constraint.rhs.shape[:-1], constraint.rows.transposed().shape[:-2] if m == 1 else ()),
    }
    try:
        broadcast(*batches.values())
    except RuntimeError:
        found = ", ".join(f"`{name}` {tuple(shape)}" for name, shape in batches.items())
        raise InvalidInput(f"the batch axes do not fit together: {found}") from None


def ensure_sound(
    mean: Tensor,
    covariance: Covariance,
    constraint: LinearConstraint,
    S: Tensor,
    innovation: Tensor,
    factor: Factor,
) -> Factor:
    """The factor to use: the one given where all is well (one read of one flag), a truncated one for dependent rows.

    Raises:
        InvalidInput: saying what is wrong.
    """
    if bool(_sound(covariance, constraint, S, innovation) & factor.sound):
        return factor
    _refuse_bad_numbers(mean, covariance, constraint)
    if S.shape[-1] > 1:
        factor = truncate(S)
    _refuse_contradiction(mean, constraint, S, innovation, factor)
    return factor


@torch.no_grad()
def _sound(covariance: Covariance, constraint: LinearConstraint, S: Tensor, innovation: Tensor) -> Tensor:
    """A minimum carries NaN along, and a variance or mean that is not finite shows in S or in the innovation."""
    flag = (covariance.variance().amin() >= 0) & S.isfinite().all() & innovation.isfinite().all()
    rising = constraint.rows.sound()
    if rising is not None:
        flag = flag & rising
    return flag if constraint.noise is None else flag & (constraint.noise.variance().amin() >= 0)


@torch.no_grad()
def _refuse_bad_numbers(mean: Tensor, covariance: Covariance, constraint: LinearConstraint) -> None:
    """The slow look, once something is known to be wrong."""
    for name, values in (("mean", mean), ("the constraint's `rhs`", constraint.rhs)):
        if not bool(values.isfinite().all()):
            raise InvalidInput(f"{name} has {int((~values.isfinite()).sum())} values that are NaN or infinite")
    laws = {"covariance": covariance} | (
        {} if constraint.noise is None else {"the constraint's noise": constraint.noise}
    )
    for name, law in laws.items():
        variance = law.variance()
        if bool(variance.isnan().any()):
            raise InvalidInput(f"{name} has {int(variance.isnan().sum())} variances that are NaN")
        if bool((variance < 0).any()):
            raise InvalidInput(f"{name} has negative variances, the least is {float(variance.min()):.3g}")
        if bool(variance.isinf().any()):
            raise InvalidInput(f"{name} has infinite variances; a flat prior is a large finite one")
    rising = constraint.rows.sound()
    if rising is not None and not bool(rising):
        raise InvalidInput("the constraint's grid does not rise from each point to the next; sort it")
    if not bool(constraint.rows.transposed().isfinite().all()):
        raise InvalidInput("the constraint's rows have values that are NaN or infinite")


@torch.no_grad()
def _refuse_contradiction(
    mean: Tensor, constraint: LinearConstraint, S: Tensor, innovation: Tensor, factor: Factor
) -> None:
    """In a direction without variance b must be what the mean has already."""
    left = innovation - (S @ factor.solve(innovation).unsqueeze(-1)).squeeze(-1)
    scale = unit_scale(S)
    size = constraint.rows.matvec(mean).abs() + constraint.rhs.abs()
    regular = S.diagonal(dim1=-2, dim2=-1) > 0
    excess = left.abs() * scale - CONSISTENT * (size * scale + regular)
    worst = excess.flatten(0, -2).amax(0) if excess.dim() > 1 else excess
    row = int(worst.argmax())
    if not float(worst[row]) > 0:
        return
    off = float(left[..., row].abs().max())
    if not bool(regular[..., row].all()):
        raise InvalidInput(
            f"row {row} of the constraint cannot be met: it is off by {off:.3g} where the covariance has no variance; "
            "give those points some, or the constraint a noise"
        )
    raise InvalidInput(
        f"the constraint's rows contradict each other: row {row} stays off by {off:.3g} when the others hold; "
        "correct `rhs`, or give the constraint a noise"
    )
