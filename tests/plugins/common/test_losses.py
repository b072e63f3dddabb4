"""The squared error."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from heatbath.core.contracts import Clock, StepContext
from heatbath.plugins.common.losses import MeanSquaredError
from heatbath.testing import check_loss


def test_the_squared_error_conforms(host):
    check_loss(host, "mse")


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6), min_size=1, max_size=4))
def test_it_is_the_mean_over_all_axes_but_the_first(rows):
    prediction = torch.tensor(rows, dtype=torch.float64).view(-1, 3, 2)
    values = {"prediction": prediction, "target": torch.ones_like(prediction)}
    term = MeanSquaredError(None, None)(StepContext(Clock(0, 1), values))
    expected = [sum((x - 1) ** 2 for x in row) / 6 for row in rows]
    assert torch.allclose(term.value, torch.tensor(expected, dtype=torch.float64), rtol=1e-12)
    assert term.diagnostics == {}


def test_it_is_zero_where_the_prediction_is_right_and_its_gradient_points_there():
    target = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    prediction = (target + 1).requires_grad_()
    value = MeanSquaredError(None, None)(StepContext(Clock(0, 1), {"prediction": prediction, "target": target})).value
    (gradient,) = torch.autograd.grad(value.sum(), prediction)
    assert torch.allclose(gradient, torch.full_like(gradient, 2 / 5))
    same = StepContext(Clock(0, 1), {"prediction": target, "target": target})
    assert torch.equal(MeanSquaredError(None, None)(same).value, torch.zeros(4))
