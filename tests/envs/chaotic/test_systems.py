"""What every env of the problem `flow` keeps, and what each equation says."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from heatbath.core.errors import ConfigError
from heatbath.core.host import Host
from heatbath.core.testing.expect import global_generators_untouched
from heatbath.envs.chaotic import compiled
from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.equations import Equations
from heatbath.envs.chaotic.flow import Flow, System
from heatbath.envs.chaotic.henon import Henon
from heatbath.envs.chaotic.kuramoto_sivashinsky import KuramotoSivashinsky
from heatbath.envs.chaotic.lorenz import Lorenz63, Lorenz96
from heatbath.envs.chaotic.mackey_glass import MackeyGlass
from heatbath.envs.chaotic.rossler import Rossler
from heatbath.testing import build

NAMES = ("chua", "henon", "kuramoto-sivashinsky", "lorenz63", "lorenz96", "mackey-glass", "rossler")
EQUATIONS = ("chua", "lorenz63", "lorenz96", "rossler")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def system_of(host: Host, name: str, **options: Any) -> Any:
    return build(host, "envs", name, **options)


def on_attractor(system: System, batch: int = 8) -> Tensor:
    """States, of systems that observe all of theirs."""
    return system.trajectory(system.start(batch, seeded()), 1, 500)[:, 0]


def test_all_registered_flows_are_tested_here(host: Host) -> None:
    found = {name for name in host.names("envs") if host.record("envs", name).component.problem == "flow"}
    assert found == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_it_keeps_the_protocol(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        assert isinstance(system, Flow)
        assert system.dim >= 1
        assert system.time_step > 0
        assert system.lyapunov_max > 0

    def test_series_are_finite_on_the_attractor_and_follow_their_generator(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        with global_generators_untouched(name, "the system"):
            first, again, other = (system.series(300, seeded(seed)) for seed in (1, 1, 2))
        assert first.shape == (300, system.dim)
        assert first.dtype == torch.float64
        assert bool(first.isfinite().all())
        assert bool((first.std(0) > 1e-3).all())
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_rows_of_a_batch_are_single_runs(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        start = system.start(3, seeded())
        rows = system.trajectory(start, 40, 10)
        assert rows.shape == (3, 40, system.dim)
        for row, state in zip(rows, start, strict=True):
            assert torch.equal(system.trajectory(state, 40, 10), row)

    def test_a_trajectory_is_the_repeated_step(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        start, seen = system.start(2, seeded()), []
        state = start
        for _ in range(25):
            state = system.step(state)
            seen.append(system.observe(state))
        torch.testing.assert_close(system.trajectory(start, 25), torch.stack(seen, 1), rtol=1e-9, atol=1e-10)

    def test_skipping_is_leaving_out(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        start = system.start(1, seeded())
        torch.testing.assert_close(
            system.trajectory(start, 5, 7), system.trajectory(start, 12)[:, 7:], rtol=1e-10, atol=1e-10
        )
        assert system.trajectory(start, 0).shape == (1, 0, system.dim)

    def test_single_precision_stays_single(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        start = system.start(2, seeded())
        rough = system.trajectory(start.float(), 10)
        assert rough.dtype == torch.float32
        torch.testing.assert_close(rough.double(), system.trajectory(start, 10), rtol=1e-2, atol=1e-2)

    def test_a_start_that_does_not_fit_is_refused(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        with pytest.raises(ConfigError, match="expected a start of shape"):
            system.trajectory(torch.zeros(system.state_dim + 1), 3)
        with pytest.raises(ConfigError, match="of at least 0"):
            system.trajectory(torch.zeros(system.state_dim), -1)


@pytest.mark.parametrize("name", [*EQUATIONS, "mackey-glass"])
def test_the_compiled_kernel_has_the_bits_of_the_reference(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = system_of(host, name)
    start = system.start(2, seeded())
    if not compiled.fits(start):
        pytest.skip("the kernel was not built")
    fast, single = system.trajectory(start, 400, 100), system.trajectory(start[0], 400, 100)
    monkeypatch.setattr(compiled, "fits", lambda state: False)
    assert torch.equal(system.trajectory(start[0], 400, 100), single), "Python numbers"
    plain = system.trajectory(start, 400, 100)
    if name == "mackey-glass":  # powers of tensors and of numbers differ in the last digit
        torch.testing.assert_close(plain, fast, rtol=1e-8, atol=1e-8)
    else:
        assert torch.equal(plain, fast), "tensors"


@pytest.mark.parametrize("name", EQUATIONS)
class TestEquations:
    def test_gradient_is_the_derivative_of_the_right_hand_side(self, host: Host, name: str) -> None:
        system = system_of(host, name)
        states = on_attractor(system)
        expected = vmap(jacrev(lambda y: system.derivative(0.0, y)))(states)
        torch.testing.assert_close(system.gradient(states), expected, rtol=1e-12, atol=1e-12)

    def test_jacobian_is_the_derivative_of_the_step(self, host: Host, name: str) -> None:
        system = system_of(host, name, substeps=2)
        states = on_attractor(system)
        torch.testing.assert_close(system.jacobian(states), vmap(jacrev(system.step))(states), rtol=1e-9, atol=1e-10)

    def test_the_order_is_four(self, host: Host, name: str) -> None:
        coarse: Equations = system_of(host, name, time_step=0.4, substeps=1)
        start = torch.full((1, coarse.dim), 2.0, dtype=torch.float64)  # Chua's stays beyond its kinks
        start += 0.01 * torch.arange(coarse.dim)

        def end(substeps: int) -> Tensor:
            return system_of(host, name, time_step=0.4, substeps=substeps).trajectory(start, 1)

        exact = end(4096)
        errors = [float((end(n) - exact).norm()) for n in (32, 64, 128)]
        orders = [math.log2(a / b) for a, b in pairwise(errors)]
        assert orders == pytest.approx([4.0, 4.0], abs=0.25)

    def test_volumes_change_as_the_divergence_says(self, host: Host, name: str) -> None:
        system = system_of(host, name, time_step=1e-3, substeps=1)
        states = on_attractor(system_of(host, name))
        divergence = system.gradient(states).diagonal(dim1=-2, dim2=-1).sum(-1)
        torch.testing.assert_close(
            torch.linalg.det(system.jacobian(states)).log() / 1e-3, divergence, rtol=0.03, atol=0.02
        )


def test_divergences() -> None:
    states = torch.randn(5, 3, dtype=torch.float64, generator=seeded())
    lorenz = Lorenz63(opt.Lorenz63(), None).gradient(states)
    assert lorenz.diagonal(dim1=-2, dim2=-1).sum(-1).tolist() == pytest.approx([-(10 + 1 + 8 / 3)] * 5)
    rossler = Rossler(opt.Rossler(), None).gradient(states)
    assert rossler.diagonal(dim1=-2, dim2=-1).sum(-1).tolist() == pytest.approx((0.2 - 5.7 + states[:, 0]).tolist())
    ring = Lorenz96(opt.Lorenz96(variables=7), None)
    wide = torch.randn(5, 7, dtype=torch.float64, generator=seeded())
    assert ring.gradient(wide).diagonal(dim1=-2, dim2=-1).sum(-1).tolist() == pytest.approx([-7.0] * 5)
    henon = Henon(opt.Henon(), None)
    assert torch.linalg.det(henon.jacobian(states[:, :2])).tolist() == pytest.approx([-0.3] * 5)
    torch.testing.assert_close(henon.jacobian(states[:, :2]), vmap(jacrev(henon.step))(states[:, :2]))


def test_symmetries(host: Host) -> None:
    for name, mirror in (("lorenz63", (-1.0, -1.0, 1.0)), ("chua", (-1.0, -1.0, -1.0))):
        system, sign = system_of(host, name), torch.tensor(mirror, dtype=torch.float64)
        states = on_attractor(system)
        torch.testing.assert_close(system.step(sign * states), sign * system.step(states), rtol=1e-13, atol=1e-13)
    for name in ("lorenz96", "kuramoto-sivashinsky"):
        system = system_of(host, name)
        states = on_attractor(system)
        turned = system.step(states.roll(5, -1))
        torch.testing.assert_close(turned, system.step(states).roll(5, -1), rtol=1e-10, atol=1e-10)


def test_lorenz63_is_the_series_that_it_was() -> None:
    """Runs of earlier versions can be compared: same draws, same operations in the same order."""
    system = Lorenz63(opt.Lorenz63(), None)
    draw = torch.randn(3, generator=seeded(3), dtype=torch.float64)
    start = draw + torch.tensor([0.0, 0.0, 27.0], dtype=torch.float64)
    assert torch.equal(system.series(4, seeded(3)), system.trajectory(start, 4, 10_000))


def test_fixed_points_stay() -> None:
    lorenz = Lorenz63(opt.Lorenz63(), None)
    r = math.sqrt(8 / 3 * 27)
    wing = torch.tensor([r, r, 27.0], dtype=torch.float64)
    torch.testing.assert_close(lorenz.step(wing), wing)
    ring = Lorenz96(opt.Lorenz96(variables=5), None)
    rest = torch.full((5,), 8.0, dtype=torch.float64)
    torch.testing.assert_close(ring.step(rest), rest)
    glass = MackeyGlass(opt.MackeyGlass(), None)
    level = torch.cat([torch.ones(glass.kept + 1), torch.zeros(glass.lag)]).double()
    torch.testing.assert_close(glass.trajectory(level, 20), torch.ones(20, 4).double())
    henon = Henon(opt.Henon(), None)
    x = (-0.7 + math.sqrt(0.49 + 5.6)) / 2.8
    point = torch.tensor([x, 0.3 * x], dtype=torch.float64)
    torch.testing.assert_close(henon.step(point), point)


class TestKuramotoSivashinsky:
    def test_the_order_is_four(self) -> None:
        usual = KuramotoSivashinsky(opt.KuramotoSivashinsky(), None)
        start = usual.trajectory(usual.start(1, seeded()), 1, 400)
        options = opt.KuramotoSivashinsky(time_step=1.0)

        def end(substeps: int) -> Tensor:
            return KuramotoSivashinsky(replace(options, substeps=substeps), None).trajectory(start[:, 0], 1)

        exact = end(2048)  # stiff modes lower the order until the steps are short
        errors = [float((end(n) - exact).norm()) for n in (64, 128, 256)]
        orders = [math.log2(a / b) for a, b in pairwise(errors)]
        assert orders == pytest.approx([4.0, 4.0], abs=0.35)

    def test_the_mean_is_conserved(self) -> None:
        system = KuramotoSivashinsky(opt.KuramotoSivashinsky(), None)
        start = system.start(2, seeded()) + 0.3
        assert system.trajectory(start, 200).mean(-1).sub(0.3).abs().max() < 1e-12

    def test_small_waves_grow_as_the_linear_part_says(self) -> None:
        system = KuramotoSivashinsky(opt.KuramotoSivashinsky(), None)
        x = torch.arange(64, dtype=torch.float64) * (2 * math.pi / 64)
        for j in (1, 2, 4):
            k = 2 * math.pi * j / 22
            wave = 1e-9 * (j * x).cos()
            torch.testing.assert_close(system.step(wave), wave * math.exp(0.25 * (k**2 - k**4)), rtol=1e-7, atol=1e-18)

    def test_energy_balance(self) -> None:
        """d/dt of the mean of u^2 / 2 is that of u_x^2 - u_xx^2: the nonlinear part moves energy, and makes none."""
        system = KuramotoSivashinsky(opt.KuramotoSivashinsky(time_step=0.01), None)
        u = system.trajectory(system.start(1, seeded()), 3, 8000)[0]
        k = 2 * math.pi / 22 * torch.arange(33)
        v = torch.fft.rfft(u[1])
        slope, bend = (torch.fft.irfft(factor * v, n=64).square().mean() for factor in (1j * k, -(k**2)))
        change = (u[2].square().mean() - u[0].square().mean()) / 2 / 0.02
        assert float(change) == pytest.approx(float(slope - bend), abs=1e-3)


class TestMackeyGlass:
    def test_it_observes_delayed_values(self) -> None:
        series = MackeyGlass(opt.MackeyGlass(coordinates=3, spacing=2), None).series(100, seeded())
        assert torch.equal(series[2:, 1], series[:-2, 0])
        assert torch.equal(series[4:, 2], series[:-4, 0])

    def test_coordinates_may_reach_beyond_the_delay(self) -> None:
        near = MackeyGlass(opt.MackeyGlass(coordinates=2, spacing=1), None)
        far = MackeyGlass(opt.MackeyGlass(coordinates=5, spacing=10), None)
        assert far.kept == 400
        seen = far.trajectory(far.start(1, seeded()), 80)[0]
        assert torch.equal(seen[:, 0], near.trajectory(near.start(1, seeded()), 80)[0, :, 0])
        assert torch.equal(seen[40:, 4], seen[:-40, 0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: opt.Lorenz63(time_step=0.0), "`time_step` must be positive"),
        (lambda: opt.Lorenz63(rho=math.nan), "`rho` must be a finite number"),
        (lambda: opt.Rossler(substeps=0), "`substeps` must be at least 1"),
        (lambda: opt.Lorenz96(variables=3), "`variables` must be at least 4"),
        (lambda: opt.Henon(b=math.inf), "`b` must be a finite number"),
        (lambda: opt.MackeyGlass(delay=17.03), "a whole number of integration steps"),
        (lambda: opt.MackeyGlass(delay=-1.0), "`delay` must be positive"),
        (lambda: opt.KuramotoSivashinsky(variables=63), "`variables` must be even"),
        (lambda: opt.KuramotoSivashinsky(length=0.0), "`length` must be positive"),
        (lambda: opt.Chua(time_step=-1.0), "`time_step` must be positive"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("name", "options"), [("henon", {"a": 3.0}), ("kuramoto-sivashinsky", {"time_step": 5.0})])
def test_a_series_that_escapes_is_an_error(host: Host, name: str, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="leaves the numbers"):
        system_of(host, name, **options).series(100, seeded())


def test_exponents_are_known_only_where_they_were_measured(host: Host) -> None:
    assert system_of(host, "lorenz63", time_step=0.005).lyapunov_max == 0.9056
    assert system_of(host, "lorenz63", rho=60.0).lyapunov_max is None
    assert system_of(host, "lorenz96", variables=13).lyapunov_max is None
    assert system_of(host, "henon", a=1.3).lyapunov_max is None
    assert system_of(host, "chua", alpha=9.5).exponents is None
