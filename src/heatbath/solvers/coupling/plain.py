"""The kernels of `kernel/` in plain Python: what runs where nothing was compiled, equal to them in every bit.

Bits agree because both add, subtract and compare in one order, and take logarithms from one C library.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

DUST = 2.0**-50
"""What is below this part of the largest mass is rounding. Masses of atoms never grow, so the first ends a coupling."""
TOLERANCE = 1e-12
"""A rate that equals an achievable entropy counts as achieved."""

Atom = tuple[tuple[int, ...], float]


def greedy(marginals: Sequence[Sequence[float]]) -> list[Atom]:
    """Atoms `((i, j, ...), mass)` of the greedy coupling, in the order of their assignment; a binary heap a marginal.

    >>> greedy([[0.5, 0.5], [0.5, 0.25, 0.25]])
    [((0, 0), 0.5), ((1, 1), 0.25), ((1, 2), 0.25)]
    """
    heaps = [[(-mass, index) for index, mass in enumerate(p) if mass > 0.0] for p in marginals]
    for heap in heaps:
        heapq.heapify(heap)
    atoms: list[Atom] = []
    dust = DUST * max(map(max, marginals))
    while all(heaps):
        heads = [heap[0] for heap in heaps]
        mass = min(-head for head, _ in heads)
        if not mass > dust:
            break
        atoms.append((tuple(index for _, index in heads), mass))
        for heap, (head, index) in zip(heaps, heads, strict=True):
            rest = -head - mass
            if rest > 0.0:
                heapq.heapreplace(heap, (-rest, index))
            else:
                heapq.heappop(heap)
    return atoms


def walk(p: Sequence[float], q: Sequence[float]) -> list[tuple[int, int, float]]:
    """The greedy coupling of many messages and few actions, in one walk along the sorted messages.

    A message that overflows an action uses that action up, so the pool holds at most one residual an action.

    Returns:
        Atoms `(message, action, mass)`.
    """
    left = list(q)
    atoms: list[tuple[int, int, float]] = []
    stream = sorted((-mass, index) for index, mass in enumerate(p) if mass > 0.0)
    pool: list[tuple[float, int]] = []
    place, dust = 0, DUST * max(*p, *q)
    while True:
        from_stream = place < len(stream) and (not pool or stream[place] < pool[0])
        if not from_stream and not pool:
            return atoms
        head, message = stream[place] if from_stream else pool[0]
        most = max(left)
        mass = min(-head, most)
        if not mass > dust:
            return atoms
        action = left.index(most)
        atoms.append((message, action, mass))
        left[action] = most - mass
        rest = -head - mass
        if from_stream:
            place += 1
            if rest > 0.0:
                heapq.heappush(pool, (-rest, message))
        elif rest > 0.0:
            heapq.heapreplace(pool, (-rest, message))
        else:
            heapq.heappop(pool)


def merge_loss(a: float, b: float) -> float:
    """Entropy in bits that is lost when masses a and b become one: a log2(1 + b/a) + b log2(1 + a/b)."""
    return a * math.log2(1 + b / a) + b * math.log2(1 + a / b)


def ebim(p: Sequence[float], rate: float) -> tuple[list[int], float]:
    """Labels and H(T) of the closed form that `closed_form.py` explains.

    >>> ebim([0.4, 0.3, 0.2, 0.1], 1.0)[0]
    [0, 0, 1, 1]
    """
    order = sorted(range(len(p)), key=lambda x: -p[x])
    s = [p[x] for x in order if p[x] > 0.0]
    last, limit = len(s) - 1, rate + TOLERANCE
    sums, total = [], 0.0
    for mass in s:
        total += mass
        sums.append(total)
    tails, tail = [0.0] * len(s), 0.0
    for k in range(last, -1, -1):
        tails[k] = tail
        tail += s[k] * math.log2(s[k])

    def state(k: int) -> float:
        return 0.0 if k == last else -sums[k] * math.log2(sums[k]) - tails[k]

    low, high = 0, last
    while low < high:
        middle = low + (high - low) // 2
        if state(middle) <= limit:
            high = middle
        else:
            low = middle + 1
    if low == 0:
        return list(range(len(p))), state(0)
    merged, reached = low, state(low)
    if low < last:
        small = state(low - 1) - merge_loss(s[last], s[last - 1])
        if small <= limit:
            merged, reached = low - 1, small
    labels = [0] * len(p)
    for k, x in enumerate(order):
        labels[x] = min(max(k - merged, 0), last - low)
    return labels, reached
