"""Markov games with entropies, on tables: the fixed point of soft Shapley iteration, and best answers to a policy.

Q(s, a, b) = r(s, a, b) + gamma sum_s' P(s' | s, a, b) V(s')
V(s) = the value, with entropies, of the matrix game Q(s, ., .) at temperatures t1, t2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from heatbath.core.errors import InvalidInput
from heatbath.solvers.games.equilibrium import quantal_response
from heatbath.solvers.games.payoffs import TOLERANCE, Array, numbers, payoffs, strategy, temperatures
from heatbath.solvers.games.strategies import Equilibrium, entropy


class MarkovEquilibrium(NamedTuple):
    """Policies `row`, shape `(S, m)`, and `column`, `(S, n)`; `value` with entropies, `(S,)`; `residual`, the largest
    |V - T V|, of which the distance to the fixed point is at most gamma / (1 - gamma) times as much."""

    row: Array
    column: Array
    value: Array
    residual: float
    iterations: int


@dataclass(frozen=True)
class MarkovGame:
    """A discounted zero-sum game of simultaneous moves on S states.

    Args:
        reward: r, what the row player gets, shape `(S, m, n)`.
        transition: P(s' | s, a, b), shape `(S, m, n, S)`.
        gamma: discount, in [0, 1).

    Raises:
        InvalidInput: for shapes that do not go together, or rows of `transition` that are no probabilities.
    """

    reward: Array
    transition: Array
    gamma: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "reward", payoffs(self.reward, "the reward"))
        object.__setattr__(self, "transition", numbers(self.transition, "the transition"))
        shape = self.reward.shape
        if len(shape) != 3 or self.transition.shape != (*shape, shape[0]):
            raise InvalidInput(
                "expected a reward of shape (S, m, n) and a transition of shape (S, m, n, S), got "
                f"{shape} and {self.transition.shape}"
            )
        if self.transition.min() < 0 or np.abs(self.transition.sum(-1) - 1).max() > TOLERANCE:
            raise InvalidInput("the transition: expected probabilities of the next state that sum to 1")
        if not 0 <= self.gamma < 1:
            raise InvalidInput(f"`gamma`: expected a discount in [0, 1), got {self.gamma}")

    def action_values(self, value: Array) -> Array:
        """Q from V, shapes `(S,)` to `(S, m, n)`."""
        return np.asarray(self.reward + self.gamma * self.transition @ value)

    def equilibrium(
        self, t1: float, t2: float, *, tolerance: float = 1e-12, iterations: int = 100_000
    ) -> MarkovEquilibrium:
        """The quantal response equilibrium, by soft Shapley iteration; at temperatures 0 a Nash equilibrium.

        The iteration contracts by gamma; each is begun from the equilibria of the one before.

        Args:
            t1, t2: temperatures of row and column player, in the unit of the rewards.
            tolerance: of the residual, relative to the largest value.
            iterations: at which to give up; the residual says how far it came.

        Raises:
            InvalidInput: for temperatures that are negative or not finite, or no iterations.
        """
        heat1, heat2 = float(temperatures(t1, "t1")), float(temperatures(t2, "t2"))
        if iterations < 1:
            raise InvalidInput(f"`iterations` must be at least 1, got {iterations}")
        value, found, done = np.zeros(len(self.reward)), None, 0
        while done < iterations:
            found = quantal_response(self.action_values(value), heat1, heat2, start=found)
            improved = found.value + heat1 * entropy(found.row) - heat2 * entropy(found.column)
            residual = float(np.abs(improved - value).max())
            value, done = improved, done + 1
            if residual <= tolerance * max(1.0, float(np.abs(value).max())):
                break
        assert isinstance(found, Equilibrium)
        return MarkovEquilibrium(found.row, found.column, value, residual, done)

    def evaluate(self, row: ArrayLike, column: ArrayLike, t1: float = 0.0, t2: float = 0.0) -> Array:
        """V of two policies, entropies counted at temperatures, shape `(S,)`.

        Raises:
            InvalidInput: for policies that are none.
        """
        mu, nu = self._policies(row, column)
        both = mu[:, :, None] * nu[:, None, :]
        reward = (both * self.reward).sum((1, 2)) + t1 * entropy(mu) - t2 * entropy(nu)
        moves = np.einsum("sab,sabz->sz", both, self.transition)
        return np.asarray(np.linalg.solve(np.eye(len(moves)) - self.gamma * moves, reward))

    def exploitability(self, row: ArrayLike, column: ArrayLike) -> Array:
        """max over row policies of V(., column) less min over column policies of V(row, .), shape `(S,)`.

        Best answers are found by policy iteration, exactly, without entropies.

        Raises:
            InvalidInput: for policies that are none.
        """
        mu, nu = self._policies(row, column)
        against_column = _best_value(
            np.einsum("sab,sb->sa", self.reward, nu), np.einsum("sabz,sb->saz", self.transition, nu), self.gamma
        )
        against_row = _best_value(
            -np.einsum("sab,sa->sb", self.reward, mu), np.einsum("sabz,sa->sbz", self.transition, mu), self.gamma
        )
        return against_column + against_row

    def _policies(self, row: ArrayLike, column: ArrayLike) -> tuple[Array, Array]:
        states, m, n = self.reward.shape
        mu, nu = strategy(row, m, "the row policy"), strategy(column, n, "the column policy")
        if len(mu) != states or len(nu) != states:
            raise InvalidInput(f"expected policies for {states} states, got {mu.shape} and {nu.shape}")
        return mu, nu


def _best_value(reward: Array, transition: Array, gamma: float) -> Array:
    """Of a Markov decision process, by Howard's policy iteration: shapes `(S, a)`, `(S, a, S)` to `(S,)`."""
    states = np.arange(len(reward))
    policy = reward.argmax(1)
    while True:
        moves = transition[states, policy]
        value = np.linalg.solve(np.eye(len(states)) - gamma * moves, reward[states, policy])
        worth = reward + gamma * transition @ value
        better = worth.argmax(1)
        gain = worth[states, better] - worth[states, policy]
        if gain.max() <= 1e-12 * max(1.0, float(np.abs(worth).max())):
            return np.asarray(value)
        policy = np.where(gain > 0, better, policy)
