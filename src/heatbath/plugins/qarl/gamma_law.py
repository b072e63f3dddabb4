"""Gamma laws of one rate: their divergence, their weights against each other, and draws with a generator."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

ROUNDS = 16
"""Candidates for each draw. One in twenty is refused at most, so that none is left once in 10^20 draws; looking whether
one is left would make the host wait."""
MACHINE = torch.finfo(torch.float64).eps


def digamma(k: float) -> float:
    """psi(k), the derivative of ln Gamma.

    >>> round(digamma(1.0), 6)
    -0.577216
    """
    return float(torch.special.digamma(torch.tensor(k, dtype=torch.float64)))


def gamma_kl(k: float, k0: float) -> float:
    """KL(Gamma(k, lambda) || Gamma(k0, lambda)) = (k - k0) psi(k) - ln Gamma(k) + ln Gamma(k0), in nats, for any rate.

    >>> round(gamma_kl(50.0, 1.0), 3)
    46.632
    """
    return (k - k0) * digamma(k) - math.lgamma(k) + math.lgamma(k0)


def sample_gamma(shape: float, rate: float, count: int, generator: Generator) -> Tensor:
    """Draws from Gamma(shape, rate) on the generator's device, shape `(count,)`, float64, all positive.

    A squeezed normal is accepted or refused; below shape 1 a draw of shape + 1 is multiplied by U^(1 / shape), in
    logarithms, since such draws get very small: float32 cannot hold one in fifty at shape 0.05. torch's own Gamma law
    takes no generator. The host does not wait.

    Reference:
        Marsaglia, Tsang, "A simple method for generating gamma variables", 2000.
    """
    like = {"dtype": torch.float64, "device": generator.device}
    d = (shape + 1.0 if shape < 1.0 else shape) - 1.0 / 3.0
    x = torch.randn(ROUNDS, count, generator=generator, **like)  # type: ignore[call-overload]
    log_u = torch.rand(ROUNDS, count, generator=generator, **like).log()  # type: ignore[call-overload]
    base = 1.0 + x / math.sqrt(9.0 * d)
    log_v = 3.0 * base.clamp_min(1e-12).log()
    accepted = (base > 0.0) & (log_u < x * x / 2.0 + d * (1.0 - log_v.exp() + log_v))
    first = accepted.to(torch.uint8).argmax(0, keepdim=True)
    logarithm = log_v.gather(0, first)[0] + math.log(d / rate)
    if shape < 1.0:
        uniform = torch.rand(count, generator=generator, **like)  # type: ignore[call-overload]
        logarithm = logarithm + uniform.clamp_min(1e-300).log() / shape
    drawn: Tensor = logarithm.exp().clamp_min(torch.finfo(torch.float64).tiny)
    return drawn


def crossing(f: Callable[[float], float], good: float, bad: float) -> float:
    """Where f, which is at least 0 at `good` and below 0 at `bad`, changes sign; from the good side.

    Secants where they help, halves where they do not; f of what is returned is at least 0.

    >>> round(crossing(lambda x: 2.0 - x * x, 0.0, 2.0), 9)
    1.414213562
    """
    f_good, f_bad, side = f(good), f(bad), 0
    for trial in range(200):
        if abs(bad - good) <= 2.0 * MACHINE * max(abs(good), abs(bad)):
            break
        middle = (good + bad) / 2.0
        if trial % 3 != 2 and f_good > f_bad:  # every third step halves
            secant = (good * f_bad - bad * f_good) / (f_bad - f_good)
            inside = min(good, bad) < secant < max(good, bad)
            middle = secant if inside else middle
        value = f(middle)
        if value >= 0.0:
            good, f_good = middle, value
            f_bad, side = (f_bad / 2.0, 1) if side == 1 else (f_bad, 1)
        else:
            bad, f_bad = middle, value
            f_good, side = (f_good / 2.0, -1) if side == -1 else (f_good, -1)
        if middle in (good, bad) and value == 0.0:
            break
    return good
