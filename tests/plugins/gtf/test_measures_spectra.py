"""D_H, and PE(n)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from heatbath.envs.chaotic import options as env
from heatbath.envs.chaotic.lorenz import Lorenz63
from heatbath.plugins.gtf.measures import (
    SeriesError,
    constant_variables,
    power_spectra,
    prediction_error,
    spectrum_distance,
)


def lorenz(points: int, seed: int, **options: float) -> Tensor:
    return Lorenz63(env.Lorenz63(**options), None).series(points, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("points", "smoothing"), [(2000, 20.0), (1001, 3.0), (600, 20.0)])
def test_spectra_are_smoothed_as_scipy_does(points: int, smoothing: float) -> None:
    x = lorenz(points, 0)
    z = ((x - x.mean(0)) / x.std(0, unbiased=False)).numpy()
    power = np.abs(np.fft.rfft(z, axis=0)) ** 2
    expected = gaussian_filter1d(power, smoothing, axis=0, mode="reflect")
    expected /= expected.sum(0)
    np.testing.assert_allclose(power_spectra(x, smoothing).numpy(), expected, rtol=1e-9, atol=1e-15)


def test_identical_series_have_distance_zero() -> None:
    x = lorenz(1000, 0)
    assert spectrum_distance(x, x.clone()) == 0.0
    assert spectrum_distance(x, 3 * x + 5) == pytest.approx(0.0, abs=1e-7)


def test_tones_far_apart() -> None:
    t = torch.arange(20_000, dtype=torch.float64).unsqueeze(1)
    assert spectrum_distance((0.1 * t).sin(), (1.5 * t).sin()) > 0.99


def test_one_attractor_ten_per_cent_too_fast() -> None:
    """The same states are visited; only the spectrum tells."""
    distance = spectrum_distance(lorenz(50_000, 0), lorenz(50_000, 1, time_step=0.011))
    assert 0.15 < distance < 0.30


@pytest.mark.slow
def test_the_floor_of_lorenz63_at_full_length() -> None:
    """0.049 +- 0.005 between two true series of 100 000 points (gtf.md, section 9), within half."""
    assert spectrum_distance(lorenz(100_000, 0), lorenz(100_000, 1)) == pytest.approx(0.049, rel=0.5)


def test_a_variable_that_stands_still_is_flagged_and_far() -> None:
    x = lorenz(1000, 0)
    still = x.clone()
    still[:, 1] = 4.0
    assert constant_variables(x, still).tolist() == [False, True, False]
    assert spectrum_distance(x, still) == pytest.approx(1 / 3)
    assert spectrum_distance(x, torch.full_like(x, math.nan)) == 1.0
    assert spectrum_distance(x, torch.zeros_like(x)) == 1.0


def test_rounding_errors_around_a_fixed_point_are_no_spectrum() -> None:
    x = lorenz(1000, 0)
    jitter = 5 + 1e-7 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    assert bool(constant_variables(x, jitter).all())
    assert spectrum_distance(x, jitter) == 1.0


def test_lengths_must_agree() -> None:
    x = lorenz(100, 0)
    with pytest.raises(SeriesError, match="expected series of one shape"):
        spectrum_distance(x, x[:-1])


class Affine(nn.Module):
    """z -> 0.9 z in five dimensions, seen through two of them, doubled."""

    def forward(self, z: Tensor) -> Tensor:
        return 0.9 * z

    def encode(self, x: Tensor) -> Tensor:
        return torch.cat([x / 2, x.new_zeros(*x.shape[:-1], 3)], -1)

    def observe(self, z: Tensor) -> Tensor:
        return 2 * z[..., :2]


def test_only_the_nth_step_counts() -> None:
    """x_t = t + e with e in every third place: forecasts by +1 from all points."""
    x = torch.arange(12, dtype=torch.float64).unsqueeze(1)
    assert prediction_error(lambda z: z + 1, x, steps=4) == 0.0
    assert prediction_error(lambda z: z + 2, x, steps=4) == 16.0
    assert prediction_error(lambda z: z, x, steps=11) == 121.0


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_every_point_counts_once(chunk: int) -> None:
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = float((0.5**3 * x[:-3] - x[3:]).square().mean())
    assert prediction_error(lambda z: 0.5 * z, x, 3, chunk) == pytest.approx(expected)


def test_a_latent_model_is_begun_by_encode_and_seen_by_observe() -> None:
    x = 0.9 ** torch.arange(30, dtype=torch.float64).unsqueeze(1) * torch.tensor([1.0, -3.0], dtype=torch.float64)
    assert prediction_error(Affine(), x, 20) == pytest.approx(0.0, abs=1e-20)


def test_the_true_map_makes_no_error() -> None:
    system = Lorenz63(env.Lorenz63(), None)
    assert prediction_error(system.step, lorenz(200, 0), 20) < 1e-20


def test_a_series_that_is_too_short() -> None:
    with pytest.raises(SeriesError, match="longer than 20 points, got 20"):
        prediction_error(lambda z: z, torch.zeros(20, 1), 20)
