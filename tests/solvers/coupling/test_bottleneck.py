"""X -> T -> Y: cases worked by hand, rows, and encoders and couplers handed in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from heatbath.solvers.coupling import (
    Coupling,
    CouplingError,
    adaptive_quantiser,
    compiled,
    ebim_refined,
    greedy_mec,
    independent,
    mecb,
    mecb_rows,
    zero_seeking_mec,
)

P, Q = (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)


def test_cases_worked_by_hand():
    for rate, expected in ((0.9, 0.881291), (0.6, 0.26900)):
        assert mecb(P, Q, rate).mutual_information == pytest.approx(expected, abs=1e-5)
    assert mecb((0.5, 0.3, 0.2), (0.6, 0.4), 0.9).mutual_information == pytest.approx(0.322, abs=1e-3)


@pytest.mark.parametrize(
    ("compression", "expected"), [(1.25, 3.1494), (1.5, 2.6468), (2, 1.9238), (3, 1.3113), (4, 0.9934)]
)
def test_a_uniform_source_and_output(compression: float, expected: float):
    uniform = [1 / 16] * 16
    assert mecb(uniform, uniform, 4 / compression).mutual_information == pytest.approx(expected, abs=1e-4)


def test_without_a_bottleneck_it_is_the_plain_coupling():
    made = mecb(P, Q, 10.0)
    assert np.array_equal(made.joint, greedy_mec(P, Q).dense())
    assert np.array_equal(mecb_rows([P], [Q], 10.0)[0], made.joint)


@pytest.mark.parametrize("native", [True, False])
def test_a_row_is_the_pair_alone(native: bool, monkeypatch: pytest.MonkeyPatch):
    if not native:
        monkeypatch.setattr(compiled, "library", lambda: None)
    rng = np.random.default_rng(0)
    beliefs, policies, rates = rng.dirichlet(np.ones(40), 6), rng.dirichlet(np.ones(4), 6), rng.random(6) * 5
    rows = mecb_rows(beliefs, policies, rates)
    assert np.array_equal(mecb_rows(beliefs[::-1], policies[::-1], rates[::-1])[::-1], rows)
    for joint, p, q, rate in zip(rows, beliefs, policies, rates, strict=True):
        assert np.array_equal(mecb_rows([p], [q], rate)[0], joint)
        assert joint == pytest.approx(mecb(p, q, rate).joint, abs=1e-15)
        assert joint.sum(1) == pytest.approx(p, abs=1e-12)
        assert joint.sum(0) == pytest.approx(q, abs=1e-12)


def test_kernel_and_fallback_agree_in_every_bit(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(1)
    beliefs, policies, rates = rng.dirichlet(np.ones(512), 20), rng.dirichlet(np.ones(4), 20), rng.random(20) * 9
    fast = mecb_rows(beliefs, policies, rates)
    monkeypatch.setattr(compiled, "library", lambda: None)
    assert np.array_equal(mecb_rows(beliefs, policies, rates), fast)


def test_tensors_give_tensors():
    joint = mecb_rows(torch.tensor([P], dtype=torch.float64), torch.tensor([Q], dtype=torch.float64), 0.9)
    assert isinstance(joint, torch.Tensor)
    assert joint.numpy() == pytest.approx(mecb([*P], Q, 0.9).joint[None])


@pytest.mark.parametrize("encoder", [adaptive_quantiser, ebim_refined])
@pytest.mark.parametrize("coupler", [zero_seeking_mec, independent])
def test_encoders_and_couplers_are_handed_in(encoder, coupler):
    made = mecb(P, Q, 0.95, encoder=encoder, coupler=coupler)
    assert made.joint.sum(1) == pytest.approx(P, abs=1e-12)
    assert made.joint.sum(0) == pytest.approx(Q, abs=1e-12)
    if coupler is independent:
        assert made.mutual_information == pytest.approx(0.0, abs=1e-12)


def test_an_encoder_that_breaks_the_bound_is_refused():
    with pytest.raises(CouplingError, match=r"the encoder's code has 1\.156\d* bits, more than the rate 0\.5"):
        mecb(P, Q, 0.5, encoder=lambda p, rate: np.arange(len(p)))


def test_bad_ends_are_named():
    with pytest.raises(CouplingError, match="p_y: expected masses that sum to 1"):
        mecb(P, [0.5, 0.2], 1.0)
    with pytest.raises(CouplingError, match="`rate` must be at least 0 bits, got -1"):
        mecb(P, Q, -1.0)


def test_a_joint_law_becomes_a_coupling():
    coupling = Coupling.of(mecb(P, Q, 0.9).joint)
    assert coupling.marginals[0] == pytest.approx(P)
    assert coupling.mutual_information == pytest.approx(0.881291, abs=1e-5)
