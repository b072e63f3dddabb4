"""Generalized teacher forcing as a step hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Forcing:
    """z <- (1 - alpha) z + alpha signal, at every step.

    It is data, so that a fused kernel may recognise it and never call it.

    Args:
        alpha: forcing strength in [0, 1]; 0 lets the recurrence run free, 1 replaces the state by the signal. A tensor
            of shape `(dim,)` gives each unit its own, 0 for units that no signal is known for.
        signal: what to force towards, shape `(length, batch, dim)`; entry `index` belongs to step `index + 1`.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3.

    >>> hook = Forcing(0.25, torch.ones(1, 1, 1))
    >>> hook(1.0, torch.zeros(1, 1), {"index": 0}).item()
    0.25
    """

    alpha: float | Tensor
    signal: Tensor

    def __call__(self, t: float, z: Tensor, info: Mapping[str, Any]) -> Tensor:
        return torch.lerp(z, self.signal[info["index"]], self.alpha)
