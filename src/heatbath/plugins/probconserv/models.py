"""Models of fields: a mean and a variance at each point."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, softplus

from heatbath.plugins.probconserv import options as opt


class DeepEnsemble(nn.Module):
    """Networks side by side, each with a normal law of the value at a point.

    GELU layers; the deviation is softplus(.) + least_deviation. All members are one batched product a layer.

    What serves the problem `field` is like this: `members`, and `forward(points)` with points of shape
    `(members or 1, count, features)` in [-1, 1], which gives mean and variance, both `(members, count)`.

    Args:
        options: sizes.
        setup: unused.
        features: of a point.

    Reference:
        Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles", NeurIPS 2017.

    >>> model = DeepEnsemble(opt.DeepEnsemble(members=3), None, features=2)
    >>> [tuple(part.shape) for part in model(torch.zeros(1, 7, 2))]
    [(3, 7), (3, 7)]
    """

    def __init__(self, options: opt.DeepEnsemble, setup: Any, features: int) -> None:
        super().__init__()
        self.members, self.least_deviation = options.members, options.least_deviation
        sizes = [features, *[options.hidden] * options.layers, 2]
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList([nn.Parameter(_he_normal(self.members, a, b)) for a, b in pairs])
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(self.members, 1, b)) for _, b in pairs])

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each member."""
        h = points.expand(self.members, -1, -1)
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            h = h if k == last else gelu(h)
        mean, raw = h.unbind(-1)
        return mean, (softplus(raw) + self.least_deviation).square()


def _he_normal(members: int, fan_in: int, fan_out: int) -> Tensor:
    return torch.randn(members, fan_in, fan_out) * math.sqrt(2 / fan_in)
