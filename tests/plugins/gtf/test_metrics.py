"""The measures as registered metrics."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatbath.core.contracts import Clock, StepContext
from heatbath.core.host import Host
from heatbath.envs.chaotic import options as env
from heatbath.envs.chaotic.lorenz import Lorenz63
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.measures import floors
from heatbath.plugins.gtf.metrics import segments
from heatbath.testing import build, check_metric

OF_SERIES = ("d-stsp", "d-stsp-mixture", "d-hellinger")
OF_MODELS = ("lyapunov-max", "lyapunov-spectrum", "kaplan-yorke")


class Map(nn.Module):
    """The true Lorenz-63 map in the place of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.system = Lorenz63(env.Lorenz63(), None)

    def forward(self, z: Tensor) -> Tensor:
        return self.system.step(z)

    def jacobian(self, z: Tensor) -> Tensor:
        return self.system.jacobian(z)


class Latent(nn.Module):
    """Five states of which two are seen, decaying at known rates."""

    rates = (0.9, 0.8, 0.5, 0.4, 0.2)

    def forward(self, z: Tensor) -> Tensor:
        return z * z.new_tensor(self.rates)

    def encode(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(*x.shape[:-1], 3)], -1)

    def observe(self, z: Tensor) -> Tensor:
        return z[..., :2]


def lorenz(points: int, seed: int) -> Tensor:
    return Lorenz63(env.Lorenz63(), None).series(points, torch.Generator().manual_seed(seed))


def measure(metric: Any, **values: Any) -> Any:
    values = {name.replace("__", ":"): value for name, value in values.items()}
    with torch.no_grad():
        metric.reset()
        metric.update(StepContext(Clock(0, 1), values, "evaluate").only(metric.needs))
        return metric.compute()


def test_all_metrics_of_the_plugin_are_tested_here(host: Host) -> None:
    registered = {name for name in host.names("metrics") if host.record("metrics", name).plugin == "gtf"}
    assert registered == {*OF_SERIES, *OF_MODELS, "prediction-error"}


@pytest.mark.parametrize("name", OF_SERIES)
def test_metrics_of_series_conform(host: Host, name: str) -> None:
    check_metric(host, name)


def test_prediction_error_conforms(host: Host) -> None:
    check_metric(host, "prediction-error", steps=2)


@pytest.mark.parametrize("name", OF_MODELS)
def test_metrics_of_models_conform(host: Host, name: str) -> None:
    states = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = {"solution:states": states, "fact:time_step": 0.5}
    check_metric(host, name, values=values, segments=3, steps=10, transient=2)


@pytest.mark.parametrize("extent", ["default", "legacy", "minmax", "minmax-inner"])
def test_every_extent_can_be_chosen(host: Host, extent: str) -> None:
    check_metric(host, "d-stsp", extent=extent)


def test_true_model_true_exponents(host: Host) -> None:
    model, states = Map(), lorenz(20_000, 0).unsqueeze(0)
    values = {"model": model, "solution__states": states, "fact__time_step": 0.01}
    how = {"segments": 50, "steps": 1000, "transient": 200}
    largest = measure(build(host, "metrics", "lyapunov-max", **how), **values)
    spectrum = measure(build(host, "metrics", "lyapunov-spectrum", **how), **values)
    dimension = measure(build(host, "metrics", "kaplan-yorke", **how), **values)
    assert largest == pytest.approx(0.906, abs=0.05)
    assert list(spectrum) == ["1", "2", "3"]
    assert spectrum["1"] == pytest.approx(largest, abs=1e-9)
    assert sum(spectrum.values()) == pytest.approx(-41 / 3, abs=3e-4)  # Runge-Kutta contracts a little less
    assert dimension == pytest.approx(2.06, abs=0.01)
    two = measure(build(host, "metrics", "lyapunov-spectrum", count=2, **how), **values)
    assert list(two) == ["1", "2"]
    assert two["2"] == pytest.approx(spectrum["2"], abs=1e-9)


def test_latent_models(host: Host) -> None:
    """`solution:states` are states of dimension 5, `target` is observed and of dimension 2."""
    t = torch.arange(60, dtype=torch.float64).unsqueeze(1)
    target = (torch.tensor([0.9, 0.8], dtype=torch.float64) ** t).unsqueeze(0)
    states = (torch.tensor(Latent.rates, dtype=torch.float64) ** t).unsqueeze(0)
    assert measure(build(host, "metrics", "prediction-error"), model=Latent(), target=target) < 1e-20
    values = {"model": Latent(), "solution__states": states, "fact__time_step": 1.0}
    spectrum = measure(build(host, "metrics", "lyapunov-spectrum", steps=20, transient=40, segments=1), **values)
    assert list(spectrum.values()) == pytest.approx([math.log(rate) for rate in Latent.rates], abs=1e-6)


def test_a_callable_is_a_model(host: Host) -> None:
    states = torch.ones(1, 50, 2, dtype=torch.float64)
    values = {"model": lambda z: 0.5 * z, "solution__states": states, "fact__time_step": 2.0}
    how = {"segments": 2, "steps": 10, "transient": 0}
    assert measure(build(host, "metrics", "lyapunov-max", **how), **values) == pytest.approx(-math.log(2) / 2)


def test_a_run_that_left_the_numbers_has_no_exponent(host: Host) -> None:
    values = {"model": Map(), "solution__states": torch.full((1, 3000, 3), math.nan), "fact__time_step": 0.01}
    assert math.isnan(measure(build(host, "metrics", "lyapunov-max"), **values))


@pytest.mark.parametrize("length", [7, 25])
def test_segments_follow_from_one_another_taken_or_stepped(length: int) -> None:
    states = torch.arange(20, dtype=torch.float64).unsqueeze(1)
    pieces = segments(lambda z: z + 1, states, 4, length)
    assert pieces.shape == (length, 4, 1)
    assert bool((pieces[1:] - pieces[:-1] == 1).all())
    assert float(pieces[0, 0]) == 0.0
    if length <= 20:
        assert float(pieces[-1, -1]) == 19.0


def test_the_mixture_draws_the_same_samples_each_time(host: Host) -> None:
    x, y = lorenz(500, 0).unsqueeze(0) / 8, lorenz(500, 1).unsqueeze(0) / 8
    values = {"target": x, "prediction": y}
    first, again, other = (
        measure(build(host, "metrics", "d-stsp-mixture", samples=50, sample_seed=seed), **values) for seed in (0, 0, 1)
    )
    assert first == again != other
    wide, narrow = (measure(build(host, "metrics", "d-stsp-mixture", variance=v), **values) for v in (1.0, 0.01))
    assert narrow > 3 * wide


def test_floors_are_what_the_metrics_say_of_a_second_true_series(host: Host) -> None:
    true, other = lorenz(3000, 0), lorenz(3000, 1)
    metrics = {
        "d_stsp": build(host, "metrics", "d-stsp", bins=10),
        "d_hellinger": build(host, "metrics", "d-hellinger"),
        "lyapunov_max": build(host, "metrics", "lyapunov-max"),
    }
    found = floors(metrics, true, other)
    assert set(found) == {"d_stsp", "d_hellinger"}
    for name, value in found.items():
        assert value == measure(metrics[name], target=true.unsqueeze(0), prediction=other.unsqueeze(0))
    metrics["d_stsp"].reset()
    assert math.isnan(metrics["d_stsp"].compute())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: opt.StateSpaceDivergence(bins=1), "`bins` of at least 2"),
        (lambda: opt.MixtureDivergence(variance=-1.0), "`variance` must be positive"),
        (lambda: opt.MixtureDivergence(samples=0), "`samples` must be positive"),
        (lambda: opt.SpectrumDistance(smoothing=0.0), "`smoothing` must be positive"),
        (lambda: opt.PredictionError(steps=0), "`steps` must be at least 1"),
        (lambda: opt.LargestLyapunovExponent(segments=0), "`segments` must be at least 1"),
        (lambda: opt.KaplanYorkeDimension(every=0), "`every` must be at least 1"),
        (lambda: opt.LyapunovSpectrum(count=0), "`count` must be at least 1"),
        (lambda: opt.LyapunovSpectrum(transient=-1), "`transient` must be at least 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
