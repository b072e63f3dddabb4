"""What holds for every pair of marginals: hypothesis draws them with ties, zeros and tiny masses."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from heatbath.solvers.coupling import (
    Code,
    adaptive_quantiser,
    bounds,
    ebim,
    ebim_refined,
    ebim_rows,
    entropy,
    exact_mec,
    greedy_mec,
    greedy_rows,
    mecb,
    plain,
    shkel_verdu,
    uniform_quantiser,
    zero_seeking_mec,
)
from heatbath.solvers.coupling.marginals import binary_entropy, marginal

Masses = NDArray[np.float64]
PROFILE_GUARANTEE = math.log2(math.e) / math.e

patient = settings(deadline=None)  # a busy machine is no failure

weight = st.one_of(
    st.integers(0, 4).map(float),  # ties and zeros
    st.floats(1e-3, 1.0),
    st.sampled_from([1e-300, 1e-30, 1e-17, 1e-12, 1e-9]),  # tiny
)


@st.composite
def marginals(draw: st.DrawFn, most: int = 30) -> Masses:
    """A probability vector, at least one of its weights a whole number."""
    weights = draw(st.lists(weight, min_size=0, max_size=most - 1))
    place = draw(st.integers(0, len(weights)))
    weights.insert(place, draw(st.integers(1, 4)))
    p = np.array(weights, dtype=np.float64)
    return p / p.sum()


def exact_marginals(coupling, *laws: Masses) -> bool:
    sums = [np.bincount(coupling.indices[k], weights=coupling.mass, minlength=len(p)) for k, p in enumerate(laws)]
    return all(np.abs(got - p).max() <= 1e-12 for got, p in zip(sums, laws, strict=True))


@patient
@given(marginals(), marginals())
def test_greedy_keeps_the_marginals_in_few_atoms_near_the_bound(p: Masses, q: Masses):
    coupling = greedy_mec(p, q)
    assert exact_marginals(coupling, p, q)
    assert len(coupling.mass) <= len(p) + len(q) - 1
    assert coupling.mass.min() > 0
    assert len(coupling.to_dict()) == len(coupling.mass)  # no pair twice
    assert coupling.entropy <= coupling.bounds.majorisation + 1 + 1e-9
    assert max(coupling.bounds) <= coupling.entropy + 1e-9


@patient
@given(marginals(), marginals())
def test_greedy_has_the_bits_of_its_plain_twins(p: Masses, q: Masses):
    coupling = greedy_mec(p, q)
    one, other = (m.tolist() for m in coupling.marginals)
    assert list(coupling.to_dict().items()) == plain.greedy([one, other])
    walked = {(i, j): mass for i, j, mass in plain.walk(one, other)}
    assert walked == coupling.to_dict()
    assert np.array_equal(greedy_rows([p, p], [q, q]), np.stack([coupling.dense()] * 2))


@patient
@given(marginals(8), marginals(8), marginals(8))
def test_three_marginals(p: Masses, q: Masses, r: Masses):
    coupling = greedy_mec(p, q, r)
    assert exact_marginals(coupling, p, q, r)
    assert len(coupling.mass) <= len(p) + len(q) + len(r) - 2


@patient
@given(marginals(), marginals())
def test_zero_seeking_keeps_the_marginals(p: Masses, q: Masses):
    coupling = zero_seeking_mec(p, q)
    assert exact_marginals(coupling, p, q)
    assert len(coupling.mass) <= len(p) + len(q) - 1
    assert max(coupling.bounds) <= coupling.entropy + 1e-9


@patient
@given(marginals(4), marginals(4))
def test_the_optimum_lies_between_the_bounds_and_the_greedy_coupling(p: Masses, q: Masses):
    best = exact_mec(p, q)
    assert exact_marginals(best, p, q)
    assert max(best.bounds) <= best.entropy + 1e-9
    for coupling in (greedy_mec(p, q), zero_seeking_mec(p, q)):
        assert best.entropy <= coupling.entropy + 1e-9
    assert greedy_mec(p, q).entropy <= best.entropy + PROFILE_GUARANTEE


@patient
@given(marginals(), marginals())
def test_cap_dominates_the_other_bounds(p: Masses, q: Masses):
    majorisation, profile, cap = bounds(p, q)
    assert max(majorisation, profile) <= cap + 1e-9
    assert max(entropy(p), entropy(q)) <= cap + 1e-9


def merge_loop(p: Masses, rate: float) -> list[float]:
    """EBIM as published: merge the two smallest if that suffices, else the two largest."""
    columns = sorted((v for v in p.tolist() if v > 0), reverse=True)
    while entropy(columns) > rate + 1e-12:
        small = sorted([*columns[:-2], columns[-2] + columns[-1]], reverse=True)
        if entropy(small) <= rate + 1e-12:
            return small
        columns = [columns[0] + columns[1], *columns[2:]]
    return columns


@patient
@given(marginals(), st.floats(0.0, 1.2))
def test_the_closed_form_is_the_merge_loop(p: Masses, share: float):
    rate = share * entropy(p)
    labels, codes, entropies = ebim_rows([p], rate)
    got = np.sort(codes[0][codes[0] > 0])[::-1]
    expected = merge_loop(p, rate)
    assert np.abs(got - expected).max() <= 1e-12
    assert abs(entropies[0] - entropy(got)) <= 1e-12
    assert np.array_equal(np.bincount(labels[0], weights=p, minlength=len(p)), codes[0])


@patient
@given(marginals(), st.floats(0.0, 1.2))
def test_the_closed_form_keeps_the_rate_and_its_guarantee(p: Masses, share: float):
    rate = share * entropy(p)
    code = Code.of(ebim(p, rate), p)
    assert code.entropy <= rate + 1e-9
    second = float(np.sort(p)[-2]) if len(p) > 1 else 0.0
    assert min(rate, entropy(p)) - code.information <= binary_entropy(second) + 1e-9


@patient
@given(marginals(), st.floats(0.0, 4.0))
def test_the_closed_form_has_the_bits_of_its_plain_twin(p: Masses, rate: float):
    labels, _, entropies = ebim_rows([p, p[::-1], p], rate)
    expected, reached = plain.ebim(marginal(p).tolist(), rate)
    for row in (0, 2):
        assert labels[row].tolist() == expected
        assert entropies[row] == reached


@patient
@given(marginals(), st.floats(0.0, 4.0))
def test_quantisers_keep_the_rate(p: Masses, rate: float):
    for encoder in (uniform_quantiser, adaptive_quantiser, shkel_verdu):
        assert Code.of(encoder(p, rate), p).entropy <= rate + 1e-9


@patient
@given(marginals(6), st.floats(0.0, 1.0))
def test_refinement_keeps_the_rate_and_loses_nothing(p: Masses, share: float):
    rate = share * entropy(p)
    refined, plain_map = ebim_refined(p, rate), Code.of(ebim(p, rate), p)
    assert refined.entropy <= rate + 1e-8
    assert plain_map.information - 1e-9 <= refined.information <= refined.entropy + 1e-12


@patient
@given(marginals(), marginals(), st.floats(0.0, 4.0))
def test_the_bottleneck_keeps_both_ends_and_what_passes_through(p: Masses, q: Masses, rate: float):
    made = mecb(p, q, rate)
    assert np.abs(made.joint.sum(1) - p).max() <= 1e-12
    assert np.abs(made.joint.sum(0) - q).max() <= 1e-12
    through = made.code.information, made.coupling.mutual_information
    assert made.mutual_information <= min(*through) + 1e-9  # data processing
    assert made.mutual_information >= sum(through) - made.code.entropy - 1e-9  # lemma 1
