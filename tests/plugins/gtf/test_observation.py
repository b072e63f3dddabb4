"""Where states are not observations. U7 of the method's acceptance checks is here."""

import pytest
import torch

from heatbath.core.contracts import Recurrence
from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf.observation import LatentModel
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.testing import build, check_loss


def observation(host, name, N, M):
    return build(host, "models", name, facts={"observation_size": N, "latent_size": M}).double()


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "N", "M"), [("identity", 3, 3), ("identity", 3, 5), ("affine", 3, 3), ("affine", 3, 5)]
)
def test_an_encoded_observation_is_seen_again(host, name, N, M):
    seen, x = observation(host, name, N, M), draw(7, N)
    torch.testing.assert_close(seen.observe(seen.encode(x)), x)
    assert seen.encode(x).shape == seen.signal(x).shape == (7, M)


def test_fewer_units_than_variables_take_the_nearest_state(host):
    seen, x = observation(host, "affine", 6, 2), draw(9, 6)
    expected = torch.linalg.lstsq(seen.B.detach(), x.T).solution.T
    torch.testing.assert_close(seen.encode(x).detach(), expected)


def test_the_identity_forces_only_what_is_seen(host):
    seen = observation(host, "identity", 2, 3)
    assert seen.strength(0.4, draw(1)).tolist() == [0.4, 0.4, 0.0]
    assert observation(host, "identity", 2, 2).strength(0.4, draw(1)) == 0.4
    assert observation(host, "affine", 2, 3).strength(0.4, draw(1)) == 0.4


def test_hidden_units_go_on_free_under_partial_forcing(host):
    """With alpha = 1 the seen units are the data, and the hidden ones what the model made of them."""
    model = build(host, "models", "plrnn", facts={"latent_size": 4}).double()
    whole = LatentModel(model, observation(host, "identity", 2, 4))
    x = draw(6, 5, 2)
    hook = Forcing(whole.observation.strength(1.0, x), whole.observation.signal(x[1:]))
    solver = build(host, "solvers", "scan")
    solution = solver.solve(Recurrence(whole, whole.encode(x[0]), 5), on_step=hook, record=frozenset({"proposal"}))
    torch.testing.assert_close(solution.value[..., :2], x[1:])
    torch.testing.assert_close(solution.value[..., 2:], solution.trace["proposal"][..., 2:])


def test_more_variables_than_units_need_a_readout(host):
    with pytest.raises(ConfigError, match=r"as many latent units as variables, got 2 for 3; raise --latent"):
        observation(host, "identity", 3, 2)


@pytest.mark.parametrize(("N", "M"), [(3, 3), (6, 2), (2, 4)])
def test_the_readout_learns_from_the_first_state_and_not_from_the_signals(host, N, M):
    """The gradient of B beside one written out, in which the signals are numbers and only z_1 = B+ x_1 is attached."""
    dynamics = build(host, "models", "shallow-plrnn", facts={"latent_size": M}, hidden=5).double()
    model, x, alpha = LatentModel(dynamics, observation(host, "affine", N, M)), draw(5, 4, N), 0.3
    solver = build(host, "solvers", "scan")

    def loss(signal):
        problem = Recurrence(model, model.encode(x[0]), 4)
        solution = solver.solve(problem, on_step=Forcing(alpha, signal), record=frozenset({"proposal"}))
        return (model.observe(solution.trace["proposal"]) - x[1:]).square().mean()

    B = model.observation.B
    (found,) = torch.autograd.grad(loss(model.observation.signal(x[1:])), B)

    z = x[0] @ torch.linalg.pinv(B).T
    signals = x[1:] @ torch.linalg.pinv(B.detach()).T
    errors = []
    for t in range(4):
        z = dynamics(z)
        errors.append((z @ B.T - x[1 + t]).square().mean())
        z = (1 - alpha) * z + alpha * signals[t]
    (expected,) = torch.autograd.grad(torch.stack(errors).mean(), B)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)

    (attached,) = torch.autograd.grad(loss(x[1:] @ torch.linalg.pinv(B).T), B)
    assert float((attached - found).abs().max()) > 1e-4


def test_the_condition_number_costs_nothing_when_it_is_one(host):
    seen = observation(host, "affine", 4, 3)
    with torch.no_grad():
        seen.B.copy_(2.5 * torch.linalg.qr(draw(4, 3)).Q)
    assert float(seen.condition_penalty().detach()) == pytest.approx(0, abs=1e-12)
    with torch.no_grad():
        seen.B.copy_(torch.linalg.qr(draw(4, 3)).Q @ torch.diag(torch.tensor([4.0, 2.0, 1.0]).double()))
    assert float(seen.condition_penalty().detach()) == pytest.approx(9.0, rel=1e-6)


def test_the_losses_conform(host):
    dynamics = build(host, "models", "plrnn", facts={"latent_size": 3}).double()
    model = LatentModel(dynamics, observation(host, "affine", 3, 3))
    check_loss(host, "gtf.l2")
    check_loss(host, "gtf.l2", values={"model": model})
    check_loss(host, "gtf.observation", values={"model": model})


def test_the_penalty_needs_a_readout(host):
    dynamics = build(host, "models", "plrnn", facts={"latent_size": 3}).double()
    with pytest.raises(ConfigError, match="needs an observation with a readout, such as --observation affine"):
        check_loss(
            host, "gtf.observation", values={"model": LatentModel(dynamics, observation(host, "identity", 3, 3))}
        )


def test_squared_weights_leave_the_observation_out(host):
    cell = torch.nn.Linear(3, 3).double()
    model = LatentModel(cell, observation(host, "affine", 2, 3))
    expected = sum(float(p.square().sum().detach()) for p in cell.parameters())
    assert float(model.squared_weights().detach()) == pytest.approx(expected)
