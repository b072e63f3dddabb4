"""Zero-sum games and their quantal response equilibria: matrices, quadratic, linear-quadratic, Markov games on tables.

All in numpy and float64, on their own, without a run. Entropies are in nats.

>>> from heatbath.solvers.games import exploitability, quantal_response
>>> A = [[2, -1], [-1, 1]]
>>> found = quantal_response(A, [1.0, 0.1, 0.0])
>>> exploitability(A, found.row, found.column).round(4).tolist()
[0.1955, 0.0322, 0.0]

Public names are imported when first asked for, so that a plugin's entry module stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heatbath.core.lazy import lazily

if TYPE_CHECKING:
    from heatbath.solvers.games.equilibrium import equilibrium_path, nash, quantal_response
    from heatbath.solvers.games.linear_quadratic import LinearQuadraticGame
    from heatbath.solvers.games.markov import MarkovEquilibrium, MarkovGame
    from heatbath.solvers.games.mirror import mirror_ascent
    from heatbath.solvers.games.quadratic import GaussianPair, QuadraticGame, gaussian_entropy
    from heatbath.solvers.games.solvers import equilibria
    from heatbath.solvers.games.strategies import (
        Equilibrium,
        best_responses,
        entropy,
        exploitability,
        regret,
        responses,
    )

_HOMES = {
    "Equilibrium": "strategies",
    "GaussianPair": "quadratic",
    "LinearQuadraticGame": "linear_quadratic",
    "MarkovEquilibrium": "markov",
    "MarkovGame": "markov",
    "QuadraticGame": "quadratic",
    "best_responses": "strategies",
    "entropy": "strategies",
    "equilibria": "solvers",
    "equilibrium_path": "equilibrium",
    "exploitability": "strategies",
    "gaussian_entropy": "quadratic",
    "mirror_ascent": "mirror",
    "nash": "equilibrium",
    "quantal_response": "equilibrium",
    "regret": "strategies",
    "responses": "strategies",
}

__all__ = [
    "Equilibrium",
    "GaussianPair",
    "LinearQuadraticGame",
    "MarkovEquilibrium",
    "MarkovGame",
    "QuadraticGame",
    "best_responses",
    "entropy",
    "equilibria",
    "equilibrium_path",
    "exploitability",
    "gaussian_entropy",
    "mirror_ascent",
    "nash",
    "quantal_response",
    "regret",
    "responses",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
