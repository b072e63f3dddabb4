"""D_stsp by bins."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from heatbath.core.errors import HeatbathError
from heatbath.envs.chaotic import options as env
from heatbath.envs.chaotic.lorenz import Lorenz63
from heatbath.plugins.gtf.measures import EXTENTS, SeriesError, state_space_divergence


def draws(points: int, dim: int, seed: int = 0) -> Tensor:
    return torch.randn(points, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(true: Tensor, generated: Tensor, bins: int, extent: str = "default") -> float:
    """The divergence over all bins^N cells, by numpy's histogram."""
    deviation = true.std(0)
    if extent == "legacy":
        low, high = true.mean(0) - 2 * deviation, true.mean(0) + 2 * deviation
    else:
        reach = 0.1 * deviation if extent == "default" else 0.0
        low, high = true.amin(0) - reach, true.amax(0) + reach
    edges = [np.linspace(a, b, bins + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    counts = [np.histogramdd(series.numpy(), bins=edges)[0] for series in (true, generated)]
    p, q = ((count + 1e-5) / (count.sum() + 1e-5 * count.size) for count in counts)
    return float((p * np.log(p / q)).sum())


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    dim=st.integers(1, 3),
    bins=st.integers(2, 10),
    shift=st.floats(-2, 2),
    scale=st.floats(0.1, 3),
    extent=st.sampled_from(["default", "legacy", "minmax"]),
)
def test_sparse_bins_equal_a_dense_histogram(
    seed: int, dim: int, bins: int, shift: float, scale: float, extent: str
) -> None:
    true, generated = draws(200, dim, seed), shift + scale * draws(300, dim, seed + 1)
    expected = dense(true, generated, bins, extent)
    if not math.isfinite(state_space_divergence(true, generated, bins, extent=extent)):
        return  # nothing fell into a cell
    assert state_space_divergence(true, generated, bins, extent=extent) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_of_lorenz63_in_ten_bins_as_the_dense_histogram() -> None:
    system = Lorenz63(env.Lorenz63(), None)
    true, other = (system.series(5000, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert state_space_divergence(true, other, 10) == pytest.approx(dense(true, other, 10), abs=1e-9)


def test_the_first_cells_left_out_equal_a_dense_histogram_without_them() -> None:
    true, generated = draws(500, 2), draws(400, 2, 1)
    low, high = true.amin(0), true.amax(0)

    def inner(series: Tensor) -> Tensor:
        place = (series - low) / (high - low) * 10
        return series[((place >= 1) & (place <= 10)).all(1)]

    edges = [np.linspace(a, b, 11) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    counts = [np.histogramdd(inner(series).numpy(), bins=edges)[0] for series in (true, generated)]
    p, q = ((count + 1e-5) / (count.sum() + 1e-5 * count.size) for count in counts)
    expected = float((p * np.log(p / q)).sum())
    assert state_space_divergence(true, generated, 10, extent="minmax-inner") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("extent", EXTENTS)
def test_order_in_time_does_not_matter(extent: str) -> None:
    x = draws(1000, 3)
    shuffled = x[torch.randperm(1000, generator=torch.Generator().manual_seed(2))]
    assert state_space_divergence(x, shuffled, extent=extent) == 0.0


def test_extents_by_hand() -> None:
    """Five points on a line; one of the generated ones lies just outside the true range."""
    true = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0]], dtype=torch.float64)
    near = torch.tensor([[4.1], [0.5], [1.5], [2.5], [3.5]], dtype=torch.float64)
    assert true.std() * 0.1 > 0.1
    inside = {extent: not math.isnan(state_space_divergence(true, near[:1], 4, extent=extent)) for extent in EXTENTS}
    assert inside == {"default": True, "legacy": True, "minmax": False, "minmax-inner": False}
    first = {e: not math.isnan(state_space_divergence(true, near[1:2], 4, extent=e)) for e in EXTENTS}
    assert first == {"default": True, "legacy": True, "minmax": True, "minmax-inner": False}


def test_nothing_inside_is_nan() -> None:
    x = draws(100, 2)
    assert math.isnan(state_space_divergence(x, x + 100))
    assert math.isnan(state_space_divergence(x, torch.full_like(x, math.nan)))


def test_more_than_65535_points_in_a_cell_are_counted() -> None:
    """The reference code's counters wrap around there."""
    x = draws(100, 1)
    still = torch.zeros(70_000, 1, dtype=torch.float64)
    assert state_space_divergence(x, still, 10) == pytest.approx(dense(x, still, 10))


def test_five_dimensions_need_no_more_than_the_occupied_cells() -> None:
    x = draws(1000, 5)
    assert state_space_divergence(x, x.flip(0)) == pytest.approx(0.0, abs=1e-9)
    assert state_space_divergence(x, x + 1) > 5


@pytest.mark.parametrize("dim", [8, 64])
def test_where_pseudocounts_outweigh_the_points_nothing_is_claimed(dim: int, caplog: pytest.LogCaptureFixture) -> None:
    """The formula gives 1e-21 for any two series of twenty variables, a perfect figure whatever the model is."""
    x = draws(1000, dim)
    assert math.isnan(state_space_divergence(x, x + 1))
    assert "Use d-stsp-mixture" in caplog.text


def test_series_that_do_not_fit_are_refused() -> None:
    x = draws(50, 3)
    with pytest.raises(SeriesError, match="the true series has 3 variables, the generated one 2"):
        state_space_divergence(x, x[:, :2])
    with pytest.raises(SeriesError, match="axes"):
        state_space_divergence(x, x[0])
    with pytest.raises(HeatbathError, match="constant in a variable"):
        state_space_divergence(torch.ones(10, 2), torch.ones(10, 2))
    with pytest.raises(ValueError, match="`extent` must be one of default, legacy"):
        state_space_divergence(x, x, extent="wide")


@pytest.mark.slow
def test_the_floor_of_lorenz63_at_full_length() -> None:
    """Two true series of 100 000 points: 0.037, within half (gtf.md, section 9); 0.57 at 10 000 points."""
    system = Lorenz63(env.Lorenz63(), None)
    true, other = (system.series(100_000, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert state_space_divergence(true, other) == pytest.approx(0.037, rel=0.5)
    assert state_space_divergence(true[:10_000], other[:10_000]) == pytest.approx(0.57, rel=0.5)
    fixed = true.mean(0) + torch.zeros_like(true)
    assert state_space_divergence(true, fixed) == pytest.approx(16.3, rel=0.1)
