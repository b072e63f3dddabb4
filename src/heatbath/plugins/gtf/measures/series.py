"""What every comparison of two series asks of them."""

from __future__ import annotations

from torch import Tensor

from heatbath.core.errors import HeatbathError


class SeriesError(HeatbathError, ValueError):
    """A series cannot be measured: its shape, its length or a value in it."""


def check_pair(true: Tensor, generated: Tensor) -> None:
    """Raise unless both have axes `(time, N)`, with the same N, and points in them."""
    for name, series in (("true", true), ("generated", generated)):
        if series.dim() != 2 or not series.numel():
            raise SeriesError(
                f"expected the {name} series with axes (time, variables), got shape {tuple(series.shape)}"
            )
    if true.shape[1] != generated.shape[1]:
        raise SeriesError(
            f"the true series has {true.shape[1]} variables, the generated one {generated.shape[1]}; "
            "of a latent model, compare what `observe` reads out"
        )
