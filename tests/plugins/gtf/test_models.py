"""U1 and U2 of the method's acceptance checks, and what the models promise beside."""

import pytest
import torch
from torch.func import jacrev, vmap

from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.observation import LatentModel
from heatbath.testing import build

CELLS = [
    ("shallow-plrnn", {"hidden": 7, "clipped": True}),
    ("shallow-plrnn", {"hidden": 7, "clipped": False}),
    ("plrnn", {}),
    ("plrnn", {"mean_centred": True}),
    ("dendritic-plrnn", {"bases": 5}),
    ("dendritic-plrnn", {"bases": 5, "clipped": True}),
    ("al-rnn", {"bent": 2}),
    ("al-rnn", {"bent": 0}),
    ("al-rnn", {"bent": 4}),
]
IDS = ["-".join([name, *(f"{key}-{value}" for key, value in options.items())]) for name, options in CELLS]
cells = pytest.mark.parametrize(("name", "options"), CELLS, ids=IDS)


def made(host, name, options, latent=4, **facts):
    """A model away from its special initial values, in double precision."""
    model = build(host, "models", name, facts={"latent_size": latent, **facts}, **options).double()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def states(*shape, seed=1):
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def differentiated(model, z):
    return vmap(jacrev(lambda one: model(one)))(z)


@cells
def test_the_analytic_jacobian_is_the_derivative(host, name, options):
    model, z = made(host, name, options), states(200, 4)
    torch.testing.assert_close(model.jacobian(z), differentiated(model, z), rtol=0, atol=1e-10)


@cells
def test_a_mean_of_jacobians_is_the_jacobian_of_mean_slopes(host, name, options):
    model, z = made(host, name, options), states(3, 50, 4)
    torch.testing.assert_close(model.mean_jacobian(z), model.jacobian(z).mean(1), rtol=0, atol=1e-12)


@cells
def test_every_one_is_a_shallow_network(host, name, options):
    model, z = made(host, name, options, input_size=2), states(100, 4)
    step, s = model.shallow(), states(100, 2, seed=3)
    torch.testing.assert_close(step(z, s), model(z, s), rtol=0, atol=1e-12)
    torch.testing.assert_close(step.jacobian(z), model.jacobian(z), rtol=0, atol=1e-12)


@cells
def test_the_bound_holds_and_the_inputs_are_added(host, name, options):
    model, z = made(host, name, options, input_size=2), states(300, 4)
    norms = torch.linalg.matrix_norm(model.jacobian(z), 2).detach()
    assert float(norms.max()) <= float(model.norm_bound().detach()) + 1e-12
    s = states(300, 2, seed=3)
    torch.testing.assert_close(model(z, s), model(z) + s @ model.C.T)


@cells
def test_all_parameters_but_the_linear_part_are_drawn_to_zero(host, name, options):
    model = made(host, name, options)
    expected = sum(float(p.detach().square().sum()) for n, p in model.named_parameters() if n != "A")
    expected += float((1 - model.A.detach()).square().sum())
    assert float(model.squared_weights().detach()) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "options"), [("plrnn", {}), ("dendritic-plrnn", {"bases": 3})])
def test_the_diagonal_of_the_coupling_learns_nothing(host, name, options):
    model = build(host, "models", name, facts={"latent_size": 4}, **options)
    assert torch.equal(model.W.diagonal(), torch.zeros(4))
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(states(8, 4).float()).square().sum().backward()
        assert torch.equal(model.W.grad.diagonal(), torch.zeros(4))
        optimizer.step()
    assert torch.equal(model.W.diagonal(), torch.zeros(4))
    assert float(model.W.abs().sum().detach()) > 0


@pytest.mark.parametrize(
    ("name", "options", "observation", "N", "M", "count"),
    [
        ("shallow-plrnn", {"hidden": 250}, "affine", 5, 5, 2785),
        ("shallow-plrnn", {"hidden": 512}, "affine", 64, 16, 17952),
        ("shallow-plrnn", {"hidden": 50}, "identity", 3, 3, 356),
        ("dendritic-plrnn", {"bases": 50}, "identity", 5, 35, 3245),
        ("dendritic-plrnn", {"bases": 40}, "identity", 64, 105, 18099),
    ],
)
def test_parameters_are_as_many_as_were_published(host, name, options, observation, N, M, count):
    dynamics = build(host, "models", name, facts={"latent_size": M}, **options)
    seen = build(host, "models", observation, facts={"observation_size": N, "latent_size": M})
    assert sum(p.numel() for p in LatentModel(dynamics, seen).parameters()) == count


def test_initial_values_are_those_of_the_paper(host):
    """False alarm below 1e-6: ranges hold surely, means of 3000 uniform numbers within 6 of their deviations."""
    M, L = 10, 300
    model = build(host, "models", "shallow-plrnn", facts={"latent_size": M}, hidden=L)
    assert bool(((model.A > 0) & (model.A <= 1)).all())
    for weights, bound in ((model.W1, L**-0.5), (model.W2, M**-0.5)):
        assert float(weights.abs().max().detach()) <= bound
        assert float(weights.abs().max().detach()) > 0.99 * bound
        assert abs(float(weights.mean().detach())) < 6 * bound / (3 * weights.numel()) ** 0.5
    assert torch.equal(model.h1, torch.zeros(M))
    assert 0 < float(model.h2.abs().max().detach()) <= L**-0.5
    unclipped = build(host, "models", "shallow-plrnn", facts={"latent_size": M}, hidden=L, clipped=False)
    assert torch.equal(unclipped.h2, torch.zeros(L))


def test_thresholds_are_spread_over_the_data(host):
    model = build(host, "models", "dendritic-plrnn", facts={"latent_size": 3}, bases=400)
    model.initialise(torch.tensor([[-2.0, 0.0, 1.0], [0.5, 4.0, 0.0]]), torch.Generator().manual_seed(0))
    assert -2 <= float(model.H.min().detach()) < -1.9
    assert 3.9 < float(model.H.max().detach()) <= 4


def test_a_dendritic_network_widens_only_where_that_pays(host):
    small = build(host, "models", "dendritic-plrnn", facts={"latent_size": 3}, bases=20)
    large = build(host, "models", "dendritic-plrnn", facts={"latent_size": 35}, bases=50)
    assert small.shallow() is not None
    assert large.shallow() is None


def test_an_almost_linear_network_cannot_bend_more_units_than_it_has(host):
    with pytest.raises(ConfigError, match="`bent` must be at most the number of latent units, got 5 of 3"):
        build(host, "models", "al-rnn", facts={"latent_size": 3}, bent=5)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (opt.DendriticPLRNN, {"bases": 0}),
        (opt.AlmostLinearRNN, {"bent": -1}),
        (opt.GRU, {"scale": 0.0}),
        (opt.NeuralFlow, {"hidden": 0}),
        (opt.ShallowPLRNN, {"hidden": 0}),
    ],
)
def test_sizes_out_of_range_are_refused(options, option):
    with pytest.raises(ValueError, match=f"`{next(iter(option))}`"):
        options(**option)
