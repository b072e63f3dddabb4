"""Matrix games: closed forms, two methods against each other, linear programs, bad input. Checks 6.3.1 and 2."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heatbath.core.contracts import MatrixGame
from heatbath.core.errors import InvalidInput
from heatbath.solvers.games import (
    Equilibrium,
    best_responses,
    entropy,
    equilibria,
    equilibrium_path,
    exploitability,
    mirror_ascent,
    nash,
    quantal_response,
    regret,
    responses,
)
from heatbath.testing import build, check_solver

ASYMMETRIC = np.array([[2.0, -1.0], [-1.0, 1.0]])
STAKES = np.array([[0.0, -1.0, 2.0], [1.0, 0.0, -3.0], [-2.0, 3.0, 0.0]])
GOLDEN = {
    (0.05, 10.0): (0.956438, 0.430890),
    (0.05, 1.0): (0.481703, 0.399268),
    (0.05, 0.1): (0.408419, 0.396295),
    (0.05, 0.01): (0.400844, 0.395981),
    (1.0, 1.0): (0.488674, 0.390938),
    (0.1, 0.1): (0.408727, 0.392615),
}
TEMPERATURES = (10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4)


def sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("name", ["quantal-response", "mirror-ascent"])
def test_the_solvers_conform(host, name):
    check_solver(host, name)


@pytest.mark.parametrize(("temperatures", "golden"), GOLDEN.items())
def test_the_golden_equilibria(temperatures, golden):
    found = quantal_response(ASYMMETRIC, *temperatures)
    np.testing.assert_allclose((found.row[0], found.column[0]), golden, rtol=0, atol=1e-6)
    assert found.residual <= 1e-13


@pytest.mark.parametrize("t1", TEMPERATURES)
@pytest.mark.parametrize("t2", TEMPERATURES)
def test_two_by_two_games_have_a_closed_form(t1, t2):
    """p = sig(((A00 - A10) q + (A01 - A11)(1 - q)) / t1), q = sig(-((A00 - A01) p + (A10 - A11)(1 - p)) / t2)."""
    A, found = ASYMMETRIC, quantal_response(ASYMMETRIC, t1, t2)
    (p, _), (q, _) = found.row, found.column
    rounding = 1e-13 + 1e-15 / min(t1, t2)
    assert abs(p - sigmoid(((A[0, 0] - A[1, 0]) * q + (A[0, 1] - A[1, 1]) * (1 - q)) / t1)) <= 4 * rounding
    assert abs(q - sigmoid(-((A[0, 0] - A[0, 1]) * p + (A[1, 0] - A[1, 1]) * (1 - p)) / t2)) <= 4 * rounding


@pytest.mark.parametrize(
    "shape", [(2, 2), (3, 3), (5, 5), (10, 10), (30, 30), (3, 20), (20, 3), (1, 4), (4, 1), (1, 1)]
)
def test_strategies_answer_each_other_at_any_temperature(shape):
    A = drawn(*shape)
    for t in TEMPERATURES:
        found = quantal_response(A, t)
        assert found.residual <= max(1e-13, 4e-15 / t), t
        for part, answer in zip(found[:2], responses(A, *found[:2], t, t), strict=True):
            np.testing.assert_allclose(part, answer, rtol=0, atol=max(1e-12, 1e-14 / t))
        assert regret(A, *found[:2], t, t) <= 1e-12


@pytest.mark.parametrize("t", [3.0, 0.3, 0.1])
def test_mirror_ascent_finds_the_same(t):
    A = drawn(6, 4, 3)
    slow, fast = mirror_ascent(A, t, 0.5), quantal_response(A, t, 0.5)
    np.testing.assert_allclose(slow.row, fast.row, rtol=0, atol=1e-11)
    np.testing.assert_allclose(slow.column, fast.column, rtol=0, atol=1e-11)
    assert slow.residual.max() < 1e-13


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(-100, 100, width=32)),
    st.floats(-4, 2),
    st.floats(-4, 2),
)
def test_any_game_is_solved(A, log_t1, log_t2):
    """With ties, equal rows, dominated actions, constant payoffs; rounding grows as payoff / temperature."""
    t1, t2 = 10.0**log_t1, 10.0**log_t2
    found = quantal_response(A, t1, t2)
    assert found.row.min() >= 0
    assert abs(found.row.sum() - 1) < 1e-12
    assert abs(found.column.sum() - 1) < 1e-12
    scale = max(1.0, np.abs(A).max())
    assert regret(A, found.row, found.column, t1, t2) <= 1e-9 * scale
    assert found.residual <= max(1e-12, 1e-13 * scale / min(t1, t2))


def test_a_batch_has_the_equilibria_of_its_games():
    A, t1 = drawn(7, 4, 3), np.geomspace(0.01, 1, 7)
    together = quantal_response(A, t1, 0.2)
    for index in range(7):
        alone = quantal_response(A[index], t1[index], 0.2)
        np.testing.assert_allclose(together.row[index], alone.row, rtol=0, atol=1e-12)
        np.testing.assert_allclose(together.value[index], alone.value, rtol=0, atol=1e-12)
    grid = quantal_response(A[:, None], 0.2, np.array([0.1, 1.0]))
    assert (grid.row.shape, grid.column.shape, grid.value.shape) == ((7, 2, 4), (7, 2, 3), (7, 2))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_payoffs_and_temperatures_does_not_matter(unit):
    found = quantal_response(unit * STAKES + 3 * unit, 0.3 * unit, 0.1 * unit)
    np.testing.assert_allclose(found.row, quantal_response(STAKES, 0.3, 0.1).row, rtol=0, atol=1e-11)


def test_the_players_can_be_exchanged():
    one, other = quantal_response(STAKES @ np.diag([1, 2, 3]), 0.3, 0.1), None
    other = quantal_response(-(STAKES @ np.diag([1, 2, 3])).T, 0.1, 0.3)
    np.testing.assert_allclose(one.row, other.column, rtol=0, atol=1e-12)
    np.testing.assert_allclose(one.value, -other.value, rtol=0, atol=1e-12)


def test_the_limits_of_the_temperature():
    hot, cold = quantal_response(ASYMMETRIC, 1e9), quantal_response(ASYMMETRIC, 1e-6)
    np.testing.assert_allclose(hot.row, 0.5, atol=1e-8)
    np.testing.assert_allclose(cold.row, [0.4, 0.6], atol=1e-5)
    np.testing.assert_allclose(cold.value, 0.2, atol=1e-6)


@pytest.mark.parametrize("t1", [0.005, 0.05, None])
def test_exploitability_falls_to_zero_along_the_temperature(t1):
    """From 10 to 0.001; a protagonist that stays at 0.05 remains exploitable by what its own noise costs."""
    temperatures = np.geomspace(10, 1e-3, 100)
    path = equilibrium_path(ASYMMETRIC, temperatures if t1 is None else t1, temperatures)
    gains = exploitability(ASYMMETRIC, path.row, path.column)
    assert (np.diff(gains) < 0).all()
    assert gains[-1] < (1e-3 if t1 is None else 0.01)
    cold = quantal_response(ASYMMETRIC, temperatures if t1 is None else t1, temperatures)
    np.testing.assert_allclose(path.row, cold.row, rtol=0, atol=1e-11)


def test_a_start_changes_the_answer_by_rounding_only():
    far = Equilibrium(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.zeros(()), np.zeros(()))
    for t in TEMPERATURES:
        cold, warm = quantal_response(ASYMMETRIC, t), quantal_response(ASYMMETRIC, t, start=far)
        np.testing.assert_allclose(warm.row, cold.row, rtol=0, atol=1e-11)


@pytest.mark.parametrize("seed", range(10))
def test_nash_equilibria_are_those_of_the_linear_program(seed):
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 9, 2)
    A = rng.integers(-3, 4, (m, n)).astype(float) if seed % 2 else rng.normal(size=(m, n))
    program = optimize.linprog(
        np.r_[np.zeros(m), -1], np.c_[-A.T, np.ones(n)], np.zeros(n), np.r_[np.ones(m), 0][None], [1],
        [(0, None)] * m + [(None, None)],
    )  # fmt: skip
    found = nash(A)
    assert float(found.value) == pytest.approx(-program.fun, abs=1e-10)
    assert exploitability(A, found.row, found.column) <= 1e-11


def test_one_player_can_be_perfect():
    found = quantal_response(STAKES, 0.2, 0.0)
    assert found.residual <= 1e-11
    near = quantal_response(STAKES, 0.2, 1e-5)
    np.testing.assert_allclose(found.row, near.row, atol=1e-4)


def test_many_equilibria_do_no_harm():
    for A in (np.zeros((3, 2)), np.ones((4, 4)), np.array([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])):
        found = nash(A)
        assert exploitability(A, found.row, found.column) <= 1e-11


def test_matching_pennies_are_uniform_at_every_temperature():
    found = quantal_response([[1, -1], [-1, 1]], [10.0, 1.0, 0.01])
    np.testing.assert_allclose(found.row, 0.5, atol=1e-13)


def test_best_responses_and_entropy():
    assert [int(part) for part in best_responses(ASYMMETRIC, [0.5, 0.5], [0.5, 0.5])] == [0, 1]
    assert float(exploitability(ASYMMETRIC, [0.5, 0.5], [0.5, 0.5])) == 0.5
    np.testing.assert_allclose(entropy([[1.0, 0.0], [0.5, 0.5]]), [0.0, np.log(2)])


def test_a_solver_of_single_games_serves_many(host):
    class Uniform:
        def solve(self, problem, **how):
            assert isinstance(problem, MatrixGame)
            m, n = problem.payoff.shape
            value = Equilibrium(np.full(m, 1 / m), np.full(n, 1 / n), 0.0, 0.0)
            return type("Answer", (), {"value": value})

    found = equilibria(Uniform(), ASYMMETRIC, 0.1, np.array([1.0, 2.0, 3.0]))
    assert found.row.shape == (3, 2)
    np.testing.assert_allclose(found.value, 0.25)
    np.testing.assert_allclose(found.residual[0], regret(ASYMMETRIC, [0.5, 0.5], [0.5, 0.5], 0.1, 1.0))
    solver = build(host, "solvers", "quantal-response")
    np.testing.assert_array_equal(equilibria(solver, ASYMMETRIC, 0.1, 0.1).row, quantal_response(ASYMMETRIC, 0.1).row)


def test_an_answer_without_strategies_is_named():
    solver = type("Broken", (), {"solve": lambda self, problem: type("Answer", (), {"value": 3})})()
    with pytest.raises(InvalidInput, match="answers with `row` and `column`, got int"):
        equilibria(solver, ASYMMETRIC, 0.1, 0.1)


@pytest.mark.parametrize(
    ("payoff", "message"),
    [
        ([[1.0, np.nan]], "expected finite numbers, got nan"),
        ([[1.0, 2.0], [3.0]], "rows of one length"),
        ([[]], "at least one action each, got \\(1, 0\\)"),
        ([1.0, 2.0], "expected shape \\(..., m, n\\)"),
        ([["a"]], "expected an array of numbers"),
    ],
)
def test_payoffs_that_are_none_are_refused(payoff, message):
    for solve in (quantal_response, lambda A, t: mirror_ascent(A, t, t)):
        with pytest.raises(InvalidInput, match=message):
            solve(payoff, 1.0)


@pytest.mark.parametrize(
    ("t", "message"),
    [(-1.0, "at least 0 .* got -1"), (np.nan, "finite numbers, got nan"), (np.inf, "finite numbers, got inf")],
)
def test_temperatures_out_of_range_are_refused(t, message):
    with pytest.raises(InvalidInput, match=f"t2: expected .*{message}"):
        quantal_response(ASYMMETRIC, 1.0, t)


def test_other_bad_input_is_refused():
    with pytest.raises(InvalidInput, match="positive, got 0"):
        mirror_ascent(ASYMMETRIC, 0.0, 1.0)
    with pytest.raises(InvalidInput, match="positive, got 0"):
        responses(ASYMMETRIC, [0.5, 0.5], [0.5, 0.5], 0.0, 1.0)
    with pytest.raises(InvalidInput, match="do not go together"):
        quantal_response(np.zeros((3, 2, 2)), [1.0, 2.0])
    with pytest.raises(InvalidInput, match=r"the row strategy: expected shape \(..., 2\)"):
        exploitability(ASYMMETRIC, [1.0], [0.5, 0.5])
    with pytest.raises(InvalidInput, match="probabilities that sum to 1"):
        exploitability(ASYMMETRIC, [0.5, 0.6], [0.5, 0.5])
    with pytest.raises(InvalidInput, match="the path of one game"):
        equilibrium_path(ASYMMETRIC, np.ones((2, 2)))
    with pytest.raises(InvalidInput, match="`start` has strategies of shape"):
        quantal_response(ASYMMETRIC, 1.0, start=quantal_response(STAKES, 1.0))
    with pytest.raises(InvalidInput, match="`iterations` must be at least 1"):
        mirror_ascent(ASYMMETRIC, 1.0, 1.0, iterations=0)
