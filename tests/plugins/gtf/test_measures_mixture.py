"""D_stsp by Gaussian mixtures."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from heatbath.plugins.gtf.measures import SeriesError, log_mixture, mixture_divergence


def draws(points: int, dim: int, seed: int = 0) -> Tensor:
    return torch.randn(points, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("variance", [0.1, 1.0, 4.0])
def test_densities_equal_those_of_torch_distributions(variance: float) -> None:
    centres, x = draws(7, 3), draws(20, 3, 1)
    components = torch.distributions.Independent(torch.distributions.Normal(centres, math.sqrt(variance)), 1)
    weights = torch.distributions.Categorical(torch.ones(7, dtype=torch.float64))
    expected = torch.distributions.MixtureSameFamily(weights, components).log_prob(x)
    found, largest = log_mixture(x, centres, variance, chunk=30)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(largest, components.log_prob(x.unsqueeze(1)).amax(1))


@pytest.mark.parametrize(("variance", "exact"), [(1.0, 4.5), (0.25, 18.0), (9.0, 0.5)])
def test_two_gaussians_and_variance_means_variance(variance: float, exact: float) -> None:
    """One centre each, 3 apart: 3^2 / (2 variance). The mean of 1000 samples spreads by 3 / sd / sqrt(1000)."""
    x = torch.zeros(10, 1, dtype=torch.float64)
    found = mixture_divergence(x, x + 3, seeded(), variance=variance)
    assert found == pytest.approx(exact, abs=5 * 3 / math.sqrt(variance * 1000))  # 5 sigma: one false alarm in 1.7e6


def test_of_itself_it_is_zero() -> None:
    x = draws(300, 8)
    assert mixture_divergence(x, x.flip(0), seeded()) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fifty_deviations_away_it_is_finite_and_right(dtype: torch.dtype) -> None:
    """Nothing underflows in the log domain; far off, the distance of the nearest centres rules: about 50^2 N / 2."""
    x = draws(2000, 5).to(dtype)
    far = mixture_divergence(x, x + 50, seeded())
    assert far == pytest.approx(50**2 * 5 / 2, rel=0.1)
    farther = mixture_divergence(x, x + 5000, seeded())
    assert farther == pytest.approx(5000**2 * 5 / 2, rel=0.01)


def test_discarding_underflow_flatters() -> None:
    """As the reference code does: samples that vanish in single precision do not count."""
    x = draws(500, 5)
    both = torch.cat([x[:250], x[250:] + 100])
    kept = mixture_divergence(both, x[:250], seeded())
    discarded = mixture_divergence(both, x[:250], seeded(), underflow="discard")
    assert kept > 1000
    assert discarded < 2
    assert math.isnan(mixture_divergence(x, x + 1000, seeded(), underflow="discard"))
    assert mixture_divergence(x, x + 0.1, seeded(), underflow="discard") == mixture_divergence(x, x + 0.1, seeded())


def test_only_the_first_points_count() -> None:
    x, y = draws(400, 3), draws(400, 3, 1)
    tail = torch.cat([y[:100], y[100:] + 1000])
    assert mixture_divergence(x, y, seeded(), points=100) == mixture_divergence(x, tail, seeded(), points=100)


def test_a_model_that_left_the_numbers_is_nan() -> None:
    x = draws(50, 3)
    assert math.isnan(mixture_divergence(x, torch.full_like(x, math.nan), seeded()))


def test_errors() -> None:
    x = draws(50, 3)
    with pytest.raises(SeriesError, match="expected positive `variance`"):
        mixture_divergence(x, x, seeded(), variance=0.0)
    with pytest.raises(SeriesError, match="has 3 variables"):
        mixture_divergence(x, x[:, :1], seeded())
