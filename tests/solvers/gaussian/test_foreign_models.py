"""One line after models that others wrote, each trained here for a moment: what they predict conserves to 1e-12."""

import warnings

import pytest
import torch

from heatbath.solvers.gaussian import Diagonal, LinearConstraint, Operator, condition, water_fill

N, MASS = 101, 0.3
X = torch.linspace(0, 1, N, dtype=torch.float64)


def data():
    """Forty noisy values of a bump whose integral is 0.3."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, generator=generator, dtype=torch.float64).sort().values
    y = 0.3 * torch.exp(-((x - 0.4) ** 2) / 0.02) / 0.2506628 + 0.02 * torch.randn(40, generator=generator)
    return x, y


def imported(name):
    """A package, or a skip; what it warns of on the way in is its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def check(mean, covariance):
    constraint = LinearConstraint.quadrature(X, MASS)
    posterior = condition(mean, covariance, constraint)
    missed = float(constraint.residual(mean).abs())
    assert missed > 1e-4  # the model alone does not conserve
    assert posterior.residual().abs().max() < 1e-12
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A not p.d., added jitter")  # linear_operator's Cholesky, for the draws
        draws = posterior.sample(20, torch.Generator().manual_seed(0))
    assert constraint.residual(draws).abs().max() < 1e-12
    assert (posterior.variance <= covariance.double().variance() * (1 + 1e-9)).all()
    assert 0 <= posterior.conflict() <= 1
    return posterior


def test_a_regressor_of_scikit_learn():
    processes = imported("sklearn.gaussian_process")
    x, y = data()
    kernel = processes.kernels.RBF(0.1) + processes.kernels.WhiteKernel(1e-3)
    model = processes.GaussianProcessRegressor(kernel, optimizer=None).fit(x[:, None].numpy(), y.numpy())
    mean, deviation = model.predict(X[:, None].numpy(), return_std=True)
    posterior = check(torch.from_numpy(mean), Diagonal(torch.from_numpy(deviation).square()))
    filled = water_fill(
        torch.from_numpy(mean), torch.from_numpy(deviation) ** 2, posterior.constraint.rows.weights, MASS
    )
    assert (filled >= 0).all()
    assert posterior.constraint.residual(filled).abs().max() < 1e-12


def test_a_process_of_gpytorch():
    gpytorch = imported("gpytorch")

    class Process(gpytorch.models.ExactGP):
        def __init__(self, x, y, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gpytorch.means.ConstantMean()
            self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    x, y = data()
    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    model = Process(x, y, likelihood).double()
    model.covar_module.base_kernel.lengthscale, likelihood.noise = 0.1, 1e-3
    model.eval()
    with torch.no_grad():
        law = model(X)
        # The whole covariance, as the lazy operator that it is: neighbours move together.
        posterior = check(law.mean, Operator(law.lazy_covariance_matrix))
    assert posterior.variance.shape == (N,)


def test_a_flow_of_zuko():
    zuko = imported("zuko")
    x, y = data()
    torch.manual_seed(0)
    model = zuko.flows.NSF(features=1, context=1, transforms=1, hidden_features=(32,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        (-model(x[:, None].float()).log_prob(y[:, None].float()).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        drawn = model(X[:, None].float()).sample((200,)).squeeze(-1)  # the flow has no moments but its draws'
    check(drawn.mean(0), Diagonal(drawn.var(0)))
