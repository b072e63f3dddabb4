"""Entropy-bounded information maximisation by deterministic maps, in closed form.

Maximise I(X; T) subject to H(T) <= R over maps T = g(X), for which I(X; T) = H(T). With masses sorted,
s_1 >= ... >= s_m > 0, and S_k = s_1 + ... + s_k, merging the k largest leaves

    H_k = -S_k log2 S_k - sum_{i > k} s_i log2 s_i,    H_1 = H(X) > ... > H_m = 0.

Let k be the last with H_k > R. If merging the two smallest of that state brings the entropy down to R, that is the
answer; otherwise it is state k + 1. These are the decisions of the published loop over merges, found by one sort,
running sums and a binary search. The loss against the best map is at most h(p_2), the binary entropy of the
second-largest mass.

Reference:
    Ebrahimi, Chen, Khisti, "Minimum entropy coupling with bottleneck", NeurIPS 2024, algorithm 1 and theorem 2.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from heatbath.solvers.coupling import compiled, devices, plain
from heatbath.solvers.coupling.joint import Indices
from heatbath.solvers.coupling.marginals import CouplingError, Masses, code_rate, code_rates, marginal, marginal_rows


def ebim(p: ArrayLike, rate: float) -> Indices:
    """The map of nearly the largest entropy that is not above `rate`.

    Args:
        p: probabilities of X, shape `(n,)`.
        rate: R in bits, at least 0.

    Returns:
        The code of every symbol, shape `(n,)`, int64: 0 for the merged column, the others from large to small. Where
        H(X) <= R, T is X, and symbols are their own codes.

    Raises:
        CouplingError: for probabilities that are none, or a rate below 0.

    >>> ebim([0.4, 0.3, 0.2, 0.1], 1.7).tolist()  # the two smallest become one
    [0, 1, 2, 2]
    >>> ebim([0.4, 0.3, 0.2, 0.1], 1.5).tolist()  # the two largest
    [0, 0, 1, 2]
    """
    labels: Indices = ebim_rows(marginal(p, "p")[None], code_rate(rate))[0][0]
    return labels


@overload
def ebim_rows(P: Tensor, rate: float | Tensor) -> tuple[Tensor, Tensor, Tensor]: ...
@overload
def ebim_rows(P: ArrayLike, rate: ArrayLike) -> tuple[Indices, Masses, Masses]: ...
def ebim_rows(P: ArrayLike | Tensor, rate: ArrayLike | Tensor) -> tuple[Indices, Masses, Masses] | tuple[Tensor, ...]:
    """`ebim` of many sources at once; a row has the bits of that row alone.

    Args:
        P: shape `(batch, n)`.
        rate: R in bits, a number or shape `(batch,)`.

    Returns:
        labels: shape `(batch, n)`, int64.
        codes: p(t), shape `(batch, n)`, 0 for codes that do not occur.
        entropies: H(T) in bits, shape `(batch,)`.
        For tensors they are tensors on their device, and on an accelerator the values are not checked.

    Raises:
        CouplingError: for probabilities that are none, or a rate below 0.
    """
    if isinstance(P, Tensor):
        if P.device.type != "cpu":
            devices.check(P, P)
            rates = rate.detach() if isinstance(rate, Tensor) else P.new_full((), code_rate(rate))
            if rates.dim() and rates.shape != (len(P),):
                raise CouplingError(f"`rate`: expected a number, or shape ({len(P)},), got {tuple(rates.shape)}")
            return devices.ebim(P, rates.to(P).expand(len(P)))
        labels, codes, entropies = ebim_rows(P.detach().numpy(), code_rates(rate, len(P)))
        return torch.from_numpy(labels), torch.from_numpy(codes), torch.from_numpy(entropies)
    sources = marginal_rows(P, "P")
    rates_ = code_rates(rate, len(sources))
    native = compiled.library()
    if native is not None:
        return compiled.ebim_rows(native, sources, rates_)
    found = [plain.ebim(p, r) for p, r in zip(sources.tolist(), rates_.tolist(), strict=True)]
    labels_ = np.array([label for label, _ in found], dtype=np.int64).reshape(sources.shape)
    codes_ = np.zeros_like(sources)
    for code, label, p in zip(codes_, labels_, sources, strict=True):
        code[:] = np.bincount(label, weights=p, minlength=len(p))
    return labels_, codes_, np.array([entropy for _, entropy in found])
