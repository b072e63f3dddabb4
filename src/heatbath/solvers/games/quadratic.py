"""A quadratic game of continuous actions, whose quantal response equilibrium is Gaussian."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from heatbath.core.errors import InvalidInput
from heatbath.solvers.games.payoffs import Array, numbers, temperatures


class GaussianPair(NamedTuple):
    """Normal laws of a, mean `(m,)` and covariance `(m, m)`, and of b, `(n,)` and `(n, n)`."""

    mean_a: Array
    covariance_a: Array
    mean_b: Array
    covariance_b: Array


class QuadraticGame:
    """f(a, b) = -a^T R a / 2 + a^T C b + b^T S b / 2 + g^T a + h^T b; a maximises, b minimises.

    The equilibrium of E f + t1 H(a) - t2 H(b) is normal: its means solve R a = C b + g, S b = -C^T a - h at every
    temperature, its covariances are t1 R^{-1} and t2 S^{-1}.

    Args:
        R: curvature for a, positive definite, shape `(m, m)`; a number for one action.
        S: for b, shape `(n, n)`.
        C: coupling, shape `(m, n)`.
        g, h: slopes, shapes `(m,)` and `(n,)`.

    Raises:
        InvalidInput: for matrices that are not symmetric and positive definite, or shapes that do not go together.

    >>> game = QuadraticGame(R=4, S=5, C=2, g=1, h=-0.5)
    >>> pair = game.equilibrium(0.05, 0.05)
    >>> float(pair.mean_a[0]), round(float(pair.covariance_a[0, 0]), 6)
    (0.25, 0.0125)
    """

    def __init__(self, R: ArrayLike, S: ArrayLike, C: ArrayLike, g: ArrayLike, h: ArrayLike) -> None:
        self.R, self.S = positive_definite(R, "R"), positive_definite(S, "S")
        m, n = len(self.R), len(self.S)
        self.C = _shaped(np.atleast_2d(numbers(C, "C")), (m, n), "C")
        self.g = _shaped(np.atleast_1d(numbers(g, "g")), (m,), "g")
        self.h = _shaped(np.atleast_1d(numbers(h, "h")), (n,), "h")

    def equilibrium(self, t1: float, t2: float) -> GaussianPair:
        """The quantal response equilibrium; at temperature 0 the saddle point, with covariances 0.

        Raises:
            InvalidInput: for temperatures that are negative or not finite.
        """
        heat1, heat2 = float(temperatures(t1, "t1")), float(temperatures(t2, "t2"))
        system = np.block([[self.R, -self.C], [self.C.T, self.S]])
        means = np.linalg.solve(system, np.concatenate([self.g, -self.h]))
        m = len(self.R)
        spread1, spread2 = (np.asarray(heat * np.linalg.inv(W)) for heat, W in ((heat1, self.R), (heat2, self.S)))
        return GaussianPair(means[:m], spread1, means[m:], spread2)

    def payoff(self, a: ArrayLike, b: ArrayLike) -> Array:
        """f, actions of shapes `(..., m)` and `(..., n)`."""
        x, y = np.atleast_1d(numbers(a, "a")), np.atleast_1d(numbers(b, "b"))
        curved = -((x @ self.R) * x).sum(-1) / 2 + ((x @ self.C) * y).sum(-1) + ((y @ self.S) * y).sum(-1) / 2
        return np.asarray(curved + x @ self.g + y @ self.h)

    def objective(self, pair: GaussianPair, t1: float, t2: float) -> float:
        """E f + t1 H(a) - t2 H(b) of normal strategies that are drawn apart, in nats times temperature."""
        spread = np.sum(self.S * pair.covariance_b) / 2 - np.sum(self.R * pair.covariance_a) / 2
        entropies = t1 * gaussian_entropy(pair.covariance_a) - t2 * gaussian_entropy(pair.covariance_b)
        return float(self.payoff(pair.mean_a, pair.mean_b) + spread + entropies)


def positive_definite(matrix: ArrayLike, name: str) -> Array:
    """A symmetric positive definite matrix as float64; a number is one of size 1.

    Raises:
        InvalidInput: when it is not.
    """
    array = np.atleast_2d(numbers(matrix, name))
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not np.allclose(array, array.T, rtol=1e-9, atol=0.0):
        raise InvalidInput(f"`{name}`: expected a symmetric matrix, got shape {array.shape}: {array.tolist()}")
    least = float(np.linalg.eigvalsh(array).min())
    if least <= 0:
        raise InvalidInput(f"`{name}`: expected a positive definite matrix, its least eigenvalue is {least:.3g}")
    return array


def gaussian_entropy(covariance: Array) -> float:
    """ln det(2 pi e Sigma) / 2, in nats.

    >>> round(gaussian_entropy(np.eye(1)), 6)
    1.418939
    """
    sign, logarithm = np.linalg.slogdet(2 * np.pi * np.e * covariance)
    return float(logarithm / 2) if sign > 0 else -np.inf


def _shaped(array: Array, shape: tuple[int, ...], name: str) -> Array:
    if array.shape != shape:
        raise InvalidInput(f"`{name}`: expected shape {shape}, got {array.shape}")
    return array
