"""Encoders: the closed form, the refinement of theorem 3, the quantisers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from heatbath.solvers.coupling import (
    Code,
    CouplingError,
    adaptive_quantiser,
    compiled,
    ebim,
    ebim_refined,
    ebim_rows,
    entropy,
    shkel_verdu,
    uniform_quantiser,
)
from heatbath.solvers.coupling.refined import neighbourhood, partitions

P = (0.4, 0.3, 0.2, 0.1)
CASES = [  # rate, labels, H(T) for P
    (1.9, (0, 1, 2, 3), 1.846439),
    (1.7, (0, 1, 2, 2), 1.570951),
    (1.5, (0, 0, 1, 2), 1.156780),
    (1.0, (0, 0, 1, 1), 0.881291),
    (0.8, (0, 0, 0, 1), 0.468996),
    (0.3, (0, 0, 0, 0), 0.0),
    (0.0, (0, 0, 0, 0), 0.0),
]
BINOMIAL = [math.comb(20, k) / 2**20 for k in range(21)]
GEOMETRIC = [0.7**k * 0.3 / (1 - 0.7**20) for k in range(20)]
SOURCES = [
    (BINOMIAL, 3.207723, [0.336482, 0.786140, 1.152946, 1.982716, 2.421439, 2.871897]),
    (GEOMETRIC, 2.928266, [0.476059, 0.857152, 1.490015, 1.925099, 2.429385, 2.928266]),
]
THEOREM_3 = [  # rate, deterministic, from the maps of the closed form, from all maps (= brute force), for (.7, .2, .1)
    (0.20, 0.0, 0.11054, 0.11054),
    (0.40, 0.0, 0.32659, 0.32659),
    (0.50, 0.46900, 0.47607, 0.47607),
    (0.60, 0.46900, 0.51051, 0.51051),
    (0.70, 0.46900, 0.55793, 0.63977),
    (0.7219, 0.46900, 0.57012, 0.72169),
    (0.80, 0.46900, 0.75284, 0.75284),
    (0.95, 0.88129, 0.89958, 0.89958),
    (1.05, 0.88129, 0.95733, 0.95733),
    (1.15, 0.88129, 1.13368, 1.13368),
]


@pytest.fixture(params=["kernel", "plain"])
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setattr(compiled, "library", lambda: None)
    elif compiled.library() is None:
        pytest.skip("the kernel was not built")
    return str(request.param)


@pytest.mark.parametrize(("rate", "labels", "expected"), CASES)
def test_cases_worked_by_hand(native: str, rate: float, labels: tuple[int, ...], expected: float):
    got, codes, entropies = ebim_rows([P], rate)
    assert tuple(got[0].tolist()) == labels == tuple(ebim(P, rate).tolist())
    assert entropies[0] == pytest.approx(expected, abs=1e-6)
    assert codes[0].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("source", "whole", "expected"), SOURCES)
def test_sources_of_figure_9(native: str, source: list[float], whole: float, expected: list[float]):
    assert entropy(source) == pytest.approx(whole, abs=1e-6)
    got = [Code.of(ebim(source, rate), source).entropy for rate in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)]
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("n", "compression", "sizes"),
    [
        (16, 1.25, [5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]),
        (16, 1.5, [7, 1, 1, 1, 1, 1, 1, 1, 2]),
        (16, 2, [10, 1, 1, 1, 1, 1, 1]),
        (16, 3, [12, 1, 1, 1, 1]),
        (16, 4, [13, 1, 1, 1]),
        (8, 1.5, [4, 1, 1, 1, 1]),
    ],
)
def test_a_uniform_source_has_one_large_code(native: str, n: int, compression: float, sizes: list[int]):
    assert np.bincount(ebim([1 / n] * n, math.log2(n) / compression)).tolist() == sizes


def test_a_rate_that_equals_an_entropy_is_reached(native: str):
    p = [0.125] * 8
    assert Code.of(ebim(p, 2.0), p).entropy == 2.0
    assert ebim(p, 3.0).tolist() == list(range(8))


def test_zeros_are_nobodys_code(native: str):
    p = [0.0, 0.5, 0.0, 0.3, 0.2]
    _, codes, _ = ebim_rows([p], 1.2)
    assert sorted(codes[0][codes[0] > 0].tolist()) == [0.5, 0.5]


def test_a_row_has_the_bits_of_that_row_alone(native: str):
    rng = np.random.default_rng(0)
    for n in (1, 2, 13, 512):
        sources, rates = rng.dirichlet(np.ones(n), 7), rng.random(7) * math.log2(n + 1)
        labels, codes, entropies = ebim_rows(sources, rates)
        for k, (p, rate) in enumerate(zip(sources, rates, strict=True)):
            alone = ebim_rows([p], rate)
            assert np.array_equal(alone[0][0], labels[k])
            assert np.array_equal(alone[1][0], codes[k])
            assert alone[2][0] == entropies[k]


def test_tensors_give_tensors():
    labels, codes, entropies = ebim_rows(torch.tensor([P], dtype=torch.float64), 1.0)
    assert labels.tolist() == [[0, 0, 1, 1]]
    assert codes.dtype == entropies.dtype == torch.float64


@pytest.mark.parametrize("rate", [-0.1, float("nan")])
def test_a_bad_rate_is_refused(rate: float):
    for encoder in (ebim, uniform_quantiser, adaptive_quantiser, shkel_verdu, ebim_refined):
        with pytest.raises(CouplingError, match=f"`rate` must be at least 0 bits, got {rate}"):
            encoder(P, rate)
    with pytest.raises(CouplingError, match="`rate` must be at least 0 bits"):
        ebim_rows([P, P], [1.0, rate])


@pytest.mark.parametrize("rate", [None, "much", [1.0], [1.0, 1.0, 1.0], [[1.0, 1.0]]])
def test_a_rate_that_is_no_number_is_refused(rate):
    for call in (lambda: ebim(P, rate), lambda: ebim_rows([P, P], rate)):
        with pytest.raises(CouplingError, match=r"`rate`.* number"):
            call()


def test_a_rate_may_be_a_tensor_that_has_a_gradient():
    rate = torch.tensor(1.0, requires_grad=True)
    assert ebim(P, rate).tolist() == ebim(P, 1.0).tolist()
    assert ebim_rows(torch.tensor([P, P]), rate.expand(2))[0].tolist() == ebim_rows([P, P], 1.0)[0].tolist()


@pytest.mark.parametrize(("rate", "deterministic", "greedy", "every"), THEOREM_3)
def test_the_table_of_theorem_3(rate: float, deterministic: float, greedy: float, every: float):
    p = (0.7, 0.2, 0.1)
    assert Code.of(ebim(p, rate), p).information == pytest.approx(deterministic, abs=1e-4)
    assert ebim_refined(p, rate, "greedy").information == pytest.approx(greedy, abs=1e-4)
    for candidates in ("all", "auto"):
        code = ebim_refined(p, rate, candidates)
        assert code.information == pytest.approx(every, abs=1e-4)
        assert code.entropy <= rate + 1e-9


def test_refinement_of_all_maps_is_for_few_symbols():
    p = [1 / 11] * 11
    with pytest.raises(CouplingError, match=r"at most 10 symbols of positive mass, got 11; use candidates='greedy'"):
        ebim_refined(p, 1.0, "all")
    assert ebim_refined(p, 1.0).entropy <= 1.0 + 1e-9
    with pytest.raises(CouplingError, match="must be 'auto', 'greedy' or 'all', got 'some'"):
        ebim_refined(p, 1.0, "some")  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "bell"), [(1, 1), (2, 2), (5, 52), (8, 4140)])
def test_partitions_are_counted_by_bell(n: int, bell: int):
    maps = partitions(n)
    assert maps.shape == (bell, n)
    assert len(np.unique(maps, axis=0)) == bell


def test_moves_start_at_the_map_and_change_the_entropy():
    down, up = neighbourhood([0.4, 0.3, 0.2, 0.1], [0, 0, 1, 1])
    assert down[0] == pytest.approx(up[0])
    assert (np.diff(down[:, 0]) <= 1e-12).all()
    assert (np.diff(up[:, 0]) >= -1e-12).all()


def test_quantisers_worked_by_hand():
    assert uniform_quantiser([0.1] * 10, 2.0).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert uniform_quantiser([0.1] * 10, 0.5).tolist() == [0] * 10
    assert uniform_quantiser([0.5, 0.5], 70.0).tolist() == [0, 1]
    assert adaptive_quantiser([0.1, 0.4, 0.2, 0.3], 1.0).tolist() == [1, 0, 0, 1]
    assert adaptive_quantiser([0.1, 0.4, 0.2, 0.3], 1.9).tolist() == [0, 1, 2, 3]
    assert shkel_verdu([0.1, 0.4, 0.2, 0.3], 1.0).tolist() == [0, 0, 1, 1]


def test_static_blocks_cap_what_can_be_told_apart():
    p = [1 / 512] * 512
    for compression, blocks in ((1.25, 128), (1.5, 64), (2, 22), (3, 8), (4.5, 4)):
        assert len(np.unique(uniform_quantiser(p, 9 / compression))) == blocks


def test_an_encoders_answer_is_looked_at():
    with pytest.raises(CouplingError, match="count from 0, got -1"):
        Code.of([0, -1], [0.5, 0.5])
    with pytest.raises(CouplingError, match=r"an encoder of 2 symbols answers with .* got float64 of shape \(3,\)"):
        Code.of([0.1, 0.2, 0.3], [0.5, 0.5])
    with pytest.raises(CouplingError, match="rows that sum to 1"):
        Code.of([[0.5, 0.4], [1.0, 0.0]], [0.5, 0.5])
