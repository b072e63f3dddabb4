"""Codes between deterministic maps: the best small changes of a map, taken as far as the rate asks.

With masses p(x, t) of a map as a matrix, the columns' sums s_t:

- up: of the cell with the smallest p_i / s_t, move mass e into a new column;
- down: of the smallest cell in the smallest column, move mass e into the largest column.

H(T) rises or falls with e, so e follows from H(T) = R by bisection; I(X; T) = H(T) - p_i h(e / p_i), since only the symbol
i is coded by chance. Of all maps' moves the one of largest I(X; T) is kept.

Reference:
    Ebrahimi, Chen, Khisti, NeurIPS 2024, theorem 3 and figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heatbath.solvers.coupling.code import Code
from heatbath.solvers.coupling.ebim import ebim
from heatbath.solvers.coupling.joint import Indices
from heatbath.solvers.coupling.marginals import CouplingError, Masses, code_rate, entropy, entropy_rows, marginal

MOST_SYMBOLS = 10
"""For `candidates="all"`: the Bell number of 10 is 115 975."""
HALVINGS = 60


@dataclass(frozen=True)
class Maps:
    """Deterministic maps of the positive symbols of a source, and what the moves need to know of each.

    Args:
        labels: shape `(maps, n)`; codes count from 0 without gaps.
        columns: p(t), shape `(maps, n)`, 0 for codes that do not occur.
    """

    labels: Indices
    columns: Masses

    @classmethod
    def of(cls, labels: Indices, p: Masses) -> Maps:
        columns = np.zeros(labels.shape)
        for x, mass in enumerate(p.tolist()):
            columns[np.arange(len(labels)), labels[:, x]] += mass
        return cls(labels, columns)


def partitions(n: int) -> Indices:
    """All maps of n symbols but for the names of their codes, shape `(Bell(n), n)`.

    >>> partitions(3).tolist()
    [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 1, 2]]
    """
    labels = np.zeros((1, 1), dtype=np.int64)
    for _ in range(n - 1):
        codes = labels.max(1) + 2
        grown = np.repeat(labels, codes, axis=0)
        starts = np.repeat(np.cumsum(codes) - codes, codes)
        labels = np.column_stack([grown, np.arange(len(grown)) - starts])
    return labels


def greedy_maps(p: Masses) -> Indices:
    """The maps that the published loop visits, at most 2n - 2, shape `(maps, n)`; p positive.

    For each k the k largest are one code; and the same with the two smallest columns made one.
    """
    n = len(p)
    rank = np.empty(n, np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(n)
    maps = []
    for merged in range(n):
        label = np.maximum(rank - merged, 0)
        maps.append(label)
        if label.max() > 1:
            maps.append(np.minimum(label, label.max() - 1))
    return np.unique(maps, axis=0)


def ebim_refined(p: ArrayLike, rate: float, candidates: Literal["greedy", "all"] = "greedy") -> Code:
    """The code of at most `rate` bits that tells most about X, of deterministic maps and one move away from each.

    Args:
        p: probabilities of X, shape `(n,)`.
        rate: R in bits, at least 0.
        candidates: `greedy` starts from the maps that the closed form chooses among; `all` from every map, for at most
            10 symbols of positive mass. The greedy ones are not always enough.

    Raises:
        CouplingError: for probabilities that are none, a rate below 0, other candidates, or too many symbols for `all`.

    >>> p = [0.7, 0.2, 0.1]
    >>> [round(ebim_refined(p, 0.7, candidates).information, 5) for candidates in ("greedy", "all")]
    [0.55793, 0.63977]
    """
    source, rate = marginal(p, "p"), code_rate(rate)
    positive = np.flatnonzero(source)
    masses = source[positive]
    if candidates not in ("greedy", "all"):
        raise CouplingError(f"`candidates` must be 'greedy' or 'all', got {candidates!r}")
    if candidates == "all" and len(positive) > MOST_SYMBOLS:
        raise CouplingError(
            f"all maps are tried for at most {MOST_SYMBOLS} symbols of positive mass, got {len(positive)}; "
            "use candidates='greedy'"
        )
    if entropy(masses) <= rate + 1e-12:
        return Code.of(ebim(source, rate), source)
    maps = Maps.of(partitions(len(masses)) if candidates == "all" else greedy_maps(masses), masses)
    choice = max((_up(maps, masses, rate), _down(maps, masses, rate)), key=lambda move: move.information)
    return _code(choice, maps, source, positive)


@dataclass(frozen=True)
class _Move:
    """Mass `moved` of symbol `symbol` goes from its code in map `index` to the code `to`."""

    information: float
    index: int
    symbol: int
    to: int
    moved: float


def _phi(x: Masses) -> Masses:
    return np.asarray(-x * np.log2(x, out=np.zeros_like(x), where=x > 0))


def _best(
    moved: Masses, entropies: Masses, cells: Masses, symbols: Indices, to: Indices, allowed: NDArray[np.bool_]
) -> _Move:
    """The move of largest I(X; T) = H(T) - p_i h(e / p_i)."""
    shares = np.stack([moved / cells, 1 - moved / cells], axis=1)
    information = np.where(allowed, entropies - cells * entropy_rows(np.clip(shares, 0.0, 1.0)), -np.inf)
    k = int(information.argmax())
    return _Move(float(information[k]), k, int(symbols[k]), int(to[k]), float(moved[k]))


def _up(maps: Maps, p: Masses, rate: float) -> _Move:
    """From maps that fit: e of the cell with the smallest share of its column, to a new column; e = 0 is the map itself."""
    every = np.arange(len(maps.labels))
    before = entropy_rows(maps.columns)
    shares = p / np.take_along_axis(maps.columns, maps.labels, 1)
    symbols = shares.argmin(1)
    cells = p[symbols]
    column = maps.columns[every, maps.labels[every, symbols]]
    most = np.where(cells < column, np.minimum(cells, column / 2), 0.0)  # beyond the half, H(T) falls again

    def after(e: Masses) -> Masses:
        return np.asarray(before + _phi(column - e) + _phi(e) - _phi(column))

    moved = _bisect(after, most, rate, rising=True)
    fits = before <= rate + 1e-12
    return _best(moved, after(moved), cells, symbols, maps.labels.max(1) + 1, fits)


def _down(maps: Maps, p: Masses, rate: float) -> _Move:
    """From maps that do not fit: e of the smallest cell of the smallest column, to the largest column."""
    every = np.arange(len(maps.labels))
    before = entropy_rows(maps.columns)
    occurring = np.where(maps.columns > 0, maps.columns, np.inf)
    small, large = occurring.argmin(1), maps.columns.argmax(1)
    large = np.where(large == small, np.where(small == 0, 1 % len(p), 0), large)  # all columns of one size
    cell_or_none = np.where(maps.labels == small[:, None], p, np.inf)
    symbols = cell_or_none.argmin(1)
    cells, least, largest = p[symbols], maps.columns[every, small], maps.columns[every, large]

    def after(e: Masses) -> Masses:
        return np.asarray(before + _phi(least - e) + _phi(largest + e) - _phi(least) - _phi(largest))

    moved = _bisect(after, cells, rate, rising=False)
    reached = after(moved)
    return _best(moved, reached, cells, symbols, large, (before > rate) & (reached <= rate + 1e-9))


def _bisect(after: object, most: Masses, rate: float, rising: bool) -> Masses:
    """For each map the e in [0, most] at which H(T) reaches the rate from the side that fits."""
    assert callable(after)
    low, high = np.zeros_like(most), most.copy()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = after(middle) <= rate
        low = np.where(fits == rising, middle, low)
        high = np.where(fits == rising, high, middle)
    if rising:
        return np.where(after(most) <= rate, most, low)
    return high


def _code(move: _Move, maps: Maps, source: Masses, positive: Indices) -> Code:
    """The channel p(t | x) of a move; symbols of mass 0 go with the first code."""
    labels = np.zeros(len(source), np.int64)
    labels[positive] = maps.labels[move.index]
    if move.moved == 0.0:
        return Code.of(labels, source)
    channel = np.zeros((len(source), max(int(labels.max()), move.to) + 1))
    channel[np.arange(len(source)), labels] = 1.0
    x = int(positive[move.symbol])
    share = move.moved / float(source[x])
    channel[x, labels[x]] -= share
    channel[x, move.to] += share
    return Code.of(channel, source)
