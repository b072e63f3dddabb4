"""The linear-quadratic game: a controller, a disturbance with a price, and what each can do about the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from heatbath.core.errors import InvalidInput
from heatbath.solvers.games.payoffs import Array, numbers, temperatures
from heatbath.solvers.games.quadratic import gaussian_entropy, positive_definite
from heatbath.solvers.games.riccati import least_solution

HIGHEST = 1e12
"""A price above it, in units of Q, is none."""
PRECISION = 1e-11
"""Relative, of the least valid price."""


@dataclass(frozen=True)
class LinearQuadraticGame:
    """x' = A x + B u + D w, r = -(x^T Q x + u^T R u - rho w^T w), discount gamma; u maximises, w minimises.

    With entropies t1 H(u) - t2 H(w) added to every reward, the equilibrium is normal, its means K_u x and K_w x do not
    depend on the temperatures, and

        P = Q + gamma A^T P A - gamma A^T P [B D] M^{-1} gamma [B D]^T P A
        M = diag(R, -rho I) + gamma [B D]^T P [B D]
        V(x) = -x^T P x + (-t1 m / 2 + t2 l / 2 + t1 H(Cov u) - t2 H(Cov w)) / (1 - gamma)

    Args:
        A, B, D: shapes `(n, n)`, `(n, m)`, `(n, l)`.
        Q: price of states, symmetric, positive semi-definite, shape `(n, n)`.
        R: price of controls, positive definite, shape `(m, m)`.
        rho: price of the disturbance, positive. The game has a value if and only if rho I > gamma D^T P D; what asks
            for it below `least_price()` is refused.
        gamma: in (0, 1).

    Raises:
        InvalidInput: for shapes that do not go together and numbers out of range.
    """

    A: Array
    B: Array
    D: Array
    Q: Array
    R: Array
    rho: float
    gamma: float

    def __post_init__(self) -> None:
        for name in ("A", "B", "D", "Q"):
            object.__setattr__(self, name, np.atleast_2d(numbers(getattr(self, name), name)))
        object.__setattr__(self, "R", positive_definite(self.R, "R"))
        n, m = len(self.A), len(self.R)
        shapes = {"A": (n, n), "B": (n, m), "D": (n, self.D.shape[1]), "Q": (n, n)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise InvalidInput(f"`{name}`: expected shape {shape}, got {getattr(self, name).shape}")
        if not np.allclose(self.Q, self.Q.T) or np.linalg.eigvalsh(self.Q).min() < -1e-12 * np.abs(self.Q).max():
            raise InvalidInput(f"`Q`: expected a symmetric matrix without negative eigenvalues, got {self.Q.tolist()}")
        if not (np.isfinite(self.rho) and self.rho > 0):
            raise InvalidInput(f"`rho`: expected a positive price of the disturbance, got {self.rho}")
        if not 0 < self.gamma < 1:
            raise InvalidInput(f"`gamma`: expected a discount between 0 and 1, got {self.gamma}")

    @cached_property
    def _solution(self) -> Array | None:
        root = np.sqrt(self.gamma)
        control = self.B @ np.linalg.solve(self.R, self.B.T)
        G = self.gamma * (control - self.D @ self.D.T / self.rho)
        return least_solution(root * self.A, G, self.Q, root * self.D, self.rho)

    @property
    def bounded(self) -> bool:
        """Whether the game has a value: no disturbance is worth more than it costs without end."""
        return self._solution is not None

    @property
    def P(self) -> Array:
        """The cost x^T P x of a start at x, without entropies, shape `(n, n)`.

        Raises:
            InvalidInput: when the disturbance is too cheap; the message has the least valid price.
        """
        if self._solution is None:
            least = self.least_price()
            if not np.isfinite(least):
                raise InvalidInput("no `rho` bounds the cost: there is a mode that no control keeps from growing")
            raise InvalidInput(
                f"`rho` = {self.rho:g} leaves the disturbance unbounded; the game has a value above {least:.6g}"
            )
        return self._solution

    @cached_property
    def feedback(self) -> tuple[Array, Array]:
        """K_u and K_w, shapes `(m, n)` and `(l, n)`: the mean actions u = K_u x, w = K_w x. Raises as `P` does."""
        inputs, m = np.hstack([self.B, self.D]), len(self.R)
        price = -self.rho * np.eye(inputs.shape[1])
        price[:m, :m] = self.R
        price = price + self.gamma * inputs.T @ self.P @ inputs
        joint = np.asarray(-np.linalg.solve(price, self.gamma * inputs.T @ self.P @ self.A))
        return joint[:m], joint[m:]

    def covariances(self, t1: float, t2: float) -> tuple[Array, Array]:
        """Cov u = t1/2 (R + gamma B^T P B)^{-1} and Cov w = t2/2 (rho I - gamma D^T P D)^{-1}. Raises as `P` does."""
        heat1, heat2 = float(temperatures(t1, "t1")), float(temperatures(t2, "t2"))
        margin = self.rho * np.eye(self.D.shape[1]) - self.gamma * self.D.T @ self.P @ self.D
        control = self.R + self.gamma * self.B.T @ self.P @ self.B
        cov_u = np.asarray(heat1 / 2 * np.linalg.inv(control))
        cov_w = np.asarray(heat2 / 2 * np.linalg.inv(margin))
        return cov_u, cov_w

    def value(self, x: ArrayLike, t1: float, t2: float) -> float:
        """V(x), entropies in nats; t1 and t2 positive. Raises as `P` does."""
        temperatures([t1, t2], "the temperatures", positive=True)
        cov_u, cov_w = self.covariances(t1, t2)
        constant = t1 * (gaussian_entropy(cov_u) - len(cov_u) / 2) - t2 * (gaussian_entropy(cov_w) - len(cov_w) / 2)
        return -self.cost(x) + constant / (1 - self.gamma)

    def cost(self, x: ArrayLike) -> float:
        """x^T P x, what a start at x, shape `(n,)`, costs the controller when both play well. Raises as `P` does."""
        start = numbers(x, "x")
        if start.shape != (len(self.A),):
            raise InvalidInput(f"`x`: expected shape ({len(self.A)},), got {start.shape}")
        return float(start @ self.P @ start)

    def horizon_costs(self, x: ArrayLike, steps: int) -> Array:
        """The same with 1 .. `steps` steps to go, shape `(steps,)`; inf from where the disturbance is unbounded on."""
        start, root = numbers(x, "x"), np.sqrt(self.gamma)
        F, D, P, costs = root * self.A, root * self.D, np.zeros_like(self.Q), np.full(steps, np.inf)
        G = self.gamma * (self.B @ np.linalg.solve(self.R, self.B.T) - self.D @ self.D.T / self.rho)
        for step in range(steps):
            if np.linalg.eigvalsh(self.rho * np.eye(D.shape[1]) - D.T @ P @ D).min() <= 0:
                break
            P = self.Q + F.T @ P @ np.linalg.solve(np.eye(len(F)) + G @ P, F)
            costs[step] = start @ P @ start
        return costs

    def with_gain(self, K: ArrayLike) -> LinearQuadraticGame:
        """The game in which the control is u = K x, shape `(m, n)`, and only the disturbance has a choice."""
        gain = np.atleast_2d(numbers(K, "K"))
        if gain.shape != self.B.shape[::-1]:
            raise InvalidInput(f"`K`: expected shape {self.B.shape[::-1]}, got {gain.shape}")
        Q = self.Q + gain.T @ self.R @ gain
        return replace(self, A=self.A + self.B @ gain, B=np.zeros_like(self.B), Q=(Q + Q.T) / 2)

    def worst_cost(self, x: ArrayLike, K: ArrayLike) -> float:
        """What u = K x costs from x against the disturbance that is worst for it; inf where that is unbounded."""
        alone = self.with_gain(K)
        return alone.cost(x) if alone.bounded else np.inf

    def undisturbed(self) -> LinearQuadraticGame:
        """The same plant without disturbance; its feedback is the linear-quadratic regulator."""
        return replace(self, D=np.zeros_like(self.D))

    def regulator(self) -> Array:
        """The gain of the linear-quadratic regulator, which knows of no disturbance, shape `(m, n)`."""
        return self.undisturbed().feedback[0]

    def nominal_cost(self, x: ArrayLike, K: ArrayLike) -> float:
        """What u = K x costs from x where nothing disturbs; inf where it grows without bound."""
        return self.undisturbed().worst_cost(x, K)

    def least_price(self) -> float:
        """The price down to which the game has a value, by bisection; inf where no price is enough. Rounding
        in the double root that is there moves it by some 1e-9 of itself.

        For a fixed gain (`with_gain`) it is the square of the closed loop's largest gain over all frequencies.
        """
        if not self.undisturbed().bounded:
            return np.inf
        unit = max(float(np.abs(self.Q).max()), 1e-300) * max(float(np.abs(self.D).max()) ** 2, 1e-300)
        low, high = 0.0, unit
        while not replace(self, rho=high).bounded:
            low, high = high, 4 * high
            if high > HIGHEST * unit:
                return np.inf
        while high - low > PRECISION * high and high > unit / HIGHEST:
            middle = np.sqrt(low * high) if low > 0 else high / 4
            low, high = (low, middle) if replace(self, rho=float(middle)).bounded else (middle, high)
        return float(high)
