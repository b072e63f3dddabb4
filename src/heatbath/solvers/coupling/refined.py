"""Codes between deterministic maps: the best small changes of a map, taken as far as the rate asks.

With masses p(x, t) of a map as a matrix, the columns' sums s_t:

- up: of the cell with the smallest p_i / s_t, move mass e into a new column;
- down: of the smallest cell in the smallest column, move mass e into the largest column.

H(T) rises or falls with e, so e follows from H(T) = R by bisection; I(X; T) = H(T) - p_i h(e / p_i), since only the
symbol i is coded by chance. Of all maps' moves the one of largest I(X; T) is kept.

Reference:
    Ebrahimi, Chen, Khisti, NeurIPS 2024, theorem 3 and figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heatbath.solvers.coupling.closed_form import ebim
from heatbath.solvers.coupling.code import Code
from heatbath.solvers.coupling.joint import Indices
from heatbath.solvers.coupling.marginals import CouplingError, Masses, code_rate, entropy, entropy_rows, marginal

MOST_SYMBOLS = 10
"""For `candidates="all"`: the Bell number of 10 is 115 975."""
QUICK_SYMBOLS = 7
"""Up to which `auto` tries all 877 maps."""
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


def ebim_refined(p: ArrayLike, rate: float, candidates: Literal["auto", "greedy", "all"] = "auto") -> Code:
    """The code of at most `rate` bits that tells most about X, of deterministic maps and one move away from each.

    Args:
        p: probabilities of X, shape `(n,)`.
        rate: R in bits, at least 0.
        candidates: `greedy` starts from the maps that the closed form chooses among; `all` from every map, for at most
            10 symbols of positive mass; `auto` is `all` up to 7 symbols. The greedy ones are not always enough.

    Raises:
        CouplingError: for probabilities that are none, a rate below 0, other candidates, or too many symbols for `all`.

    >>> p = [0.7, 0.2, 0.1]
    >>> [round(ebim_refined(p, 0.7, candidates).information, 5) for candidates in ("greedy", "all")]
    [0.55793, 0.63977]
    """
    source, rate = marginal(p, "p"), code_rate(rate)
    positive = np.flatnonzero(source)
    masses = source[positive]
    if candidates not in ("auto", "greedy", "all"):
        raise CouplingError(f"`candidates` must be 'auto', 'greedy' or 'all', got {candidates!r}")
    if candidates == "auto":
        candidates = "all" if len(positive) <= QUICK_SYMBOLS else "greedy"
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


@dataclass(frozen=True)
class _Path:
    """One kind of move from each map: what moves, how far, and H(T) after mass e has moved.

    `cells` are the masses p_i of the moved symbols, `most` the largest e, `giving` and `taking` the two columns' sums.
    """

    symbols: Indices
    cells: Masses
    to: Indices
    most: Masses
    before: Masses
    giving: Masses
    taking: Masses

    def entropy(self, e: Masses) -> Masses:
        changed = _phi(self.giving - e) + _phi(self.taking + e) - _phi(self.giving) - _phi(self.taking)
        return np.asarray(self.before + changed)

    def information(self, e: Masses) -> Masses:
        """H(T) - p_i h(e / p_i)."""
        shares = np.clip(np.stack([e / self.cells, 1 - e / self.cells], axis=-1), 0.0, 1.0)
        return np.asarray(self.entropy(e) - self.cells * entropy_rows(shares))

    def best(self, e: Masses, allowed: NDArray[np.bool_]) -> _Move:
        """The move of largest I(X; T) among those allowed."""
        information = np.where(allowed, self.information(e), -np.inf)
        k = int(information.argmax())
        return _Move(float(information[k]), k, int(self.symbols[k]), int(self.to[k]), float(e[k]))


def _upwards(maps: Maps, p: Masses) -> _Path:
    """e of the cell with the smallest share of its column, to a new column."""
    shares = p / np.take_along_axis(maps.columns, maps.labels, 1)
    symbols = shares.argmin(1)
    every = np.arange(len(symbols))
    cells, column = p[symbols], maps.columns[every, maps.labels[every, symbols]]
    most = np.where(cells < column, np.minimum(cells, column / 2), 0.0)  # beyond the half, H(T) falls again
    before, empty = entropy_rows(maps.columns), np.zeros(len(symbols))
    return _Path(symbols, cells, maps.labels.max(1) + 1, most, before, column, empty)


def _downwards(maps: Maps, p: Masses) -> _Path:
    """e of the smallest cell of the smallest column, to the largest column."""
    every = np.arange(len(maps.labels))
    small, large = np.where(maps.columns > 0, maps.columns, np.inf).argmin(1), maps.columns.argmax(1)
    large = np.where(large == small, (small + 1) % maps.columns.shape[1], large)  # all columns of one size
    symbols = np.where(maps.labels == small[:, None], p, np.inf).argmin(1)
    cells = p[symbols]
    before, giving, taking = entropy_rows(maps.columns), maps.columns[every, small], maps.columns[every, large]
    return _Path(symbols, cells, large, np.where(taking > 0, cells, 0.0), before, giving, taking)


def _up(maps: Maps, p: Masses, rate: float) -> _Move:
    """From maps that fit; e = 0 is the map itself."""
    path = _upwards(maps, p)
    return path.best(_bisect(path, rate, rising=True), path.before <= rate + 1e-12)


def _down(maps: Maps, p: Masses, rate: float) -> _Move:
    """From maps that do not fit, as far as it takes."""
    path = _downwards(maps, p)
    moved = _bisect(path, rate, rising=False)
    return path.best(moved, (path.before > rate) & (path.entropy(moved) <= rate + 1e-9))


def neighbourhood(p: ArrayLike, labels: ArrayLike, points: int = 50) -> tuple[Masses, Masses]:
    """(H(T), I(X; T)) along the move down and the move up from one map, for pictures; each of shape `(points, 2)`.

    Args:
        p: probabilities of X, positive, shape `(n,)`.
        labels: the map, shape `(n,)`.
        points: along each move, the map itself included.

    >>> down, up = neighbourhood([0.7, 0.2, 0.1], [0, 1, 0])
    >>> bool(down[0, 0] == up[0, 0]), bool(down[-1, 0] < down[0, 0] < up[-1, 0])
    (True, True)
    """
    source = marginal(p, "p")
    maps = Maps.of(np.asarray(labels, dtype=np.int64)[None], source)
    curves = []
    for path in (_downwards(maps, source), _upwards(maps, source)):
        moved = [path.most * share for share in np.linspace(0.0, 1.0, points)]
        curves.append(np.array([(path.entropy(e)[0], path.information(e)[0]) for e in moved]))
    return curves[0], curves[1]


def _bisect(path: _Path, rate: float, rising: bool) -> Masses:
    """For each map the e in [0, most] at which H(T) reaches the rate, from the side that fits."""
    low, high = np.zeros_like(path.most), path.most.copy()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = path.entropy(middle) <= rate
        low = np.where(fits == rising, middle, low)
        high = np.where(fits == rising, high, middle)
    return np.where(path.entropy(path.most) <= rate, path.most, low) if rising else high


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
