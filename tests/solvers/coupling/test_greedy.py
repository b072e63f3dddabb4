"""The greedy coupling: worked by hand, for several marginals, in rows, with and without the kernel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from heatbath.solvers.coupling import Coupling, CouplingError, compiled, entropy, greedy_mec, greedy_rows, plain
from heatbath.solvers.coupling.marginals import marginal

THIRD = 1 / 3
CASES = [  # p, q, joint entropy in bits, worked out by hand
    ((0.5, 0.25, 0.25), (0.6, 0.4), 1.742738),
    ((0.5, 0.4, 0.1), (0.6, 0.2, 0.2), 1.760964),
    ((THIRD, THIRD, THIRD), (0.5, 0.5), 1.918296),
    ((0.4, 0.3, 0.2, 0.1), (0.5, 0.3, 0.2), 1.846439),
    ((0.6, 0.4), (0.5, 0.5), 1.360964),
    ((5 / 12, 4 / 12, 3 / 12), (7 / 12, 5 / 12), 1.784159),
    ((11 / 20, 8 / 20, 1 / 20), (8 / 20, 6 / 20, 6 / 20), 2.008695),
]


@pytest.fixture(params=["kernel", "plain"])
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Once with the compiled kernel, once as if it had not been built."""
    if request.param == "plain":
        monkeypatch.setattr(compiled, "library", lambda: None)
    elif compiled.library() is None:
        pytest.skip("the kernel was not built")
    return str(request.param)


@pytest.mark.parametrize(("p", "q", "expected"), CASES)
def test_entropy_of_cases_worked_by_hand(native: str, p: tuple[float, ...], q: tuple[float, ...], expected: float):
    assert greedy_mec(p, q).entropy == pytest.approx(expected, abs=1e-6)


def test_the_steps_of_the_first_case(native: str):
    coupling = greedy_mec((0.5, 0.25, 0.25), (0.6, 0.4))
    assert coupling.indices.T.tolist() == [[0, 0], [1, 1], [2, 1], [2, 0]]
    assert coupling.mass == pytest.approx([0.5, 0.25, 0.15, 0.1])
    assert coupling.mutual_information == pytest.approx(0.728213, abs=1e-6)


def test_the_one_shot_game_of_sokota_2022(native: str):
    joint = greedy_rows([[0.5, 0.5]], [[0.64, 0.32, 0.04]])[0]
    assert joint == pytest.approx(np.array([[0.5, 0, 0], [0.14, 0.32, 0.04]]))
    assert Coupling.of(joint).mutual_information == pytest.approx(0.514958, abs=1e-6)
    assert (joint * [4, 3, 0]).sum() == pytest.approx(3.52)
    assert joint.max(0).sum() == pytest.approx(0.86)


def test_equal_marginals_are_one_variable(native: str):
    coupling = greedy_mec([0.2, 0.5, 0.3], [0.5, 0.3, 0.2])
    assert coupling.to_dict() == {(1, 0): 0.5, (2, 1): 0.3, (0, 2): 0.2}


def test_ties_go_to_the_lower_index(native: str):
    assert greedy_mec([0.25] * 4, [0.5, 0.5]).indices.T.tolist() == [[0, 0], [1, 1], [2, 0], [3, 1]]


def test_rounding_leaves_no_atoms(native: str):
    tenth = [0.1] * 10
    coupling = greedy_mec(tenth, [0.3, 0.3, 0.4])
    assert coupling.mass.min() > 0.09  # 0.1 + 0.1 + 0.1 is not 0.3, and the difference is not an atom


def test_masses_below_rounding_of_the_largest_are_left_out(native: str):
    coupling = greedy_mec([1.0, 1e-17], [1e-17, 1.0])
    assert coupling.to_dict() == {(0, 1): 1.0}
    small = np.array([1.0, 1e-17]) * 1e-3
    p = np.concatenate([np.full(999, 1e-3), small])
    assert len(greedy_mec(p, p[::-1]).mass) == 1000  # rounding is relative to the largest mass: 1e-20 beside 1e-3


def test_tiny_masses_are_masses(native: str):
    p = np.array([0.5, 0.5 - 3e-12, 1e-12, 1e-12, 1e-12])
    coupling = greedy_mec(p, p)
    assert coupling.to_dict() == {(i, i): m for i, m in enumerate(p)}


@pytest.mark.parametrize("K", [3, 4, 16, 17])  # the kernel takes up to 16
def test_several_marginals(native: str, K: int):
    rng = np.random.default_rng(K)
    marginals = [rng.dirichlet(np.ones(rng.integers(1, 9))) for _ in range(K)]
    coupling = greedy_mec(*marginals)
    assert len(coupling.mass) <= sum(map(len, marginals)) - K + 1
    for k, p in enumerate(marginals):
        got = np.bincount(coupling.indices[k], weights=coupling.mass, minlength=len(p))
        assert got == pytest.approx(p, abs=1e-12)
    assert max(coupling.bounds) <= coupling.entropy + 1e-9


def test_three_marginals_worked_by_hand(native: str):
    coupling = greedy_mec([0.5, 0.5], [0.5, 0.5], [0.75, 0.25])
    assert coupling.to_dict() == {(0, 0, 0): 0.5, (1, 1, 0): 0.25, (1, 1, 1): 0.25}
    assert coupling.dense().shape == (2, 2, 2)


def test_a_row_has_the_bits_of_its_pair_alone(native: str):
    rng = np.random.default_rng(0)
    for n, m in ((1, 1), (7, 4), (40, 40), (30, 80), (300, 3)):
        P, Q = rng.dirichlet(np.full(n, 0.5), 9), rng.dirichlet(np.ones(m), 9)
        rows = greedy_rows(P, Q)
        assert np.array_equal(greedy_rows(P[::-1], Q[::-1])[::-1], rows)
        for joint, p, q in zip(rows, P, Q, strict=True):
            assert np.array_equal(greedy_mec(p, q).dense(), joint)


@pytest.mark.parametrize("alpha", [0.05, 1.0, 20.0])
def test_kernel_and_plain_twin_agree_in_every_bit(alpha: float):
    library = compiled.library()
    if library is None:
        pytest.skip("the kernel was not built")
    rng = np.random.default_rng(1)
    for n, m in ((30, 50), (1000, 999), (25_000, 20_000)):
        p, q = marginal(rng.dirichlet(np.full(n, alpha))), marginal(rng.dirichlet(np.full(m, alpha)))
        indices, mass = compiled.greedy(library, (p, q))
        atoms = plain.greedy([p.tolist(), q.tolist()])
        assert list(map(tuple, indices.T.tolist())) == [index for index, _ in atoms]
        assert mass.tolist() == [mass for _, mass in atoms]


def test_all_masses_in_one_bucket():
    n = 3000
    uneven = np.full(n, 1 / n) * (1 + 1e-9 * np.arange(n))
    p, q = uneven / uneven.sum(), np.full(2 * n, 0.5 / n)
    coupling = greedy_mec(p, q)
    atoms = plain.greedy([m.tolist() for m in coupling.marginals])
    assert coupling.mass.tolist() == [mass for _, mass in atoms]


def test_tensors_give_tensors():
    P, Q = torch.tensor([[0.5, 0.5]], dtype=torch.float64), torch.tensor([[0.75, 0.25]], dtype=torch.float64)
    joint = greedy_rows(P, Q)
    assert isinstance(joint, torch.Tensor)
    assert joint.tolist() == greedy_rows(P.numpy(), Q.numpy()).tolist()


def test_what_comes_in_is_not_changed():
    P, Q = np.array([[0.5, 0.3, 0.2]]), np.array([[0.6, 0.4]])
    greedy_rows(P, Q)
    greedy_mec(P[0], Q[0])
    assert P.tolist() == [[0.5, 0.3, 0.2]]
    assert Q.tolist() == [[0.6, 0.4]]


def test_sums_a_little_off_are_scaled():
    p = np.array([0.1, 0.2, 0.7], dtype=np.float32)
    coupling = greedy_mec(p, [0.5, 0.5])
    assert math.fsum(coupling.mass) == pytest.approx(1.0, abs=1e-14)


BAD = [
    ([0.5, -0.1, 0.6], r"expected masses of at least 0, got -0\.1 at symbol 1"),
    ([0.5, float("nan")], r"expected finite masses, got nan at symbol 1"),
    ([0.5, float("inf")], r"expected finite masses, got inf at symbol 1"),
    ([], r"is empty: expected shape \(n,\) with at least one symbol"),
    ([0.5, 0.4], r"expected masses that sum to 1, got 0\.9; divide by the sum"),
    ([[0.5, 0.5]], r"expected shape \(n,\), got \(1, 2\)"),
    (["a"], r"expected numbers, got list"),
]


@pytest.mark.parametrize(("p", "message"), BAD)
def test_a_bad_marginal_is_named(p: object, message: str):
    with pytest.raises(CouplingError, match=f"marginal 1.*{message}"):
        greedy_mec([1.0], p)  # type: ignore[arg-type]


def test_a_bad_row_is_named():
    with pytest.raises(CouplingError, match=r"P, row 1: expected masses that sum to 1, got 2\.0"):
        greedy_rows([[1.0, 0.0], [1.0, 1.0]], [[1.0], [1.0]])
    with pytest.raises(CouplingError, match=r"as many rows, got \(1, 2\) and \(2, 1\)"):
        greedy_rows([[1.0, 0.0]], [[1.0], [1.0]])


def test_one_marginal_is_no_coupling():
    with pytest.raises(CouplingError, match="at least two marginals, got 1"):
        greedy_mec([1.0])


def test_entropy_is_in_bits():
    assert entropy([0.25] * 4) == 2.0
    assert entropy([1.0, 0.0]) == 0.0


@pytest.mark.parametrize(
    ("joint", "message"),
    [
        ([0.5, 0.5], r"joint: expected an array with an axis for each of two variables or more, got shape \(2,\)"),
        ([[0.75, -0.25], [0.25, 0.25]], "joint: expected masses of at least 0, got -0.25"),
        ([[0.5, 0.5], [0.5, 0.5]], "joint: expected masses that sum to 1, got 2"),
    ],
)
def test_an_array_that_is_no_joint_law_is_refused(joint, message):
    with pytest.raises(CouplingError, match=message):
        Coupling.of(joint)
