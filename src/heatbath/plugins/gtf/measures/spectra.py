"""D_H: the distance of two power spectra."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from heatbath.plugins.gtf.measures.series import SeriesError, check_pair

CONSTANT = 1e-6
"""A generated variable that varies less than this part of the true one has no spectrum but that of its rounding."""


def power_spectra(series: Tensor, smoothing: float = 20.0) -> Tensor:
    """Smoothed power spectra, each summing to 1, of z-scored series.

    Args:
        series: shape `(time, N)`.
        smoothing: standard deviation of the Gaussian, in frequency bins; cut at four of them, mirrored at the ends.

    Returns:
        Shape `(time // 2 + 1, N)`, float64; NaN for a series that is constant or not finite.
    """
    x = series.to(torch.float64)
    x = (x - x.mean(0)) / x.std(0, unbiased=False)
    power = torch.fft.rfft(x, dim=0).abs().square().T
    radius = min(int(4 * smoothing + 0.5), power.shape[1])
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / smoothing) ** 2)
    mirrored = torch.cat([power[:, :radius].flip(1), power, power[:, -radius:].flip(1)], 1)
    smooth = _convolve(mirrored, kernel / kernel.sum())
    return (smooth / smooth.sum(1, keepdim=True)).T


def _convolve(rows: Tensor, kernel: Tensor, block: int = 256) -> Tensor:
    """Where the symmetric kernel lies wholly within each row: blocks times a Toeplitz matrix.

    Twenty times as fast as `conv1d`, which has no good way in double precision; the same sums.

    Args:
        rows: shape `(N, length)`.
        kernel: shape `(size,)`.
        block: results of one row of the product.

    Returns:
        Shape `(N, length - size + 1)`.
    """
    wanted, width = rows.shape[1] - len(kernel) + 1, block + len(kernel) - 1
    # A row of period width + 1, cut to rows of width, moves by one each time.
    toeplitz = torch.cat([kernel, kernel.new_zeros(block)]).repeat(block)[: block * width].view(block, width)
    padded = functional.pad(rows, (0, -wanted % block))
    product = padded.unfold(1, width, block) @ toeplitz.T
    return product.flatten(1)[:, :wanted]


def constant_variables(true: Tensor, generated: Tensor) -> Tensor:
    """Which generated variables stand still beside the true ones, or are not finite: a collapse. Shape `(N,)`, bool.

    Args:
        true: shape `(time, N)`.
        generated: shape `(time, N)`.
    """
    deviation = generated.to(torch.float64).std(0, unbiased=False)
    return ~(deviation > CONSTANT * true.to(torch.float64).std(0, unbiased=False))


def spectrum_distance(true: Tensor, generated: Tensor, smoothing: float = 20.0) -> float:
    """Hellinger distance of the power spectra, D_H in [0, 1], averaged over dimensions.

    H = sqrt(1 - sum sqrt(f g)). A variable that `constant_variables` flags is at distance 1.

    Deviation: the reference code divides 0 by 0 there, or compares the spectrum of rounding errors.

    Args:
        true: shape `(time, N)`.
        generated: shape `(time, N)`, as long, since the smoothing is in bins.
        smoothing: see `power_spectra`.

    Raises:
        SeriesError: when the series do not have one shape.

    Reference:
        Mikhaeil, Monfared, Durstewitz, NeurIPS 2022; Hess et al., ICML 2023.

    >>> t = torch.arange(1000.0).unsqueeze(1)
    >>> round(spectrum_distance(t.sin(), t.cos()), 1), spectrum_distance(t.sin(), 0 * t)
    (0.0, 1.0)
    """
    check_pair(true, generated)
    if true.shape != generated.shape:
        raise SeriesError(f"expected series of one shape, got {tuple(true.shape)} and {tuple(generated.shape)}")
    f, g = power_spectra(true, smoothing), power_spectra(generated, smoothing)
    distance = 0.5**0.5 * torch.linalg.vector_norm(f.sqrt() - g.sqrt(), dim=0)
    flagged = constant_variables(true, generated)
    return float(torch.where(flagged, torch.ones_like(distance), distance).nan_to_num(nan=1.0).mean())
