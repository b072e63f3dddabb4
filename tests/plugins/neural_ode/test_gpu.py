"""The experiments on CUDA."""

from __future__ import annotations

from pathlib import Path

import pytest

import heatbath
from heatbath.core.host import Host


@pytest.mark.gpu
@pytest.mark.parametrize("backward", ["autograd", "checkpointed"])
def test_digits_learn_on_cuda(host: Host, tmp_path: Path, backward: str) -> None:
    pytest.importorskip("sklearn")
    solver = {"rtol": 1e-5, "atol": 1e-5, "backward": backward}
    made = heatbath.run("neural-ode.digits", host=host, runs=str(tmp_path), device="cuda", steps=50, solver=solver)
    assert made.metrics["accuracy"] > 0.8
