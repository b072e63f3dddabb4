"""Invariant measures of a generated series beside a true one, and the Lyapunov spectrum of a model.

Which variant: histograms reach 0.1 standard deviations beyond the true range and are smoothed by a pseudocount;
spectra are of z-scored series and smoothed by a Gaussian of 20 frequency bins; the prediction error is that of the n-th
step alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def state_space_divergence(
    true: Tensor, generated: Tensor, bins: int = 30, margin: float = 0.1, pseudocount: float = 1e-5
) -> float:
    """Kullback-Leibler divergence of the distributions over state space, D_stsp, in nats.

    sum_i p_i log(p_i / q_i) over bins^N cells, p = (count + e) / (total + e bins^N), points outside left out. Only
    cells that are occupied are visited; the others have a closed form.

    Args:
        true: shape `(time, N)`.
        generated: shape `(time, N)`.
        bins: per dimension.
        margin: reach of the cells beyond the true range, in standard deviations of the true series.
        pseudocount: e.

    Returns:
        The divergence; NaN when no generated point falls into a cell.

    Reference:
        Koppe et al., PLoS Comput. Biol. 15, 2019; Hess et al., ICML 2023.

    >>> x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    >>> state_space_divergence(x, x[torch.randperm(500)])
    0.0
    """
    true, generated = true.to(torch.float64), generated.to(torch.float64)
    reach = margin * true.std(0)
    low, high = true.amin(0) - reach, true.amax(0) + reach
    p_cells, q_cells = (_cells(series, low, high, bins) for series in (true, generated))
    if not len(q_cells):
        return math.nan
    cells, inverse = torch.unique(torch.cat([p_cells, q_cells]), return_inverse=True)
    count_p = torch.bincount(inverse[: len(p_cells)], minlength=len(cells)).to(torch.float64)
    count_q = torch.bincount(inverse[len(p_cells) :], minlength=len(cells)).to(torch.float64)
    size = float(bins) ** true.shape[1]
    total_p, total_q = len(p_cells) + pseudocount * size, len(q_cells) + pseudocount * size
    p, q = (count_p + pseudocount) / total_p, (count_q + pseudocount) / total_q
    empty = (size - len(cells)) * pseudocount / total_p * math.log(total_q / total_p)
    return float((p * (p / q).log()).sum()) + empty


def _cells(series: Tensor, low: Tensor, high: Tensor, bins: int) -> Tensor:
    """Numbers of the cells of those points that lie within, shape `(inside,)`, int64."""
    place = (series - low) / (high - low) * bins
    inside = ((place >= 0) & (place <= bins)).all(-1)  # NaN is outside
    index = place[inside].long().clamp_(max=bins - 1)
    return (index * bins ** torch.arange(series.shape[1], device=series.device)).sum(-1)


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
    smooth = functional.conv1d(mirrored.unsqueeze(1), (kernel / kernel.sum()).view(1, 1, -1)).squeeze(1)
    return (smooth / smooth.sum(1, keepdim=True)).T


def spectrum_distance(true: Tensor, generated: Tensor, smoothing: float = 20.0) -> float:
    """Hellinger distance of the power spectra, D_H in [0, 1], averaged over dimensions.

    H = sqrt(1 - sum sqrt(f g)). A generated series that is constant or not finite is at distance 1.

    Args:
        true: shape `(time, N)`.
        generated: shape `(time, N)`, as long, since the smoothing is in bins.
        smoothing: see `power_spectra`.

    Reference:
        Mikhaeil, Monfared, Durstewitz, NeurIPS 2022; Hess et al., ICML 2023.
    """
    if true.shape != generated.shape:
        raise ValueError(f"expected series of one shape, got {tuple(true.shape)} and {tuple(generated.shape)}")
    f, g = power_spectra(true, smoothing), power_spectra(generated, smoothing)
    distance = 0.5**0.5 * torch.linalg.vector_norm(f.sqrt() - g.sqrt(), dim=0)
    return float(distance.nan_to_num(nan=1.0).mean())


def prediction_error(step: Callable[[Tensor], Tensor], series: Tensor, steps: int = 20, chunk: int = 20_000) -> float:
    """Mean squared error `steps` ahead, PE(n), over forecasts from every point of a series.

    Args:
        step: the model, on states of shape `(batch, N)`.
        series: shape `(time, N)`, longer than `steps`.
        steps: n.
        chunk: forecasts made side by side.

    Reference:
        Koppe et al., PLoS Comput. Biol. 15, 2019.
    """
    if len(series) <= steps:
        raise ValueError(f"expected a series longer than {steps} points, got {len(series)}")
    total = series.new_zeros((), dtype=torch.float64)
    for start in range(0, len(series) - steps, chunk):
        z = series[start : min(start + chunk, len(series) - steps)]
        target = series[start + steps : start + steps + len(z)]
        for _ in range(steps):
            z = step(z)
        total += (z - target).square().sum(dtype=torch.float64)
    return float(total) / ((len(series) - steps) * series.shape[1])


def lyapunov_spectrum(
    step: Callable[[Tensor], Tensor],
    jacobian: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
    transient: int = 0,
    every: int = 10,
) -> Tensor:
    """Lyapunov exponents per step, by QR decomposition of Jacobian products, averaged over trajectories.

    Q <- J(z) Q along each trajectory; every few steps QR = Q is split and log |diag R| summed.

    Args:
        step: z -> F(z), on states of shape `(batch, dim)`.
        jacobian: z -> dF/dz, of shape `(batch, dim, dim)`.
        start: states on the attractor, shape `(batch, dim)`.
        steps: averaged over.
        transient: steps before that, in which Q aligns.
        every: steps between two decompositions.

    Returns:
        Exponents in descending order, shape `(dim,)`, float64; NaN where a trajectory leaves the numbers.

    Reference:
        Geist, Parlitz, Lauterborn, Prog. Theor. Phys. 83, 1990.
    """
    z, dim = start, start.shape[-1]
    Q = torch.eye(dim, dtype=torch.float64, device=z.device).expand(len(z), dim, dim)
    sums = torch.zeros(len(z), dim, dtype=torch.float64, device=z.device)
    for index in range(1, transient + steps + 1):
        Q = jacobian(z).to(torch.float64) @ Q
        z = step(z)
        if index % every == 0 or index in (transient, transient + steps):
            Q, R = torch.linalg.qr(Q)
            if index > transient:
                sums += R.diagonal(dim1=-2, dim2=-1).abs().log()
    return (sums / steps).mean(0).sort(descending=True).values
