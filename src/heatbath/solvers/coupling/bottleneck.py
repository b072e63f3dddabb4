"""Minimum-entropy coupling with a bottleneck: X -> T -> Y with H(T) <= R and both ends' laws given.

On a Markov chain I(X; Y) >= I(X; T) + I(T; Y) - R, and the two terms are made large one after the other: an encoder
gives T, a coupling of p(t) and p(y) gives Y. This is the paper's heuristic and not the joint optimum.

Reference:
    Ebrahimi, Chen, Khisti, "Minimum entropy coupling with bottleneck", NeurIPS 2024, lemma 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from heatbath.solvers.coupling.closed_form import ebim, ebim_rows
from heatbath.solvers.coupling.code import Code
from heatbath.solvers.coupling.greedy import greedy_mec, greedy_rows
from heatbath.solvers.coupling.joint import Coupling, Indices
from heatbath.solvers.coupling.marginals import CouplingError, Masses, code_rate, entropy, marginal, marginal_rows

Encoder = Callable[[Masses, float], "ArrayLike | Code"]
"""`(p, rate)` -> labels, shape `(n,)`, p(t | x), shape `(n, codes)`, or a `Code`."""
Coupler = Callable[[Masses, Masses], Coupling]


@dataclass(frozen=True, eq=False)
class BottleneckCoupling:
    """A code of X and a coupling of it with Y."""

    code: Code
    coupling: Coupling
    rate: float

    @cached_property
    def joint(self) -> Masses:
        """p(x, y), shape `(n, m)`, with both marginals as given."""
        return self.code.through(self.coupling.dense())

    @cached_property
    def mutual_information(self) -> float:
        """I(X; Y) in bits."""
        return max(entropy(self.joint.sum(0)) + entropy(self.joint.sum(1)) - entropy(self.joint), 0.0)


def mecb(
    p_x: ArrayLike, p_y: ArrayLike, rate: float, *, encoder: Encoder = ebim, coupler: Coupler = greedy_mec
) -> BottleneckCoupling:
    """A joint law of X and Y that tells much about X through a code of at most `rate` bits.

    Args:
        p_x: shape `(n,)`.
        p_y: shape `(m,)`.
        rate: R in bits, at least 0.
        encoder: `(p_x, rate)` -> labels, p(t | x), or a `Code`.
        coupler: of p(t) and p_y.

    Raises:
        CouplingError: for marginals that are none, a rate below 0, or an encoder whose code breaks the bound.

    >>> made = mecb([0.7, 0.2, 0.1], [0.5, 0.3, 0.2], 0.9)
    >>> round(made.code.entropy, 6), round(made.mutual_information, 6)
    (0.881291, 0.881291)
    """
    source, target, rate = marginal(p_x, "p_x"), marginal(p_y, "p_y"), code_rate(rate)
    answer = encoder(source, rate)
    code = answer if isinstance(answer, Code) else Code.of(answer, source)
    if code.entropy > rate + 1e-9:
        raise CouplingError(f"the encoder's code has {code.entropy:.9g} bits, more than the rate {rate:.9g}")
    return BottleneckCoupling(code, coupler(code.masses, target), rate)


@overload
def mecb_rows(P: Tensor, Q: Tensor, rate: float | Tensor) -> Tensor: ...
@overload
def mecb_rows(P: ArrayLike, Q: ArrayLike, rate: ArrayLike) -> Masses: ...
def mecb_rows(P: Any, Q: Any, rate: Any) -> Any:
    """`mecb` with `ebim` and `greedy_mec` for many pairs at once, dense; a row has the bits of that row alone.

    Args:
        P: beliefs, shape `(batch, n)`.
        Q: laws of actions, shape `(batch, actions)`.
        rate: R in bits, a number or shape `(batch,)`.

    Returns:
        p(x, y), shape `(batch, n, actions)`; for tensors a tensor on their device, made there without synchronising.

    Raises:
        CouplingError: for marginals that are none, or a rate below 0 (on an accelerator, values are not checked).

    >>> mecb_rows([[0.4, 0.3, 0.2, 0.1]], [[0.5, 0.5]], 0.9).round(3).tolist()
    [[[0.286, 0.114], [0.214, 0.086], [0.0, 0.2], [0.0, 0.1]]]
    """
    if isinstance(P, Tensor) and P.device.type == "cpu":
        numbers = rate.numpy() if isinstance(rate, Tensor) else rate
        return torch.from_numpy(mecb_rows(P.detach().numpy(), Q.detach().numpy(), numbers))
    if isinstance(P, Tensor):
        labels, codes, _ = ebim_rows(P, rate)
        decoder = greedy_rows(codes, Q)
        share = (P / codes.gather(1, labels)).nan_to_num(0.0)
        index = labels.unsqueeze(2).expand(-1, -1, decoder.shape[2])
        return decoder.gather(1, index) * share.unsqueeze(2)
    sources = marginal_rows(P, "P")
    labels, codes, _ = ebim_rows(sources, rate)
    return through_rows(sources, labels, codes, Q, greedy_rows)


def through_rows(
    P: Masses, labels: Indices, codes: Masses, Q: ArrayLike, coupler: Callable[[Masses, ArrayLike], Masses]
) -> Masses:
    """p(x, y) of many rows through codes that are given by labels.

    Args:
        P: shape `(batch, n)`.
        labels: shape `(batch, n)`.
        codes: p(t), shape `(batch, codes)`.
        Q: shape `(batch, m)`.
        coupler: of rows of p(t) and of Q.

    Returns:
        Shape `(batch, n, m)`.
    """
    decoder = coupler(codes, Q)
    masses = np.take_along_axis(codes, labels, 1)
    # A symbol that is a code of its own has exactly the share 1.
    share = np.divide(P, masses, out=np.zeros_like(P), where=masses > 0)
    return np.asarray(np.take_along_axis(decoder, labels[:, :, None], 1) * share[:, :, None])
