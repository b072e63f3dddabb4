"""PE(n): the error of forecasts from every point."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from heatbath.plugins.gtf.measures.latent import decode, encode
from heatbath.plugins.gtf.measures.series import SeriesError


def prediction_error(model: Callable[[Tensor], Tensor], series: Tensor, steps: int = 20, chunk: int = 1_000) -> float:
    """Mean squared error `steps` ahead, PE(n), over forecasts from every point of a series.

    Only the n-th step counts, not those before it. A latent model begins from `encode(x)` and is seen through
    `observe(z)`, see `measures.latent`.

    Args:
        model: one step of states of shape `(batch, M)`.
        series: shape `(time, N)`, longer than `steps`.
        steps: n.
        chunk: forecasts made side by side, few enough to stay in a processor's cache; 20 times as many elsewhere.

    Raises:
        SeriesError: when the series is too short.

    Reference:
        Koppe et al., PLoS Comput. Biol. 15, 2019.

    >>> prediction_error(lambda z: z + 1, torch.arange(10.0).unsqueeze(1), steps=3)
    0.0
    """
    if len(series) <= steps:
        raise SeriesError(f"expected a series longer than {steps} points, got {len(series)}")
    total = series.new_zeros((), dtype=torch.float64)
    chunk = chunk if series.device.type == "cpu" else 20 * chunk
    for start in range(0, len(series) - steps, chunk):
        x = series[start : min(start + chunk, len(series) - steps)]
        target = series[start + steps : start + steps + len(x)]
        z = encode(model, x)
        for _ in range(steps):
            z = model(z)
        total += (decode(model, z) - target).square().sum(dtype=torch.float64)
    return float(total) / ((len(series) - steps) * series.shape[1])
