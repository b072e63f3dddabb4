"""D_stsp by Gaussian mixtures, for dimensions in which bins stay empty."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Generator, Tensor

from heatbath.plugins.gtf.measures.series import SeriesError, check_pair

UNDERFLOW = -150 * math.log(2)
"""Log densities below this are 0 in single precision."""


def mixture_divergence(
    true: Tensor,
    generated: Tensor,
    generator: Generator,
    variance: float = 1.0,
    points: int = 10_000,
    samples: int = 1_000,
    underflow: Literal["keep", "discard"] = "keep",
) -> float:
    """Kullback-Leibler divergence of two Gaussian mixtures, by Monte Carlo, in nats.

    p(x) = 1/T sum_t N(x; x_t, variance 1), likewise q; the mean of log p - log q over samples of p.

    Symbols: `variance` is that of each Gaussian, sigma^2, not a standard deviation. At 1 and standardised data the
    mixtures are so wide that the measure hardly tells anything apart; 0.1 tells more.

    Args:
        true: shape `(time, N)`.
        generated: shape `(time, N)`.
        generator: of the samples.
        variance: of each Gaussian.
        points: of each series that make up its mixture, from the beginning.
        samples: drawn from the true mixture.
        underflow: `discard` leaves out samples whose density vanishes in single precision, as the reference code does,
            which flatters a model that is far off.

    Returns:
        The divergence; NaN for a generated series that is not finite, or when every sample is discarded.

    Raises:
        SeriesError: when the series do not fit together.

    Reference:
        Hershey and Olsen, ICASSP 2007, section 4.1; Koppe et al., PLoS Comput. Biol. 15, 2019, equation 7.

    >>> x = torch.zeros(100, 2)
    >>> value = mixture_divergence(x, x + 3, torch.Generator().manual_seed(0))  # two Gaussians: 3^2 + 3^2 over 2
    >>> abs(value - 9) < 0.5
    True
    """
    check_pair(true, generated)
    if not (variance > 0 and points > 0 and samples > 0):
        raise SeriesError(
            f"expected positive `variance`, `points` and `samples`, got {variance}, {points} and {samples}"
        )
    p_centres, q_centres = true[:points].to(torch.float64), generated[:points].to(torch.float64)
    device = generator.device
    picked = torch.randint(len(p_centres), (samples,), generator=generator, device=device)
    noise = torch.randn((samples, true.shape[1]), generator=generator, device=device, dtype=torch.float64)
    drawn = p_centres[picked.to(true.device)] + math.sqrt(variance) * noise.to(true.device)
    log_p, largest_p = log_mixture(drawn, p_centres, variance)
    log_q, largest_q = log_mixture(drawn, q_centres, variance)
    ratio = log_p - log_q
    if underflow == "discard":
        ratio = ratio[(largest_p > UNDERFLOW) & (largest_q > UNDERFLOW)]
    return float(ratio.mean())


def log_mixture(x: Tensor, centres: Tensor, variance: float, chunk: int = 2**21) -> tuple[Tensor, Tensor]:
    """Log density of a mixture of equal Gaussians, by one matrix product a chunk.

    Args:
        x: where, shape `(samples, N)`.
        centres: shape `(components, N)`.
        variance: of each Gaussian, in each dimension.
        chunk: samples times components held at once.

    Returns:
        Log densities, shape `(samples,)`, and the largest log density of a single Gaussian at each sample.
    """
    count, dim = centres.shape
    shift = centres.mean(0)  # distances lose fewer digits near the origin
    x, centres = x - shift, centres - shift
    scaled = (centres / variance).T
    offset = -0.5 * centres.square().sum(1) / variance
    constant = -0.5 * dim * math.log(2 * math.pi * variance)
    sums, largest = [], []
    for part in x.split(max(1, chunk // count)):
        exponents = torch.addmm(offset, part, scaled)
        top = exponents.amax(1)
        rest = -0.5 * part.square().sum(1) / variance + constant
        sums.append((exponents - top.unsqueeze(1)).exp_().sum(1).log() + top + rest)
        largest.append(top + rest)
    return torch.cat(sums) - math.log(count), torch.cat(largest)
