"""Couplings and codes of many rows at once in torch, on the device of the inputs, without a host synchronisation.

On a CPU the kernels are faster; this is for beliefs and policies that live on an accelerator. The cost there is
launches, whatever the batch: 6 for each of the n + m - 1 atoms of the greedy coupling and 8 around them, 68 for the
closed form of `closed_form.py`. They are counted in the tests.
"""

from __future__ import annotations

import torch
from torch import Tensor

from heatbath.solvers.coupling.marginals import CouplingError
from heatbath.solvers.coupling.plain import DUST, TOLERANCE


def check(P: Tensor, Q: Tensor) -> None:
    """Shapes and types only: values would have to travel to the host.

    Raises:
        CouplingError: unless both are float64, of shapes `(batch, n)` and `(batch, m)`, and on one device.
    """
    for name, tensor in (("P", P), ("Q", Q)):
        if tensor.dtype != torch.float64 or tensor.dim() != 2 or not tensor.shape[1]:
            shape = tuple(tensor.shape)
            raise CouplingError(f"{name}: expected float64 of shape (batch, n), got {tensor.dtype} of shape {shape}")
    if len(P) != len(Q) or P.device != Q.device:
        raise CouplingError(
            f"expected P and Q with as many rows on one device, got {tuple(P.shape)} on {P.device} "
            f"and {tuple(Q.shape)} on {Q.device}"
        )


def greedy(P: Tensor, Q: Tensor) -> Tensor:
    """Greedy couplings by the plain loop over maxima, all rows in step.

    Each of n + m - 1 steps is six launches on tensors of 2 max(n, m) numbers a row. A sorted walk would touch fewer
    numbers with more launches, and on an accelerator it is the launches that count.

    Args:
        P: shape `(batch, n)`, float64.
        Q: shape `(batch, m)`.

    Returns:
        Joint laws, shape `(batch, n, m)`, with the bits of the kernel.
    """
    (batch, n), m = P.shape, Q.shape[1]
    width = max(n, m)
    left = P.new_zeros(batch, 2, width)
    left[:, 0, :n] = P
    left[:, 1, :m] = Q
    dust = left.amax((1, 2)) * DUST
    joint = P.new_zeros(batch, n * m)
    for _ in range(n + m - 1):
        head, symbol = left.max(2, keepdim=True)
        mass = head.amin(1, keepdim=True)
        place = torch.add(symbol[:, 1], symbol[:, 0], alpha=m)
        joint.scatter_add_(1, place, mass[:, 0])  # adding, since a row that is done goes on with atoms of mass 0
        left.scatter_add_(2, symbol, mass.neg().expand(-1, 2, -1))
    joint.mul_(joint > dust.unsqueeze(1))
    return joint.view(batch, n, m)


def ebim(P: Tensor, rates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The closed form for many rows, by a sort, running sums and a count of the states that do not fit.

    Args:
        P: shape `(batch, n)`, float64.
        rates: in bits, shape `(batch,)`, float64.

    Returns:
        Labels `(batch, n)`, int64; masses of the codes `(batch, n)`; their entropies in bits `(batch,)`. Sums are taken
        in another order than by the kernel, so entropies agree with it to rounding, and labels but for a rate near
        an achievable entropy.
    """
    n = P.shape[1]
    places = torch.arange(n, device=P.device)
    s, order = torch.sort(P, dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, places.expand_as(order))
    limit = rates.unsqueeze(1) + TOLERANCE
    last = (s > 0).sum(1, keepdim=True) - 1
    sums, terms = s.cumsum(1), -torch.xlogy(s, s)
    tails = terms.flip(1).cumsum(1).flip(1) - terms
    states = (tails - torch.xlogy(sums, sums)) / _LOG2
    states = states.masked_fill(places >= last, 0.0)
    crossed = (states > limit).sum(1, keepdim=True)

    a, b = s.gather(1, last), s.gather(1, (last - 1).clamp(min=0))
    loss = a * torch.log2(1 + b / a) + b * torch.log2(1 + a / b)
    small = states.gather(1, (crossed - 1).clamp(min=0)) - loss
    use_small = (crossed > 0) & (crossed < last) & (small <= limit)
    merged, final = crossed - use_small.long(), last - crossed
    identity = crossed == 0
    labels = torch.where(identity, places, (rank - merged).clamp(min=0).minimum(final))
    # Read off the running sums: adding up by label would be in an order that CUDA leaves open.
    codes = s.gather(1, (places + merged).clamp(max=n - 1))
    codes = torch.where(places == 0, sums.gather(1, merged), codes)
    codes = torch.where((places == final) & use_small, a + b, codes).masked_fill(places > final, 0.0)
    entropies = torch.where(use_small, small, states.gather(1, crossed))
    return labels, torch.where(identity, P, codes), entropies.squeeze(1)


_LOG2 = 0.6931471805599453
