"""Vector fields."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from heatbath.core.host import Host
from heatbath.testing import build


def field(host: Host, **options: Any) -> Any:
    return build(host, "models", "neural-ode.mlp", facts={"state_size": 3}, **options).double()


U = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_is_two_layers_of_state_and_time(host: Host) -> None:
    f = field(host, hidden=4)
    joined = torch.cat([U, torch.full((5, 1), 0.3, dtype=torch.float64)], 1)
    z = torch.tanh(joined @ torch.cat([f.first.weight, f.first.of_time.unsqueeze(1)], 1).T + f.first.bias)
    out = f.second.weight @ z.T + (f.second.of_time * 0.3 + f.second.bias).unsqueeze(1)
    torch.testing.assert_close(f(0.3, U), torch.tanh(out).T)


@pytest.mark.parametrize("shape", [(), (5, 1)])
def test_time_may_be_a_number_or_a_tensor(host: Host, shape: tuple[int, ...]) -> None:
    f = field(host, hidden=4)
    torch.testing.assert_close(f(torch.full(shape, 0.3, dtype=torch.float64), U), f(0.3, U))


def test_without_time_it_stays_the_same(host: Host) -> None:
    f = field(host, time=False)
    assert torch.equal(f(0.0, U), f(5.0, U))
    assert sum(p.numel() for p in f.parameters()) == 100 * 3 + 100 + 3 * 100 + 3


def test_cubes_and_a_linear_output(host: Host) -> None:
    f = field(host, cubed=True, output="linear", time=False)
    hidden = torch.tanh(U**3 @ f.first.weight.T + f.first.bias)
    torch.testing.assert_close(f(0.0, U), hidden @ f.second.weight.T + f.second.bias)


def test_it_is_made_from_the_seed(host: Host) -> None:
    assert torch.equal(field(host).first.weight, field(host).first.weight)


def test_no_hidden_unit_is_refused(host: Host) -> None:
    with pytest.raises(ValueError, match="`hidden` must be at least 1"):
        field(host, hidden=0)
