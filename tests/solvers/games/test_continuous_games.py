"""Quadratic, linear-quadratic and Markov games: closed forms, saddles, simulation, frequencies. Check 4."""

from dataclasses import replace

import numpy as np
import pytest

from heatbath.core.errors import InvalidInput
from heatbath.solvers.games import LinearQuadraticGame, MarkovGame, QuadraticGame, gaussian_entropy, quantal_response

FACTORS = (0.9, 1.1)


def cart(rho, **other):
    push = np.array([[0.0], [0.05]])
    how = {"A": [[1.0, 0.05], [0.0, 1.0]], "B": push, "D": push, "Q": np.diag([1.0, 0.1]), "R": [[0.1]], "gamma": 0.99}
    return LinearQuadraticGame(**{**how, **other}, rho=rho)


def skew_cart():
    return cart(2.0, A=[[1.0, 0.1], [0.0, 0.95]], B=[[0.0], [0.1]], D=[[0.05], [0.1]], gamma=0.95)


def two_forces():
    rng = np.random.default_rng(3)
    A = rng.normal(size=(3, 3)) / 2.5
    return LinearQuadraticGame(A, rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), np.eye(3), np.eye(2), 40.0, 0.9)


# A quadratic game


def test_the_golden_quadratic_game():
    pair = QuadraticGame(R=4, S=5, C=2, g=1, h=-0.5).equilibrium(0.05, 0.05)
    np.testing.assert_allclose((pair.mean_a[0], pair.mean_b[0]), (0.25, 0.0), atol=1e-15)
    np.testing.assert_allclose(np.sqrt((pair.covariance_a[0, 0], pair.covariance_b[0, 0])), (0.1118, 0.1), atol=5e-5)


def test_the_quadratic_equilibrium_is_a_saddle():
    rng = np.random.default_rng(0)
    R, S = (W @ W.T + np.eye(len(W)) for W in (rng.normal(size=(3, 3)), rng.normal(size=(2, 2))))
    game = QuadraticGame(R, S, rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=2))
    pair = game.equilibrium(0.3, 0.7)
    best = game.objective(pair, 0.3, 0.7)
    for factor in FACTORS:
        assert game.objective(pair._replace(mean_a=factor * pair.mean_a), 0.3, 0.7) < best
        assert game.objective(pair._replace(covariance_a=factor * pair.covariance_a), 0.3, 0.7) < best
        assert game.objective(pair._replace(mean_b=factor * pair.mean_b), 0.3, 0.7) > best
        assert game.objective(pair._replace(covariance_b=factor * pair.covariance_b), 0.3, 0.7) > best


def test_a_quadratic_game_on_a_grid_is_a_matrix_game():
    """The laws on a fine grid have the means and variances of the normal ones."""
    game = QuadraticGame(R=4, S=5, C=2, g=1, h=-0.5)
    grid = np.linspace(-1.5, 1.5, 61)
    A = game.payoff(grid[:, None, None], grid[None, :, None])
    found, pair = quantal_response(A, 0.05, 0.1), game.equilibrium(0.05, 0.1)
    for law, mean, covariance in ((found.row, *pair[:2]), (found.column, *pair[2:])):
        assert law @ grid == pytest.approx(mean[0], abs=1e-9)
        assert law @ (grid - mean[0]) ** 2 == pytest.approx(covariance[0, 0], rel=1e-6)


def test_quadratic_games_that_are_none_are_refused():
    with pytest.raises(InvalidInput, match="`R`: expected a positive definite matrix, its least eigenvalue is -1"):
        QuadraticGame(R=-1, S=1, C=0, g=0, h=0)
    with pytest.raises(InvalidInput, match="`S`: expected a symmetric matrix"):
        QuadraticGame(R=1, S=[[1, 2], [0, 1]], C=[[0, 0]], g=0, h=[0, 0])
    with pytest.raises(InvalidInput, match=r"`C`: expected shape \(1, 1\), got \(1, 2\)"):
        QuadraticGame(R=1, S=1, C=[[0, 0]], g=0, h=0)
    with pytest.raises(InvalidInput, match=r"t1: .*got -1"):
        QuadraticGame(R=1, S=1, C=0, g=0, h=0).equilibrium(-1, 1)


# The linear-quadratic game


def objective(game, x, feedback, covariances, t1, t2, horizon=2000):
    """Discounted return with entropies of linear Gaussian policies, by the second moment of x."""
    (k_u, k_w), (cov_u, cov_w) = feedback, covariances
    closed, moment, total = game.A + game.B @ k_u + game.D @ k_w, np.outer(x, x), 0.0
    bonus = t1 * gaussian_entropy(cov_u) - t2 * gaussian_entropy(cov_w)
    noise = game.B @ cov_u @ game.B.T + game.D @ cov_w @ game.D.T
    for step in range(horizon):
        spent = np.sum(game.Q * moment) + np.sum(game.R * (k_u @ moment @ k_u.T + cov_u))
        earned = game.rho * np.trace(k_w @ moment @ k_w.T + cov_w)
        total += game.gamma**step * (earned - spent + bonus)
        moment = closed @ moment @ closed.T + noise
    return total


@pytest.mark.parametrize("game", [cart(0.2), skew_cart(), two_forces()])
def test_the_linear_quadratic_value_is_a_saddle(game):
    t1, t2 = 0.05, 0.02
    x = np.linspace(1.0, -0.5, len(game.A))
    (k_u, k_w), (cov_u, cov_w) = game.feedback, game.covariances(t1, t2)
    value = game.value(x, t1, t2)
    assert objective(game, x, (k_u, k_w), (cov_u, cov_w), t1, t2) == pytest.approx(value, rel=1e-6)
    for factor in FACTORS:
        assert objective(game, x, (factor * k_u, k_w), (cov_u, cov_w), t1, t2) < value
        assert objective(game, x, (k_u, k_w), (factor * cov_u, cov_w), t1, t2) < value
        assert objective(game, x, (k_u, factor * k_w), (cov_u, cov_w), t1, t2) > value
        assert objective(game, x, (k_u, k_w), (cov_u, factor * cov_w), t1, t2) > value


def test_the_value_is_what_simulation_gives():
    """Monte Carlo within three standard errors: a false alarm once in 370 seeds, and this seed is fixed."""
    game, t1, t2, x = skew_cart(), 0.05, 0.02, np.array([1.0, -0.5])
    rng, episodes = np.random.default_rng(0), 4000
    (k_u, k_w), (cov_u, cov_w) = game.feedback, game.covariances(t1, t2)
    bonus = t1 * gaussian_entropy(cov_u) - t2 * gaussian_entropy(cov_w)
    states, returns = np.tile(x, (episodes, 1)), np.zeros(episodes)
    for step in range(250):
        u = states @ k_u.T + rng.normal(size=(episodes, 1)) * np.sqrt(cov_u[0, 0])
        w = states @ k_w.T + rng.normal(size=(episodes, 1)) * np.sqrt(cov_w[0, 0])
        cost = ((states @ game.Q) * states).sum(1) + game.R[0, 0] * u[:, 0] ** 2 - game.rho * w[:, 0] ** 2
        returns += game.gamma**step * (bonus - cost)
        states = states @ game.A.T + u @ game.B.T + w @ game.D.T
    error = returns.std(ddof=1) / np.sqrt(episodes)
    assert abs(returns.mean() - game.value(x, t1, t2)) <= 3 * error


def test_the_riccati_equation_holds():
    for game in (cart(0.2), cart(0.106), skew_cart(), two_forces()):
        inputs, m = np.hstack([game.B, game.D]), len(game.R)
        M = -game.rho * np.eye(inputs.shape[1])
        M[:m, :m] = game.R
        M += game.gamma * inputs.T @ game.P @ inputs
        coupling = game.gamma * inputs.T @ game.P @ game.A
        again = game.Q + game.gamma * game.A.T @ game.P @ game.A - coupling.T @ np.linalg.solve(M, coupling)
        np.testing.assert_allclose(again, game.P, rtol=1e-9, atol=1e-9)
        assert (
            np.linalg.eigvalsh(game.rho * np.eye(game.D.shape[1]) - game.gamma * game.D.T @ game.P @ game.D).min() > 0
        )


def test_the_robust_gain_is_bounded_where_the_regulator_is_not():
    game, x = cart(0.2), [1.0, 0.0]
    vanilla, robust = game.regulator(), game.feedback[0]
    np.testing.assert_allclose(vanilla, [[-2.711, -2.489]], atol=5e-4)
    np.testing.assert_allclose(robust, [[-3.825, -4.050]], atol=5e-4)
    assert game.nominal_cost(x, vanilla) == pytest.approx(16.70, abs=5e-3)
    assert game.nominal_cost(x, robust) == pytest.approx(17.24, abs=5e-3)
    assert game.worst_cost(x, robust) == pytest.approx(19.04, abs=5e-3)
    assert game.worst_cost(x, robust) == pytest.approx(game.cost(x), rel=1e-9)
    assert game.worst_cost(x, vanilla) == np.inf
    assert cart(0.25).worst_cost(x, vanilla) == pytest.approx(19.79, abs=5e-3)


def test_no_gain_is_better_than_the_games_in_the_worst_case():
    game, x, rng = cart(0.2), [1.0, 0.0], np.random.default_rng(0)
    for _ in range(50):
        gain = game.feedback[0] * (1 + 0.2 * rng.normal(size=(1, 2)))
        assert game.worst_cost(x, gain) >= game.cost(x) - 1e-9


def largest_gain(game):
    """Squared, over all frequencies: sup |Q^(1/2) (z - sqrt(gamma) A)^(-1) sqrt(gamma) D|^2 on the unit circle."""
    z = np.exp(1j * np.linspace(0, np.pi, 20_001))[:, None, None]
    output, root = np.linalg.cholesky(game.Q).T, np.sqrt(game.gamma)
    through = np.linalg.solve(
        z * np.eye(len(game.A)) - root * game.A, np.broadcast_to(root * game.D, (len(z), *game.D.shape))
    )
    return float((np.linalg.norm(output @ through, 2, axis=(1, 2)) ** 2).max())


@pytest.mark.parametrize("game", [cart(0.2), skew_cart(), two_forces()])
def test_the_least_price_is_that_of_the_largest_gain_over_frequencies(game):
    for gain in (game.regulator(), game.feedback[0]):
        alone = game.with_gain(gain)
        least, known = alone.least_price(), largest_gain(alone)
        assert least == pytest.approx(known, rel=1e-5)
        assert replace(alone, rho=known * 1.001).bounded
        assert not replace(alone, rho=known * 0.999).bounded


def test_costs_at_finite_horizons():
    game, x = cart(0.2), [1.0, 0.0]
    robust = game.with_gain(game.feedback[0]).horizon_costs(x, 600)
    assert (np.diff(robust) >= -1e-12).all()
    assert robust[-1] == pytest.approx(game.cost(x), rel=1e-6)
    vanilla = game.with_gain(game.regulator()).horizon_costs(x, 100)
    assert np.isfinite(vanilla[:40]).all()
    assert np.isinf(vanilla[-1])


def test_a_price_too_low_is_refused_with_the_least_valid_one():
    with pytest.raises(InvalidInput, match=r"`rho` = 0.1 leaves the disturbance unbounded; .* value above 0\.10518"):
        cart(0.1).cost([1.0, 0.0])
    assert not cart(0.10517).bounded
    assert cart(0.10519).bounded


def test_a_plant_that_nobody_can_hold_is_refused():
    loose = cart(1.0, A=[[1.2, 0.0], [0.0, 0.5]])
    assert loose.least_price() == np.inf
    with pytest.raises(InvalidInput, match="no `rho` bounds the cost"):
        loose.feedback  # noqa: B018
    assert cart(0.2).nominal_cost([1.0, 0.0], [[5.0, 5.0]]) == np.inf


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rho": 0.0}, "`rho`: expected a positive price"),
        ({"rho": np.nan}, "`rho`: expected a positive price"),
        ({"gamma": 1.0}, "`gamma`: expected a discount between 0 and 1, got 1.0"),
        ({"B": [[1.0]]}, r"`B`: expected shape \(2, 1\), got \(1, 1\)"),
        ({"Q": [[1.0, 0.0], [0.0, -1.0]]}, "`Q`: expected a symmetric matrix without negative eigenvalues"),
        ({"R": [[0.0]]}, "`R`: expected a positive definite matrix"),
        ({"A": [[np.nan, 0.0], [0.0, 1.0]]}, "A: expected finite numbers, got nan"),
    ],
)
def test_linear_quadratic_games_that_are_none_are_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        replace(cart(0.2), **changes)


def test_what_a_linear_quadratic_game_is_asked_wrongly():
    game = cart(0.2)
    with pytest.raises(InvalidInput, match=r"`x`: expected shape \(2,\), got \(3,\)"):
        game.cost([1.0, 0.0, 0.0])
    with pytest.raises(InvalidInput, match=r"`K`: expected shape \(1, 2\), got \(1, 1\)"):
        game.worst_cost([1.0, 0.0], [[1.0]])
    with pytest.raises(InvalidInput, match="the temperatures: expected temperatures that are positive, got 0"):
        game.value([1.0, 0.0], 0.0, 1.0)


# Markov games on tables


def small_game(gamma=0.9, seed=0):
    rng = np.random.default_rng(seed)
    return MarkovGame(rng.normal(size=(3, 2, 3)), rng.dirichlet(np.ones(3), (3, 2, 3)), gamma)


@pytest.mark.parametrize("temperatures", [(1.0, 1.0), (0.1, 0.1), (0.05, 1.0), (0.01, 0.01)])
def test_the_markov_equilibrium_is_a_fixed_point_and_a_saddle(temperatures):
    game = small_game()
    found = game.equilibrium(*temperatures)
    np.testing.assert_allclose(game.evaluate(found.row, found.column, *temperatures), found.value, atol=1e-9)
    again = quantal_response(game.action_values(found.value), *temperatures)
    np.testing.assert_allclose(again.row, found.row, atol=1e-9)
    rng = np.random.default_rng(1)
    for _ in range(20):
        row, column = rng.dirichlet(np.ones(2), 3), rng.dirichlet(np.ones(3), 3)
        mixed = [0.9 * found.row + 0.1 * row, 0.9 * found.column + 0.1 * column]
        assert (game.evaluate(mixed[0], found.column, *temperatures) <= found.value + 1e-9).all()
        assert (game.evaluate(found.row, mixed[1], *temperatures) >= found.value - 1e-9).all()


def test_markov_exploitability_vanishes_with_the_temperature():
    game, gains = small_game(), []
    for t in (1.0, 0.3, 0.1, 0.03, 0.01, 0.0):
        found = game.equilibrium(t, t)
        gains.append(game.exploitability(found.row, found.column).max())
    assert all(np.diff(gains) < 0)
    assert abs(gains[-1]) < 1e-9


def test_a_game_without_a_future_is_its_matrix_games():
    game = small_game(gamma=0.0)
    found, matrices = game.equilibrium(0.1, 0.2), quantal_response(game.reward, 0.1, 0.2)
    np.testing.assert_allclose(found.row, matrices.row, atol=1e-12)
    assert found.iterations == 2


def test_markov_games_that_are_none_are_refused():
    game = small_game()
    with pytest.raises(InvalidInput, match="expected a reward of shape"):
        MarkovGame(game.reward[0], game.transition, 0.9)
    with pytest.raises(InvalidInput, match="probabilities of the next state"):
        MarkovGame(game.reward, 2 * game.transition, 0.9)
    with pytest.raises(InvalidInput, match="`gamma`: expected a discount in"):
        replace(game, gamma=1.0)
    with pytest.raises(InvalidInput, match="policies for 3 states"):
        game.evaluate(np.full((2, 2), 0.5), np.full((3, 3), 1 / 3))
    with pytest.raises(InvalidInput, match="`iterations`"):
        game.equilibrium(1.0, 1.0, iterations=0)
