"""Mass kept while a scheme that does not conserve is stepped."""

import pytest
import torch
from torch.nn.functional import pad

from heatbath.core.contracts import InitialValue
from heatbath.core.errors import InvalidInput
from heatbath.envs.conservation.diffusion import PorousMedium
from heatbath.envs.conservation.sampling import grid
from heatbath.plugins.probconserv.correction import MassCorrection
from heatbath.solvers.gaussian.quadrature import trapezoid
from heatbath.testing import build

LAW, M, START, END = PorousMedium(), 3.0, 0.3, 0.6
X = grid(LAW, 21)
W = trapezoid(X)


def derivative(t, u):
    """u^m u_xx + m u^(m-1) u_x^2 by differences: right for smooth fields, wrong by O(1) of the flux at a front."""
    h = float(X[1])
    left = LAW.solution(M, t, 0.0).expand(*u.shape[:-1], 1)
    padded = torch.cat([left, u[..., 1:]], -1)
    first = (padded[..., 2:] - padded[..., :-2]) / (2 * h)
    second = (padded[..., 2:] - 2 * padded[..., 1:-1] + padded[..., :-2]) / h**2
    inner = u[..., 1:-1].clamp_min(0)
    change = inner**M * second + M * inner ** (M - 1) * first**2
    ends = (LAW.solution(M, t + 1e-6, 0.0) - LAW.solution(M, t - 1e-6, 0.0)) / 2e-6
    return torch.cat([ends.expand(*u.shape[:-1], 1), change, torch.zeros_like(u[..., :1])], -1)


def front(u):
    """Where the scheme is not to be trusted: where u changes much. The value at the boundary is known."""
    slopes = u.diff(dim=-1).square()
    variance = pad(slopes, (0, 1)) + pad(slopes, (1, 0)) + 1e-9
    return torch.cat([0 * variance[..., :1], variance[..., 1:]], -1)


def run(host, correction=None, record=frozenset()):
    problem = InitialValue(derivative, LAW.solution(M, START, X).unsqueeze(0), (START, END))
    return build(host, "solvers", "rk4", step=5e-4).solve(problem, on_step=correction, record=record)


def test_the_scheme_alone_drifts_and_the_correction_holds_it(host):
    true = LAW.solution(M, END, X)
    plain = run(host).value[-1, 0]
    assert abs(float(W @ plain - LAW.mass(M, END))) > 1e-3
    correction = MassCorrection(W, lambda t: LAW.mass(M, t).reshape(1), front)
    solution = run(host, correction, frozenset({"proposal", "t"}))
    held = solution.value[-1, 0]
    assert abs(float(W @ held - LAW.mass(M, END))) < 1e-12
    assert (held - true).abs().mean() < 0.7 * (plain - true).abs().mean()
    assert len(solution.trace["proposal"]) == len(solution.trace["t"])


def test_gradients_flow_through_the_correction(host):
    start = LAW.solution(M, START, X).unsqueeze(0).requires_grad_()
    problem = InitialValue(lambda t, u: -u, start, (0.0, 0.1))
    solver = build(host, "solvers", "rk4", step=0.05)
    end = solver.solve(problem, on_step=MassCorrection(W, lambda t: torch.tensor([0.3]))).value[-1]
    (gradient,) = torch.autograd.grad(end[0, 5], start)
    assert gradient.isfinite().all()
    # The total no longer depends on the start.
    end = solver.solve(problem, on_step=MassCorrection(W, lambda t: torch.tensor([0.3]))).value[-1]
    (gradient,) = torch.autograd.grad(end[0] @ W, start)
    assert gradient.abs().max() < 1e-12


def test_without_any_variance_the_total_is_kept_all_the_same():
    """One state that is trusted everywhere, beside one that is not; and one trusted where it has weight."""
    y = torch.rand(3, 21, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    variance = torch.zeros(3, 21, dtype=torch.float64)
    variance[1, 4:9] = 0.1
    mass = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64)
    corrected = MassCorrection(W, lambda t: mass, variance)(0.0, y, {})
    assert ((corrected @ W) - mass).abs().max() < 1e-12
    even = MassCorrection(W, lambda t: 0.3)(0.0, y[0], {})
    torch.testing.assert_close(corrected[0], even, rtol=0, atol=1e-7)
    assert torch.equal(corrected[1, 9:], y[1, 9:])
    at_rest = MassCorrection(W, lambda t: 0.3, lambda u: 0 * u)(0.0, y[0], {})
    assert torch.equal(at_rest, even)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MassCorrection(0 * W, lambda t: 1.0), "`weights` must be finite and not all 0"),
        (lambda: MassCorrection(W * float("nan"), lambda t: 1.0), "`weights` must be finite"),
        (
            lambda: MassCorrection(W, lambda t: 1.0, W - 1),
            "`variance` must be finite and at least 0, got values from -",
        ),
        (lambda: MassCorrection(W, lambda t: 1.0, W * float("inf")), "`variance` must be finite and at least 0"),
    ],
)
def test_what_cannot_correct_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize(
    ("variance", "message"),
    [
        (lambda y: y - 2, "`variance` must be finite and at least 0, got values from -"),
        (lambda y: y * float("nan"), "`variance` must be finite and at least 0, got values from nan"),
        (lambda y: y + float("inf"), "`variance` must be finite and at least 0, got values from inf"),
        (lambda y: 0.5, "what the function `variance` gives must be a tensor .* got float"),
    ],
)
def test_what_a_function_gives_is_checked_at_each_step(variance, message):
    y = torch.rand(21, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InvalidInput, match=message):
        MassCorrection(W, lambda t: 0.3, variance)(0.0, y, {})


def test_single_precision_stays_single():
    y = torch.rand(3, 21)
    corrected = MassCorrection(W, lambda t: torch.tensor([0.3, 0.4, 0.5]))(0.0, y, {})
    assert corrected.dtype == torch.float32
    assert ((corrected.double() @ W) - torch.tensor([0.3, 0.4, 0.5])).abs().max() < 5e-7
