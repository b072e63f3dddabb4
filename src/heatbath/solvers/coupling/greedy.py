"""The greedy minimum-entropy coupling.

While mass is left: take the largest symbol of every marginal, give that tuple the smallest of their masses, subtract it
from all. Ties go to the lower index. Every step uses up a symbol, so a coupling of sizes n_1 .. n_K has at most
n_1 + ... + n_K - K + 1 atoms. For two marginals its entropy is within log2(e)/e = 0.53 bits of the optimum, for K
within 1.22.

The compiled kernel takes O(n log n) at worst and about O(n) in the mean (`kernel/queue.h`); the
plain twin is two binary heaps. Both give the same bits, alone and in any place of a batch.

Reference:
    Kocaoglu, Dimakis, Vishwanath, Hassibi, "Entropic causal inference", AAAI 2017; the guarantees: Compton et al.,
    AISTATS 2023.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from heatbath.solvers.coupling import compiled, devices, plain
from heatbath.solvers.coupling.joint import Coupling
from heatbath.solvers.coupling.marginals import CouplingError, Masses, marginal, marginal_rows


def greedy_mec(*marginals: ArrayLike) -> Coupling:
    """A coupling of low entropy of two or more marginals.

    Args:
        marginals: shapes `(n_k,)`; negligible deviations from the sum one are scaled away.

    Returns:
        The coupling; its marginals are exact to 1e-12 (masses below 2^-50 of the largest are taken for rounding), and
        `gap` bounds how far from the optimum it is.

    Raises:
        CouplingError: for a marginal that is none, or fewer than two of them.

    >>> coupling = greedy_mec([0.5, 0.25, 0.25], [0.6, 0.4])
    >>> coupling.rows.tolist(), coupling.cols.tolist(), coupling.mass.round(6).tolist()
    ([0, 1, 2, 2], [0, 1, 1, 0], [0.5, 0.25, 0.15, 0.1])
    """
    if len(marginals) < 2:
        raise CouplingError(f"expected at least two marginals, got {len(marginals)}")
    checked = tuple(marginal(p, f"marginal {k}") for k, p in enumerate(marginals))
    native = compiled.library()
    fits = len(checked) <= compiled.MOST_MARGINALS and max(map(len, checked)) < compiled.MOST_SYMBOLS
    if native is not None and fits:
        indices, mass = compiled.greedy(native, checked)
    else:
        atoms = plain.greedy([p.tolist() for p in checked])
        indices = np.array([index for index, _ in atoms], dtype=np.int64).T
        mass = np.array([mass for _, mass in atoms])
    return Coupling(indices, mass, checked)


@overload
def greedy_rows(P: Tensor, Q: Tensor) -> Tensor: ...
@overload
def greedy_rows(P: ArrayLike, Q: ArrayLike) -> Masses: ...
def greedy_rows(P: ArrayLike | Tensor, Q: ArrayLike | Tensor) -> Masses | Tensor:
    """Greedy couplings of many pairs of marginals at once, dense: a row has the bits of `greedy_mec` of its pair.

    Args:
        P: beliefs over messages, shape `(batch, n)`.
        Q: laws of actions, shape `(batch, actions)`; the fewer actions, the faster.

    Returns:
        Joint laws, shape `(batch, n, actions)`; for tensors a tensor on their device. On an accelerator the values are
        not checked, since that would synchronise; float64 is asked for, and the pairs are made by `devices.greedy`.

    Raises:
        CouplingError: for marginals that are none, or batches of two sizes.

    >>> greedy_rows([[0.5, 0.5]], [[0.64, 0.32, 0.04]]).round(6).tolist()
    [[[0.5, 0.0, 0.0], [0.14, 0.32, 0.04]]]
    """
    if isinstance(P, Tensor) and isinstance(Q, Tensor):
        if P.device.type != "cpu":
            devices.check(P, Q)
            return devices.greedy(P, Q)
        return torch.from_numpy(greedy_rows(P.detach().numpy(), Q.detach().numpy()))
    messages, actions = marginal_rows(P, "P"), marginal_rows(Q, "Q")
    if len(messages) != len(actions):
        raise CouplingError(f"expected P and Q with as many rows, got {messages.shape} and {actions.shape}")
    native = compiled.library()
    if native is not None:
        return compiled.greedy_rows(native, messages, actions)
    coupling = np.zeros((*messages.shape, actions.shape[1]))
    for joint, p, q in zip(coupling, messages.tolist(), actions.tolist(), strict=True):
        for message, action, mass in plain.walk(p, q):
            joint[message, action] = mass
    return coupling
