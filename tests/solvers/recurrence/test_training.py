"""Fused training steps against autograd and torch's RAdam."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from heatbath.core.errors import ConfigError
from heatbath.solvers.recurrence import kernels
from heatbath.solvers.recurrence.layout import Layout
from heatbath.solvers.recurrence.training import FusedTrainer, PlainTrainer, Trainer, make_trainer

POINTS = 120


def parameters(layout: Layout, models: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Contracting models, with a readout of moderate condition."""
    generator = torch.Generator().manual_seed(seed)
    theta = 0.2 * torch.randn(models, layout.size, generator=generator, dtype=torch.float64)
    views = layout.views(theta)
    views["W1"].mul_(3 / layout.hidden)
    views["A"].uniform_(0.5, 0.9, generator=generator)
    if layout.affine:
        U, _, V = torch.linalg.svd(views["B"], full_matrices=False)
        views["B"].copy_(U @ torch.linspace(1.5, 0.5, U.shape[-1], dtype=torch.float64).diag() @ V)
    return theta.to(dtype)


def data(layout: Layout, dtype: torch.dtype, models: int | None = None) -> Tensor:
    shape = (POINTS, layout.N) if models is None else (models, POINTS, layout.N)
    generator = torch.Generator().manual_seed(5)
    return (0.2 * torch.randn(shape, generator=generator, dtype=torch.float64).cumsum(-2)).to(dtype)


def windows(steps: int, window: int, *batch: int, seed: int = 1) -> Tensor:
    return torch.randint(0, POINTS - window, (steps, *batch), generator=torch.Generator().manual_seed(seed))


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


SHAPES = st.sampled_from([(3, 3, False), (3, 2, False), (5, 5, True), (3, 7, True), (6, 4, True), (17, 17, False)])


@settings(deadline=None, derandomize=True, max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    sizes=SHAPES,
    hidden=st.integers(1, 70),
    clipped=st.booleans(),
    window=st.integers(1, 15),
    batch=st.sampled_from([1, 3, 8, 16, 37]),
    interval=st.sampled_from([1, 1, 4]),
    alpha=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_fused_steps_equal_autograd_and_radam(
    instruction_set: str,
    sizes: tuple[int, int, bool],
    hidden: int,
    clipped: bool,
    window: int,
    batch: int,
    interval: int,
    alpha: float,
) -> None:
    M, N, affine = sizes
    layout, dtype = Layout(M, hidden, N, clipped, affine), torch.float64
    theta, starts = parameters(layout, 2, dtype), windows(9, window, 2, batch)
    how: dict[str, Any] = {"window": window, "interval": interval}
    fused = FusedTrainer(layout, theta.clone(), data(layout, dtype, 2), instruction_set=instruction_set, **how)
    plain = PlainTrainer(layout, theta.clone(), data(layout, dtype, 2), **how)
    rates = torch.linspace(1e-2, 1e-3, 9)
    schedules = (rates, torch.linspace(1, 0.5, 9) * alpha, 1e-2, 1e-3 if affine else 0.0)
    found, expected = fused.run(starts, *schedules), plain.run(starts, *schedules)
    assert relative(fused.theta, plain.theta) < 1e-10
    for name in ("error", "penalty", "condition"):
        assert relative(getattr(found, name), getattr(expected, name)) < 1e-10, name
    for name, kept in plain.state_dict().items():
        assert relative(fused.state_dict()[name].double(), kept.double()) < 1e-9, name


@pytest.mark.parametrize("affine", [False, True])
def test_single_precision_within_its_rounding(instruction_set: str, affine: bool) -> None:
    layout = Layout(5, 30, affine=affine)
    theta, series, starts = parameters(layout, 1, torch.float64)[0], data(layout, torch.float64), windows(5, 8, 16)
    exact = PlainTrainer(layout, theta.clone(), series, window=8)
    single = FusedTrainer(layout, theta.float(), series.float(), window=8, instruction_set=instruction_set)
    losses, expected = single.run(starts, 1e-3, 0.1, 1e-4), exact.run(starts, 1e-3, 0.1, 1e-4)
    assert relative(losses.error.double(), expected.error) < 1e-5
    assert relative(single.theta.double(), exact.theta) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(3, 50, 3, False), (5, 33, 9, True), (16, 70, 16, False)])
def test_models_trained_together_have_the_bits_of_models_trained_alone(
    instruction_set: str, sizes: tuple[int, int, int, bool], dtype: torch.dtype
) -> None:
    M, L, N, affine = sizes
    layout = Layout(M, L, N, affine=affine)
    theta, series, starts = parameters(layout, 3, dtype), data(layout, dtype, 3), windows(6, 10, 3, 16)
    rates = torch.rand(6, 3, generator=torch.Generator().manual_seed(2)) * 1e-2
    together = FusedTrainer(layout, theta.clone(), series, window=10, instruction_set=instruction_set)
    losses = together.run(starts, rates, 0.2, 1e-3)
    for model in range(3):
        alone = FusedTrainer(layout, theta[model].clone(), series[model], window=10, instruction_set=instruction_set)
        own = alone.run(starts[:, model], rates[:, model], 0.2, 1e-3)
        assert torch.equal(own.error, losses.error[:, model])
        assert torch.equal(alone.theta, together.theta[model])


def test_the_gradient_of_the_readout_goes_through_the_first_state_only(instruction_set: str) -> None:
    """RAdam's first step is the plain gradient, so that a learning rate of 1 shows it."""
    for M, N in ((4, 4), (3, 8), (6, 3)):
        layout = Layout(M, 12, N, affine=True)
        theta, series = parameters(layout, 1, torch.float64)[0], data(layout, torch.float64)
        starts, T = windows(1, 7, 5), 7
        x = series[starts[0] + torch.arange(T + 1).unsqueeze(1)]
        leaf = theta.clone().requires_grad_()
        B, step = layout.views(leaf)["B"], layout.step(leaf)
        forcing, z, total = x @ torch.linalg.pinv(B.detach()).T, x[0] @ torch.linalg.pinv(B).T, torch.zeros(())
        for t in range(1, T + 1):
            z = step(z)
            total = total + (z @ B.T - x[t]).square().mean() / T
            z = 0.7 * z + 0.3 * forcing[t]
        (expected,) = torch.autograd.grad(total, leaf)
        trainer = FusedTrainer(layout, theta.clone(), series, window=T, instruction_set=instruction_set)
        losses = trainer.run(starts, 1.0, 0.3)
        assert relative(theta - trainer.theta, expected) < 1e-10
        assert float(losses.error) == pytest.approx(float(total.detach()), rel=1e-12)


@pytest.mark.parametrize("kind", [PlainTrainer, FusedTrainer])
def test_partial_forcing_reaches_the_units_that_it_names(kind: type[Trainer]) -> None:
    if kind is FusedTrainer and not kernels.available():
        pytest.skip("no kernel was built")
    layout = Layout(3, 10)
    series, starts = data(layout, torch.float64), windows(3, 9, 4)
    theta = parameters(layout, 1, torch.float64)[0]
    forced = torch.tensor([1.0, 0.5, 0.0])
    some = kind(layout, theta.clone(), series, window=9, forced=forced)
    none = kind(layout, theta.clone(), series, window=9, forced=torch.zeros(3))
    free = kind(layout, theta.clone(), series, window=9)
    errors = [one.run(starts, 1e-3, alpha).error for one, alpha in ((some, 0.4), (none, 0.4), (free, 0.0))]
    assert torch.equal(errors[1], errors[2])
    assert relative(errors[0], errors[1]) > 1e-3


def test_partial_forcing_is_the_same_in_both_trainers(instruction_set: str) -> None:
    layout, forced = Layout(4, 10, observed=2), torch.tensor([1.0, 0.25, 1.0, 1.0])
    theta, series = parameters(layout, 1, torch.float64)[0], data(layout, torch.float64)
    plain = PlainTrainer(layout, theta.clone(), series, window=9, forced=forced)
    fused = FusedTrainer(layout, theta.clone(), series, window=9, forced=forced, instruction_set=instruction_set)
    # Units that nothing is known of are not forced, whatever `forced` says.
    assert torch.equal(plain.forced, torch.tensor([1.0, 0.25, 0.0, 0.0], dtype=torch.float64))
    for trainer in (plain, fused):
        trainer.run(windows(4, 9, 6), 1e-2, 0.4)
    assert relative(fused.theta, plain.theta) < 1e-10


@pytest.mark.parametrize("kind", [PlainTrainer, FusedTrainer])
def test_a_model_stops_at_a_loss_that_is_not_finite_and_others_go_on(kind: type[Trainer]) -> None:
    if kind is FusedTrainer and not kernels.available():
        pytest.skip("no kernel was built")
    layout = Layout(2, 5)
    theta, series = parameters(layout, 2, torch.float32), data(layout, torch.float32, 2)
    series[1, 60] = torch.inf
    starts = torch.tensor([3, 10, 20, 55, 5]).view(5, 1, 1).expand(5, 2, 1)
    trainer = kind(layout, theta.clone(), series, window=8)
    losses = trainer.run(starts, 1e-2, 0.2)
    assert losses.completed.tolist() == [5, 3]
    assert trainer.done.tolist() == [5, 3]
    assert bool(losses.error[:, 0].isfinite().all())
    assert losses.error[:, 1].isfinite().tolist() == [True, True, True, False, False]
    until = kind(layout, theta.clone(), series, window=8)
    until.run(starts[:3], 1e-2, 0.2)
    assert torch.equal(until.theta[1], trainer.theta[1])


def test_a_readout_that_loses_its_rank_stops_the_model(instruction_set: str) -> None:
    layout = Layout(3, 5, affine=True)
    theta = parameters(layout, 1, torch.float64)[0]
    layout.views(theta)["B"].zero_()
    trainer = FusedTrainer(layout, theta, data(layout, torch.float64), window=4, instruction_set=instruction_set)
    losses = trainer.run(windows(2, 4, 3), 1e-3, 0.1)
    assert int(losses.completed) == 0
    assert bool(losses.error.isnan().all())


@pytest.mark.parametrize("kind", [PlainTrainer, FusedTrainer])
def test_a_run_cut_in_two_and_saved_between_is_the_same_run(kind: type[Trainer]) -> None:
    if kind is FusedTrainer and not kernels.available():
        pytest.skip("no kernel was built")
    layout = Layout(3, 9, affine=True)
    theta, series, starts = parameters(layout, 2, torch.float32), data(layout, torch.float32), windows(8, 6, 5)
    whole = kind(layout, theta.clone(), series, window=6)
    losses = whole.run(starts, 1e-2, 0.2, 1e-3)
    first = kind(layout, theta.clone(), series, window=6)
    first.run(starts[:5], 1e-2, 0.2, 1e-3)
    memory = torch.zeros_like(theta)
    second = kind(layout, memory, series, window=6)
    second.load_state_dict(first.state_dict())
    later = second.run(starts[5:], 1e-2, 0.2, 1e-3)
    assert torch.equal(later.error, losses.error[5:])
    assert torch.equal(memory, whole.theta)
    assert second.done.tolist() == [8, 8]


def test_a_tied_module_is_trained(instruction_set: str) -> None:
    layout = Layout(2, 6)
    module = torch.nn.ParameterDict(layout.views(parameters(layout, 1, torch.float32)[0].clone()))
    theta = torch.empty(layout.size)
    layout.tie(module, theta)
    before = module["W1"].detach().clone()
    trainer = FusedTrainer(layout, theta, data(layout, torch.float32), window=5, instruction_set=instruction_set)
    trainer.run(windows(3, 5, 4), 1e-2, 0.1)
    assert not torch.equal(module["W1"], before)
    assert torch.equal(module["W1"], layout.views(trainer.theta)["W1"])


def test_no_steps_are_no_change() -> None:
    layout = Layout(2, 6)
    theta = parameters(layout, 1, torch.float32)[0]
    trainer = make_trainer(layout, theta.clone(), data(layout, torch.float32), window=5)
    losses = trainer.run(torch.zeros(0, 4, dtype=torch.int64), 1e-2, 0.1)
    assert losses.error.shape == (0,)
    assert torch.equal(trainer.theta, theta)


def test_wrong_input_is_refused_before_anything_changes() -> None:
    layout = Layout(3, 5)
    theta, series = torch.zeros(2, layout.size), torch.zeros(POINTS, 3)
    with pytest.raises(ConfigError, match=r"expected contiguous parameters of shape \(41,\) or \(models, 41\), got"):
        make_trainer(layout, torch.zeros(40), series, window=5)
    with pytest.raises(ConfigError, match=r"series of shape \(points, 3\) or \(2, points, 3\), got \(120, 4\)"):
        make_trainer(layout, theta, torch.zeros(POINTS, 4), window=5)
    with pytest.raises(ConfigError, match=r"or \(2, points, 3\), got \(3, 120, 3\)"):
        make_trainer(layout, theta, torch.zeros(3, POINTS, 3), window=5)
    with pytest.raises(ConfigError, match=r"the series is torch.float64"):
        make_trainer(layout, theta, series.double(), window=5)
    with pytest.raises(ConfigError, match="a window takes 121 points, the series has 120"):
        make_trainer(layout, theta, series, window=120)
    with pytest.raises(ConfigError, match="`window` and `interval` must be at least 1, got 0 and 1"):
        make_trainer(layout, theta, series, window=0)
    with pytest.raises(ConfigError, match=r"`forced` must have shape \(3,\), got \(2,\)"):
        make_trainer(layout, theta, series, window=5, forced=torch.ones(2))
    trainer = make_trainer(layout, theta, series, window=5)
    with pytest.raises(ConfigError, match=r"windows must begin in \[0, 114\], got \[0, 115\]"):
        trainer.run(torch.tensor([[0, 115]]), 1e-3, 0.1)
    with pytest.raises(
        ConfigError, match=r"int64 starts of shape \(steps, batch\) or \(steps, 2, batch\), got torch.float32"
    ):
        trainer.run(torch.zeros(1, 2), 1e-3, 0.1)
    with pytest.raises(ConfigError, match=r"`alpha` must be a number or of shape \(1,\) or \(1, 2\)"):
        trainer.run(torch.zeros(1, 2, dtype=torch.int64), 1e-3, torch.zeros(3))
    with pytest.raises(ConfigError, match="in the state, got other models'"):
        trainer.load_state_dict(make_trainer(layout, theta[0], series, window=5).state_dict())
    with pytest.raises(ConfigError, match=r"no compiled kernel for torch\.bfloat16"):
        FusedTrainer(layout, theta.bfloat16(), series.bfloat16(), window=5)


def test_memory_that_is_not_there_is_an_error(instruction_set: str) -> None:
    table = kernels.kernels(torch.float32, instruction_set)
    assert table is not None
    training = kernels.Training(1, 1, 1 << 50, 16, 3, 5, 3, 0, 1, 0, 1, 0.9, 0.999, 1e-8)
    nothing = (kernels.Schedules(), None, None, None, kernels.State(), kernels.LossPointers())
    with pytest.raises(MemoryError):
        kernels.call(table.train, training, *nothing)
