"""U5 and U6 of the method's acceptance checks: the forcing strength that follows the Jacobians."""

import math

import pytest
import torch

from heatbath.core.contracts import Clock
from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf import adaptive
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.adaptive import ESTIMATORS, Jacobians
from heatbath.plugins.gtf.norms import spectral_norms
from heatbath.testing import build, check_schedule

NOW = Clock(5, 100)


class Fixed:
    """A map whose Jacobians are given."""

    def __init__(self, jacobians):
        self.given = jacobians

    def jacobian(self, z):
        return self.given

    def norm_bound(self):
        return spectral_norms(self.given).max()


def given(matrices):
    """Jacobians of one sequence, or of several, as they would be told."""
    matrices = matrices if matrices.dim() == 4 else matrices.unsqueeze(0)
    return Jacobians(Fixed(matrices), torch.zeros(matrices.shape[:3]))


def scaled(norm, time=5, M=3):
    return given((norm * torch.eye(M)).expand(1, time, M, M))


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def shallow(host):
    return build(host, "models", "shallow-plrnn", facts={"latent_size": 3}, hidden=9).double()


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_the_schedule_conforms(host, shallow, estimator):
    feedback = {"jacobians": Jacobians(shallow, draw(4, 6, 3))}
    check_schedule(host, "gtf.adaptive", feedback=feedback, estimator=estimator)


def test_a_constant_estimate_gives_the_closed_form(host):
    """alpha_n = e + (1 - e) gamma^n, with e = 1 - 1 / k."""
    schedule = build(host, "schedules", "gtf.adaptive", decay=0.9)
    for n in range(1, 40):
        schedule.observe({"jacobians": scaled(4.0)})
        assert schedule.value(NOW) == pytest.approx(0.75 + 0.25 * 0.9**n)


def test_it_jumps_up_and_sinks_slowly(host):
    schedule = build(host, "schedules", "gtf.adaptive", start=0.1, decay=0.9)
    schedule.observe({"jacobians": scaled(2.0)})
    assert schedule.value(NOW) == 0.5
    schedule.observe({"jacobians": scaled(1.25)})
    assert schedule.value(NOW) == pytest.approx(0.9 * 0.5 + 0.1 * 0.2)


@pytest.mark.parametrize("norm", [0.0, 0.5, 1.0])
def test_a_contraction_is_not_forced(host, norm):
    schedule = build(host, "schedules", "gtf.adaptive", start=0.4, decay=0.5)
    schedule.observe({"jacobians": scaled(norm)})
    assert schedule.value(NOW) == pytest.approx(0.2)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_what_is_not_finite_changes_nothing(host, estimator, bad):
    schedule = build(host, "schedules", "gtf.adaptive", start=0.4, estimator=estimator)
    schedule.observe({"jacobians": given(torch.full((5, 3, 3), bad))})
    assert schedule.value(NOW) == 0.4


def test_the_shortcut_by_mean_masks_is_exact(shallow):
    jacobians = Jacobians(shallow, draw(4, 50, 3))
    brute = torch.linalg.matrix_norm(shallow.jacobian(jacobians.states).mean(1), 2).max()
    torch.testing.assert_close(adaptive.arithmetic_mean(jacobians), brute, rtol=1e-12, atol=0)


def test_norms_are_largest_singular_values():
    matrices = draw(3, 7, 4, 4)
    torch.testing.assert_close(spectral_norms(matrices), torch.linalg.matrix_norm(matrices, 2))


def test_the_product_bound_is_above_the_root_of_the_product():
    matrices = 0.5 * torch.eye(3).double() + draw(6, 20, 3, 3)
    products = torch.eye(3).double().expand(6, 3, 3)
    for t in range(20):
        products = matrices[:, t] @ products
    true = (torch.linalg.matrix_norm(products, 2) ** (1 / 20)).max()
    bound, largest = adaptive.product_upper_bound(given(matrices)), adaptive.batch_maximum(given(matrices))
    assert true <= bound <= largest


def test_commuting_jacobians_are_averaged_exactly():
    """Symmetric positive matrices with the same eigenvectors: the estimate is the root of the product's norm."""
    Q = torch.linalg.qr(draw(3, 3)).Q
    values = draw(1, 8, 3, seed=1).exp()
    matrices = Q @ torch.diag_embed(values) @ Q.T
    expected = values.log().mean(1).exp().max()
    torch.testing.assert_close(adaptive.explog_approx(given(matrices)), expected, rtol=1e-10, atol=0)


def test_a_rotation_has_a_complex_logarithm_and_norm_one():
    angle = torch.tensor(2.5).double()
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    assert float(adaptive.explog_approx(given(turn.expand(6, 2, 2)))) == pytest.approx(1.0)


def test_the_bound_needs_a_model_that_knows_one():
    with pytest.raises(ConfigError, match="needs a model with a `norm_bound`, which GRUCell has not"):
        adaptive.jacobian_upper_bound(Jacobians(torch.nn.GRUCell(0, 3), torch.zeros(1, 2, 3)))


def test_any_cell_can_be_estimated(host):
    cell = build(host, "models", "gru", facts={"latent_size": 3})
    states = draw(2, 5, 3).float()
    jacobians = Jacobians(cell, states)
    assert jacobians.each().shape == (2, 5, 3, 3)
    torch.testing.assert_close(jacobians.mean(), jacobians.each().mean(1))


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_forced_jacobian_products_never_grow(host, seed):
    """With alpha* = 1 - 1 / bound, |prod_t (1 - alpha*) J_t| <= 1 along any states (proposition 2), T = 5000."""
    model = build(host, "models", "shallow-plrnn", facts={"latent_size": 4}, hidden=20, seed=seed).double()
    model.W1 *= 5
    alpha = 1 - 1 / float(model.norm_bound())
    assert 0 < alpha < 1
    product, products = torch.eye(4).double(), []
    for J in (1 - alpha) * model.jacobian(3 * draw(5000, 4, seed=seed)):
        product = J @ product
        products.append(product)
    assert float(spectral_norms(torch.stack(products)).max()) <= 1 + 1e-12


@pytest.mark.parametrize("option", [{"start": 1.5}, {"decay": -0.1}, {"every": 0}])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ValueError, match="must"):
        opt.Adaptive(**option)
