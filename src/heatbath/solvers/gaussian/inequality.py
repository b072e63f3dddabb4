"""Inequalities together with a conserved total: bounds by water-filling, monotone profiles by pooling.

Both minimise the Mahalanobis distance to the mean under a diagonal covariance d,

    sum_i (y_i - mu_i)^2 / d_i   subject to   sum_i w_i y_i = b   and the inequalities,

whose solution is that without the total, applied to mu - level s with s = d w: one number, the level, is searched for.
"""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian.precision import float64
from heatbath.solvers.gaussian.shapes import fitting, tensor

ROUNDS = 100
"""Most rounds of the search for a monotone profile's level; a dozen are usual."""


def water_fill(
    mean: Tensor,
    variance: Tensor,
    weights: Tensor,
    mass: Tensor | float,
    lower: Tensor | float = 0.0,
    upper: Tensor | float = float("inf"),
) -> Tensor:
    """The closest field with lower <= y <= upper and sum_i w_i y_i = mass: y = clip(mu - level s, lower, upper).

    The total falls as the level rises, in straight pieces between the levels where a point reaches or leaves a bound.
    These are sorted, the piece that holds `mass` is found by cumulative sums, and there the level has a closed form,
    through which gradients flow. O(n log n), a constant number of launches; one synchronisation, of the input check.

    Args:
        mean: mu, shape `(..., n)`.
        variance: d >= 0, shape `(..., n)`; where it is 0 the point only obeys the bounds.
        weights: w, shape `(n,)` or `(..., n)`.
        mass: b, shape `(...)`.
        lower: a number or of shape `(..., n)`; minus infinity for none.
        upper: likewise.

    Returns:
        y, shape `(..., n)`, float64.

    Raises:
        InvalidInput: for shapes that do not fit, variances that are negative, NaN or infinite, crossing bounds, or a
            mass that no field within the bounds has.

    >>> y = water_fill(torch.tensor([2.0, 1.0, -1.0]), torch.ones(3), torch.ones(3), 1.0)
    >>> y.tolist()
    [1.0, 0.0, 0.0]
    """
    mu, d, w, b, lo, hi = _fitted(mean, variance, weights, mass, lower, upper)
    s = d * w
    _check_bounds(mu, d, w, s, b, lo, hi)
    with torch.no_grad():
        free, at_top = _active(mu, s, w, b, lo, hi)
    rest = torch.where(free, 0.0, torch.where(at_top, hi, torch.where(s == 0, mu.clamp(lo, hi), lo)))
    y = _level(mu, s, w, b, free, rest)
    # The clip takes back what a tie within round-off put beyond a bound; the second pass restores the total.
    return _level(y.clamp(lo, hi), s, w, b, free & (y > lo) & (y < hi), y.clamp(lo, hi)).clamp(lo, hi)


def _fitted(
    mean: Tensor, variance: Tensor, weights: Tensor, mass: Tensor | float, *bounds: Tensor | float
) -> tuple[Tensor, ...]:
    """All of one shape `(..., n)`, the mass, fourth, of shape `(...)`; float64."""
    named = {"mean": mean, "variance": variance, "weights": weights}
    for name, value in named.items():
        tensor(f"`{name}`", value, "(..., n)", 1)
    named |= {name: bound for name, bound in zip(("lower", "upper"), bounds, strict=False) if isinstance(bound, Tensor)}
    shapes = {name: tuple(value.shape) for name, value in named.items()}
    found = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())
    sizes = {shape[-1] for shape in shapes.values() if shape} - {1}
    if len(sizes) > 1:
        raise InvalidInput(f"expected the same number of points in the last axis of each, got {found}")
    fields = fitting(**{name: shape[:-1] for name, shape in shapes.items()})
    b = float64(mass, mean)
    try:
        b = b.expand(fields)
    except RuntimeError:
        raise InvalidInput(
            f"`mass` must be a number or have shape {fields}, one a field, got {tuple(b.shape)} beside {found}"
        ) from None
    parts = [float64(item, mean) for item in (mean, variance, weights, *bounds)]
    mu, d, w, *rest = torch.broadcast_tensors(*parts)
    if mu.shape[-1] == 0:
        raise InvalidInput(f"expected one point at least, got {found}")
    return mu, d, w, b, *rest


def _level(mu: Tensor, s: Tensor, w: Tensor, b: Tensor, free: Tensor, rest: Tensor) -> Tensor:
    """mu - level s where a point is free, `rest` where it is held, with the level that gives the total b."""
    moving = torch.where(free, s, 0.0)
    field = torch.where(free, mu, rest)
    response = (w * moving).sum(-1, keepdim=True)
    surplus = (w * field).sum(-1, keepdim=True) - b.unsqueeze(-1)
    return field - moving * (surplus / torch.where(response > 0, response, 1.0))


def _active(mu: Tensor, s: Tensor, w: Tensor, b: Tensor, lo: Tensor, hi: Tensor) -> tuple[Tensor, Tensor]:
    """Which points are between their bounds at the right level, and which of the others are at their upper one."""
    moves = s != 0
    step = torch.where(moves, s, 1.0)
    a, c = (mu - hi) / step, (mu - lo) / step
    start, stop = torch.minimum(a, c), torch.maximum(a, c)
    start, stop = torch.where(moves, start, torch.inf), torch.where(moves, stop, torch.inf)
    slope = torch.where(moves, w * s, 0.0)
    marks, deltas = torch.cat([start, stop], -1), torch.cat([slope, -slope], -1)
    known = marks.isfinite()
    marks, deltas = torch.where(known, marks, 0.0), torch.where(known, deltas, 0.0)
    marks, order = marks.sort(-1)
    slopes = torch.where(start == -torch.inf, slope, 0.0).sum(-1, keepdim=True) + deltas.gather(-1, order).cumsum(-1)
    first = torch.where(moves, (mu - marks[..., :1] * s).clamp(lo, hi), mu.clamp(lo, hi))
    falls = torch.nn.functional.pad((slopes[..., :-1] * marks.diff()).cumsum(-1), (1, 0))
    totals = (w * first).sum(-1, keepdim=True) - falls
    piece = (totals > b.unsqueeze(-1)).sum(-1, keepdim=True) - 1  # -1: before the first mark
    inside = piece.clamp_min(0)
    before = slopes.gather(-1, inside)
    free_slope = torch.where(start == -torch.inf, slope, 0.0).sum(-1, keepdim=True)
    gradient = torch.where(piece < 0, free_slope, before)
    excess = totals.gather(-1, inside) - b.unsqueeze(-1)
    level = marks.gather(-1, inside) + excess / torch.where(gradient > 0, gradient, 1.0)
    free = moves & (start < level) & (level < stop)
    # mu - level s is beyond `hi` at small levels where s > 0, at large ones where s < 0.
    at_top = moves & ~free & torch.where(s > 0, level <= start, level >= stop)
    return free, at_top


def _check_bounds(mu: Tensor, d: Tensor, w: Tensor, s: Tensor, b: Tensor, lo: Tensor, hi: Tensor) -> None:
    still = torch.where(s == 0, mu.clamp(lo, hi), 0.0)
    ends = torch.stack([torch.where(s == 0, 0.0, w * lo), torch.where(s == 0, 0.0, w * hi)])
    base = (w * still).sum(-1)
    least, most = base + ends.amin(0).sum(-1), base + ends.amax(0).sum(-1)
    slack = 1e-12 * (b.abs() + 1.0)
    numbers = mu.isfinite().all() & w.isfinite().all() & b.isfinite().all()
    if d.numel() == 0:  # a batch of no fields
        return
    lowest, highest = d.aminmax()
    allowed = (lowest >= 0) & (highest < torch.inf)
    flags = (allowed, numbers, (lo <= hi).all(), (b >= least - slack).all(), (b <= most + slack).all())
    sound = torch.stack(flags)
    if bool(sound.all()):
        return
    variance, finite, ordered, enough, _ = sound.tolist()
    if not variance:
        _refuse_variances(d, "at least 0")
    if not finite:
        _refuse_infinite(mean=mu, weights=w, mass=b)
    if not ordered:
        at = int((~(lo <= hi)).flatten().to(torch.uint8).argmax())
        raise InvalidInput(
            f"`lower` must not exceed `upper`, got {float(lo.flatten()[at]):g} and {float(hi.flatten()[at]):g}; "
            "minus and plus infinity are no bounds"
        )
    worst = int((least - b if not enough else b - most).argmax())
    bound, name = (least, "lower") if not enough else (most, "upper")
    raise InvalidInput(
        f"no field within the bounds has the mass {float(b.flatten()[worst]):.6g}: `{name}` alone makes it "
        f"{float(bound.flatten()[worst]):.6g}; move the bound"
    )


def _refuse_variances(d: Tensor, wanted: str) -> None:
    if bool(d.isinf().any()):
        raise InvalidInput(f"`variance` has {int(d.isinf().sum())} infinite values; a flat prior is a large finite one")
    if bool(d.isnan().any()):
        raise InvalidInput(f"`variance` has values that are negative or NaN: {int(d.isnan().sum())} are NaN")
    raise InvalidInput(
        f"expected `variance` to be {wanted}, got values that are negative or NaN: the least is {float(d.min()):.3g}"
    )


def _refuse_infinite(**values: Tensor) -> None:
    for name, value in values.items():
        if not bool(value.isfinite().all()):
            raise InvalidInput(f"`{name}` has {int((~value.isfinite()).sum())} values that are NaN or infinite")


def monotone_fill(
    mean: Tensor, variance: Tensor, weights: Tensor, mass: Tensor | float, *, rising: bool = False
) -> Tensor:
    """The closest profile that falls (or rises) from point to point and has sum_i w_i y_i = mass.

    For a given level it is the isotonic regression of mu - level s with weights 1 / d, by pooling adjacent violators:
    each pool of points has the one value (sum mu_i / d_i - level sum w_i) / sum 1 / d_i. With the pools known the level
    has a closed form; pools and level are found in turn, within a bracket. The pools are found on the host, one field
    after the other; the last step is in torch, so that gradients flow.

    Args:
        mean: mu, shape `(..., n)`.
        variance: d > 0, shape `(..., n)`.
        weights: w, shape `(n,)` or `(..., n)`, not all 0.
        mass: b, shape `(...)`.
        rising: whether the profile rises; else it falls.

    Returns:
        y, shape `(..., n)`, float64.

    Raises:
        InvalidInput: for shapes that do not fit, variances that are not positive and finite, or weights that do not
            have a positive sum.

    Reference:
        Ayer, Brunk, Ewing, Reid, Silverman, Annals of Mathematical Statistics 26, 1955, for the pooling.

    >>> monotone_fill(torch.tensor([3.0, 1.0, 2.0]), torch.ones(3), torch.ones(3), 6.0).tolist()
    [3.0, 1.5, 1.5]
    """
    mu, d, w, b = _fitted(mean, variance, weights, mass)
    usable = [(d > 0).all(), (d < torch.inf).all(), (mu.isfinite() & w.isfinite()).all(), b.isfinite().all()]
    if not bool(torch.stack([*usable, (w.sum(-1) > 0).all()]).all()):
        _refuse_infinite(mean=mu, weights=w, mass=b)
        if bool((w.sum(-1) <= 0).any()):
            raise InvalidInput(f"expected `weights` of a positive sum, got {float(w.sum(-1).min()):.3g}")
        if float(d.min()) != 0 or bool(d.isinf().any()):
            _refuse_variances(d, "positive")
        raise InvalidInput(
            f"expected positive `variance`, got {int((d == 0).sum())} zeros; a point without variance cannot give way "
            "to its neighbours"
        )
    if not rising:
        mu, d, w = mu.flip(-1), d.flip(-1), w.flip(-1)
    shape = mu.shape
    rows = [item.detach().reshape(-1, shape[-1]).cpu().tolist() for item in (mu, 1 / d, w)]
    totals = b.detach().reshape(-1).cpu().tolist()
    pools = [_pools(m, p, v, total) for m, p, v, total in zip(*rows, totals, strict=True)]
    pool = torch.tensor(pools, device=mu.device).reshape(shape)
    y = _pooled(mu, d, w, b, pool)
    return y if rising else y.flip(-1)


def _pooled(mu: Tensor, d: Tensor, w: Tensor, b: Tensor, pool: Tensor) -> Tensor:
    """The profile with given pools, `pool` numbering each point's, shape `(..., n)`."""

    def gathered(values: Tensor) -> Tensor:
        return torch.zeros_like(values).scatter_add(-1, pool, values)

    precision, share = gathered(1 / d), gathered(w)
    held = precision > 0
    safe = torch.where(held, precision, 1.0)
    value = torch.where(held, gathered(mu / d) / safe, 0.0)
    response = torch.where(held, share / safe, 0.0)
    for _ in range(2):  # the second round takes the round-off of the first
        surplus = (share * value).sum(-1, keepdim=True) - b.unsqueeze(-1)
        value = value - response * surplus / (share * response).sum(-1, keepdim=True)
    return value.gather(-1, pool)


def _pools(mu: list[float], precision: list[float], w: list[float], total: float) -> list[int]:
    """Pools of the rising profile of that total, as the number of each point's pool."""
    s = [wi / pi for wi, pi in zip(w, precision, strict=True)]
    low, high, level = -float("inf"), float("inf"), 0.0
    pools: list[int] = []  # like none that is found: the first round has nothing to agree with
    width = 1.0
    for _ in range(ROUNDS):
        before = pools
        pools = _isotonic([m - level * si for m, si in zip(mu, s, strict=True)], precision)
        surplus, response = _surplus(mu, precision, w, total, level, pools)
        if surplus > 0:
            low = level
        elif surplus < 0:
            high = level
        step = level + surplus / response
        if before == pools and low <= step <= high:
            return pools
        if surplus == 0.0:
            return pools
        if low < step < high:
            level = step
        elif high == float("inf") or low == -float("inf"):
            level, width = level + (width if surplus > 0 else -width), 2 * width
        else:
            level = (low + high) / 2
    return pools


def _surplus(
    mu: list[float], precision: list[float], w: list[float], total: float, level: float, pools: list[int]
) -> tuple[float, float]:
    """By how much the pooled profile at a level exceeds the total, and how fast that falls with the level."""
    count = pools[-1] + 1
    pull, weight, share = [0.0] * count, [0.0] * count, [0.0] * count
    for m, p, wi, k in zip(mu, precision, w, pools, strict=True):
        pull[k] += m * p
        weight[k] += p
        share[k] += wi
    held = sum(a * (b - level * a) / c for a, b, c in zip(share, pull, weight, strict=True))
    return held - total, sum(a * a / c for a, c in zip(share, weight, strict=True))


def _isotonic(values: list[float], precision: list[float]) -> list[int]:
    """Pools of the weighted isotonic regression, by pooling adjacent violators: O(n)."""
    stack: list[tuple[float, float, int]] = []
    for value, weight in zip(values, precision, strict=True):
        pool = (value, weight, 1)
        while stack and stack[-1][0] >= pool[0]:
            pool = _merged(stack.pop(), pool)
        stack.append(pool)
    return [k for k, (_, _, size) in enumerate(stack) for _ in range(size)]


def _merged(a: tuple[float, float, int], b: tuple[float, float, int]) -> tuple[float, float, int]:
    """Two pools of (mean, weight, size) as one."""
    weight = a[1] + b[1]
    return (a[0] * a[1] + b[0] * b[1]) / weight, weight, a[2] + b[2]
