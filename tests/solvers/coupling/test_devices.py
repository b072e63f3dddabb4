"""The path for accelerators: the same atoms as the kernel, so many launches, no synchronisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from heatbath.solvers.coupling import CouplingError, devices, ebim_rows, greedy_rows, mecb_rows
from heatbath.solvers.coupling.marginals import marginal_rows

GREEDY = 6
"""Launches for each atom."""
AROUND_GREEDY, EBIM, AROUND_BOTH = 8, 68, 5


def rows(seed: int, batch: int, n: int) -> torch.Tensor:
    """Half of the rows with ties and zeros."""
    rng = np.random.default_rng(seed)
    smooth = rng.dirichlet(np.ones(n), batch)
    whole = rng.integers(0, 4, (batch, n)) + np.eye(1, n)
    mixed = np.where(np.arange(batch)[:, None] % 2, smooth, whole / whole.sum(1, keepdims=True))
    return torch.from_numpy(marginal_rows(mixed))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (12, 4), (33, 30), (4, 20)])
def test_greedy_has_the_bits_of_the_kernel(n: int, m: int):
    P, Q = rows(0, 50, n), rows(1, 50, m)
    assert torch.equal(devices.greedy(P, Q), greedy_rows(P, Q))


@pytest.mark.parametrize("n", [1, 2, 3, 12, 100])
def test_ebim_decides_as_the_kernel(n: int):
    P = rows(2, 200, n)
    rates = torch.from_numpy(np.random.default_rng(3).random(200) * 1.2 * np.log2(n + 1))
    labels, codes, entropies = devices.ebim(P, rates)
    expected = ebim_rows(P, rates)
    assert torch.equal(labels, expected[0])
    assert (codes - expected[1]).abs().max() <= n * 2e-16
    assert (entropies - expected[2]).abs().max() <= n * 3e-16


def test_launches_do_not_depend_on_the_batch_and_nothing_waits(accelerator):
    for batch, n, m in ((2, 12, 4), (16, 12, 4), (3, 30, 6)):
        P, Q = rows(0, batch, n).to(accelerator.device), rows(1, batch, m).to(accelerator.device)
        rates = torch.ones(batch, dtype=torch.float64, device=accelerator.device)
        with accelerator.counting() as greedy:
            coupling = greedy_rows(P, Q)
        with accelerator.counting() as encoding:
            ebim_rows(P, rates)
        with accelerator.counting() as step:
            joint = mecb_rows(P, Q, rates)
        atoms = n + m - 1
        assert (greedy.launches, greedy.syncs, greedy.uploads) == (GREEDY * atoms + AROUND_GREEDY, 0, 0), greedy
        assert (encoding.launches, encoding.syncs, encoding.uploads) == (EBIM, 0, 0), encoding
        everything = GREEDY * atoms + AROUND_GREEDY + EBIM + AROUND_BOTH
        assert (step.launches, step.syncs, step.uploads) == (everything, 0, 0), step
        assert coupling.device == joint.device == accelerator.device


def test_the_step_on_the_accelerator_is_the_step_on_the_cpu(accelerator):
    P, Q = rows(0, 20, 15)[1::2], rows(1, 20, 4)[1::2]  # codes that tie but for rounding could go either way
    for rate in (0.0, 0.7, 2.0, 9.0):
        joint = mecb_rows(P.to(accelerator.device), Q.to(accelerator.device), rate).cpu()
        assert (joint - mecb_rows(P, Q, rate)).abs().max() <= 1e-14


@pytest.mark.gpu
def test_a_gpu_gives_the_atoms_of_the_kernel():
    P, Q = rows(0, 64, 40), rows(1, 64, 4)
    assert torch.equal(greedy_rows(P.cuda(), Q.cuda()).cpu(), greedy_rows(P, Q))


@pytest.mark.gpu
def test_a_gpu_decides_as_the_kernel_and_waits_for_nothing():
    P, Q = rows(0, 64, 40), rows(1, 64, 4)
    before = torch.cuda.get_sync_debug_mode()
    p, q = P.cuda(), Q.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        joint = mecb_rows(p, q, 1.5)
        labels, _, _ = ebim_rows(p, 1.5)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert torch.equal(labels.cpu(), ebim_rows(P, 1.5)[0])
    assert (joint.cpu() - mecb_rows(P, Q, 1.5)).abs().max() <= 1e-14


def test_shapes_and_types_are_checked_where_values_are_not():
    P, Q = rows(0, 3, 4), rows(1, 3, 2)
    with pytest.raises(CouplingError, match=r"P: expected float64 of shape \(batch, n\), got torch\.float32"):
        devices.check(P.float(), Q)
    with pytest.raises(CouplingError, match=r"Q: expected float64 of shape \(batch, n\), got torch\.float64 of shape"):
        devices.check(P, Q[0])
    with pytest.raises(CouplingError, match=r"as many rows on one device, got \(3, 4\) on cpu and \(2, 2\) on cpu"):
        devices.check(P, Q[:2])
