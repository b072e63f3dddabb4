"""Encoders to compare with: maps to at most floor(2^R) codes, so that H(T) <= R whatever the source."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import ArrayLike

from heatbath.solvers.coupling.joint import Indices
from heatbath.solvers.coupling.marginals import code_rate, entropy, marginal


def codes_of(rate: float) -> int:
    """floor(2^R), where R = log2(3) gives 3 for all its rounding.

    >>> import math
    >>> codes_of(math.log2(3)), codes_of(0.9)
    (3, 1)
    """
    return int(2.0 ** min(code_rate(rate), 62.0) * (1 + 1e-12))


def uniform_quantiser(p: ArrayLike, rate: float) -> Indices:
    """Blocks of ceil(n / floor(2^R)) neighbours, whatever their masses and whatever H(X): the paper's baseline.

    In a coding game the blocks never move, so messages that share one are never told apart; `adaptive_quantiser` is the
    fairer baseline.

    Args:
        p: probabilities, shape `(n,)`.
        rate: R in bits.

    Returns:
        The code of every symbol, shape `(n,)`, int64.

    Raises:
        CouplingError: for probabilities that are none, or a rate below 0.

    Reference:
        Ebrahimi, Chen, Khisti, NeurIPS 2024, algorithm 5.

    >>> uniform_quantiser([0.2] * 5, 1.0).tolist()
    [0, 0, 0, 1, 1]
    """
    n = len(marginal(p, "p"))
    return np.arange(n, dtype=np.int64) // -(-n // min(codes_of(rate), n))


def adaptive_quantiser(p: ArrayLike, rate: float) -> Indices:
    """X itself where H(X) <= R, else the symbol of rank r to code r mod floor(2^R): re-made for every posterior.

    Args, returns and raises as `uniform_quantiser`. It is this package's own, and no paper's.

    >>> adaptive_quantiser([0.4, 0.3, 0.2, 0.1], 1.0).tolist()
    [0, 1, 0, 1]
    """
    masses = marginal(p, "p")
    count = codes_of(rate)
    if entropy(masses) <= rate + 1e-12:
        return np.arange(len(masses), dtype=np.int64)
    labels = np.empty(len(masses), np.int64)
    labels[np.argsort(-masses, kind="stable")] = np.arange(len(masses)) % count
    return labels


def shkel_verdu(p: ArrayLike, rate: float) -> Indices:
    """A fixed-length code for logarithmic loss: from large to small, each symbol joins the lightest of floor(2^R)
    codes.

    Args, returns and raises as `uniform_quantiser`.

    Deviation: the construction is written down from memory, the article was not at hand. With a fixed number of codes
    the expected loss is H(X | T) = H(X) - H(T), so the codes are to be as even as they can.

    Reference:
        Shkel, Verdu, "A single-shot approach to lossy source coding under logarithmic loss", IEEE T-IT 64, 2018.

    >>> shkel_verdu([0.4, 0.3, 0.2, 0.1], 1.0).tolist()
    [0, 1, 1, 0]
    """
    masses = marginal(p, "p")
    loads = [(0.0, code) for code in range(min(codes_of(rate), len(masses)))]
    labels = np.empty(len(masses), np.int64)
    for x in np.argsort(-masses, kind="stable").tolist():
        load, code = loads[0]
        labels[x] = code
        heapq.heapreplace(loads, (load + float(masses[x]), code))
    return labels
