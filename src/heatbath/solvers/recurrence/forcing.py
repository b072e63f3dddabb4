"""Generalized teacher forcing as a step hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Forcing:
    """z <- (1 - alpha) z + alpha signal, at every step or at every `interval`-th.

    It is data, so that a fused kernel may recognise it and never call it. With an interval and alpha = 1 it is sparse
    teacher forcing, with a smaller alpha interleaved forcing; with 0 for some units it is partial.

    Args:
        alpha: forcing strength in [0, 1], one number or one for each unit, shape `(dim,)`; 0 lets the recurrence run
            free, 1 replaces the state by the signal.
        signal: what to force towards, shape `(length, batch, dim)`; entry `index` belongs to step `index + 1`.
        interval: n; steps n, 2 n, 3 n, .. are forced.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3; sparse: Mikhaeil, Monfared, Durstewitz, NeurIPS 2022.

    >>> hook = Forcing(0.25, torch.ones(2, 1, 1), interval=2)
    >>> hook(1.0, torch.zeros(1, 1), {"index": 0}), hook(2.0, torch.zeros(1, 1), {"index": 1}).item()
    (None, 0.25)
    """

    alpha: float | Tensor
    signal: Tensor
    interval: int = 1

    def __call__(self, t: float, z: Tensor, info: Mapping[str, Any]) -> Tensor | None:
        index = info["index"]
        if (index + 1) % self.interval:
            return None
        return torch.lerp(z, self.signal[index], self.alpha)
