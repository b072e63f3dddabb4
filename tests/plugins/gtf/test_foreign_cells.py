"""Forcing asks nothing of a model but a step: a cell of torch, the flow of a neural ODE, cells of a foreign package."""

import pytest
import torch

from heatbath import Component, hookimpl
from heatbath.core.choices import Pick
from heatbath.core.contracts import Recurrence
from heatbath.core.errors import NotFinite
from heatbath.plugins.gtf.measures import lyapunov_spectrum
from heatbath.plugins.gtf.observation import Affine, LatentModel, jacobian
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.testing import build, check_experiment, invoke

pytestmark = pytest.mark.usefixtures("undrawn")
M, T, BATCH = 4, 7, 5
NAMES = ("gru", "neural-flow", "cfc", "ltc")


class Ncps(torch.nn.Module):
    """A cell of the package ncps as a map of its state."""

    def __init__(self, options, setup, latent_size):
        super().__init__()
        ncps = pytest.importorskip("ncps.torch", reason="needs pip install ncps")
        self.cell = ncps.CfCCell(1, latent_size, backbone_units=16)

    def forward(self, z):
        return self.cell(z.new_zeros(len(z), 1), z, 1.0)[0]


def ltc(latent_size):
    """A liquid time-constant cell with its own ODE solver inside."""
    ncps = pytest.importorskip("ncps", reason="needs pip install ncps")
    from ncps.torch import LTCCell

    wiring = ncps.wirings.FullyConnected(latent_size)
    wiring.build(1)
    cell = LTCCell(wiring)

    class Map(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell

        def forward(self, z):
            return self.cell(z.new_zeros(len(z), 1), z)[1]

    return Map()


def made(host, name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "cfc":
            return Ncps(None, None, M)
        if name == "ltc":
            return ltc(M)
        return build(host, "models", name, facts={"latent_size": M})


def draw(*shape, seed=0):
    return 0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_a_forced_cell_has_the_gradient_of_its_formula(host, name):
    cell, x, alpha = made(host, name), draw(T + 1, BATCH, M), 0.3
    scan = build(host, "solvers", "scan")
    problem = Recurrence(cell, x[0], T)
    solution = scan.solve(problem, on_step=Forcing(alpha, x[1:]), record=frozenset({"proposal"}))
    loss = (solution.trace["proposal"] - x[1:]).square().mean()
    learned = [parameter for parameter in cell.parameters() if parameter.requires_grad]
    found = torch.autograd.grad(loss, learned, allow_unused=True)

    z, errors = x[0], []
    for t in range(1, T + 1):
        z = cell(z)
        errors.append((z - x[t]).square().mean())
        z = (1 - alpha) * z + alpha * x[t]
    expected = torch.autograd.grad(torch.stack(errors).mean(), learned, allow_unused=True)
    assert any(g is not None and bool((g != 0).any()) for g in found)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_cell_has_jacobians_and_exponents(host, name):
    cell, z = made(host, name), draw(3, M)
    model = LatentModel(cell, Affine(None, None, 2, M))
    found = jacobian(cell, z).detach()
    e = 1e-3
    for j in range(M):
        shift = e * torch.eye(M)[j]
        column = (cell(z + shift) - cell(z - shift)).detach() / (2 * e)
        torch.testing.assert_close(found[:, :, j], column, rtol=1e-2, atol=1e-3)
    with torch.no_grad():
        spectrum = lyapunov_spectrum(model, model.jacobian, z, steps=20)
    assert bool(spectrum.isfinite().all())


class Plugin:
    @hookimpl
    def register_models(self, register):
        register(Component("foreign/cfc", "a cell of ncps", f"{__name__}:Ncps", problem="recurrence"))


QUICK = {"lyapunov_max": {"segments": 2, "steps": 10, "transient": 2}, "prediction_error_20": {"steps": 3}}
SMALL = {"points": 600, "window": 6, "batch": 4, "batches_per_epoch": 5, "metrics": QUICK}


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("gru", {"latent": 6, "observation": "affine", "alpha": {"use": "gtf.adaptive", "every": 2}}),
        ("neural-flow", {"model": {"use": "neural-flow", "hidden": 8, "solver": {"use": "rk4", "step": 0.5}}}),
        ("foreign/cfc", {"latent": 6, "interval": 3, "alpha": 1.0}),
    ],
)
def test_a_foreign_cell_runs_in_the_experiment(host, tmp_path, name, how):
    if name == "foreign/cfc":
        pytest.importorskip("ncps.torch", reason="needs pip install ncps")
        host.add(Plugin(), "foreign")
    run = check_experiment(host, "gtf.lorenz63", tmp_path, **{"model": name, **SMALL, **how})
    assert run.history()[-1]["fused"] == 0.0


def test_a_flow_whose_solver_stops_says_so(host):
    facts = {"latent_size": 2}
    solver = Pick("solvers", "tsit5", {"max_steps": 1}, "ode")
    cell = build(host, "models", "neural-flow", facts=facts, hidden=8, interval=100.0, solver=solver)
    with pytest.raises(NotFinite, match=r"the interval of length 100\.0 could not be taken: .*steps"):
        cell.double()(torch.ones(1, 2, dtype=torch.float64))


def test_a_foreign_cell_is_named_on_the_command_line(host, tmp_path):
    line = (
        "run gtf.lorenz63 --model gru --model.scale 4 --steps 4 --points 500 --window 5 --batches-per-epoch 2 "
        "--metrics.lyapunov-max none"
    )
    done = invoke(line, host, cwd=tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "the compiled trainer is not used, for " in done.stderr
    assert "fewer --steps and a shorter --window" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_forced_training_lowers_the_loss(host, name):
    """Deterministic: one seed, full forcing signals from a rotation that the cell can follow."""
    cell = made(host, name)
    t = torch.arange(T + 1.0).view(-1, 1, 1) * 0.4 + torch.linspace(0, 6, BATCH).view(1, -1, 1)
    x = 0.5 * torch.cat([t.sin(), t.cos(), (t + 1).sin(), (t + 2).cos()], 2)
    scan, losses = build(host, "solvers", "scan"), []
    optimizer = torch.optim.RAdam(cell.parameters(), lr=0.02)
    for _ in range(30):
        solution = scan.solve(Recurrence(cell, x[0], T), on_step=Forcing(0.3, x[1:]), record=frozenset({"proposal"}))
        loss = (solution.trace["proposal"] - x[1:]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
