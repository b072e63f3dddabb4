"""The gain of a linear-quadratic game against the linear-quadratic regulator, under the disturbance worst for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator, Tensor

from heatbath.core.build import Setup
from heatbath.core.contracts import Clock
from heatbath.core.errors import InvalidInput
from heatbath.plugins.qarl import options as opt
from heatbath.solvers.games import LinearQuadraticGame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
JUST_ABOVE = 1.002
"""The lowest price of a run, as a multiple of the least at which the game has a value."""


class LinearQuadratic:
    """Costs of three gains at falling prices of the disturbance; a step is one price.

    The gains are the regulator's (`lqr`), that of the game at the price rho (`robust`), and that of the game at the
    price of the step (`game`), which no gain can beat there. A step has no metric for a worst cost without bound.

    Metrics of an evaluation, of the robust gain at the price rho: `cost_nominal` without disturbance, `cost_worst`
    under the worst, `bounded` (1 or 0), `least_price`, down to which the worst cost is bounded, `value` of the start
    with entropies, and `spread_control`, `spread_disturbance`, standard deviations of the equilibrium's actions.

    Raises:
        InvalidInput: for a price `rho` at which the game has no value, or a `dearest` below the cheapest.
    """

    def __init__(self, options: opt.LinearQuadratic, setup: Setup) -> None:
        self.options, self.start = options, np.array(options.start)
        self.game = plant(options, options.rho)
        self.gains = {"lqr": self.game.regulator(), "robust": self.game.feedback[0]}
        self.cheapest = self.game.least_price() * JUST_ABOVE
        if options.dearest < self.cheapest:
            raise InvalidInput(
                f"`dearest` = {options.dearest:g} is below {self.cheapest:.6g}, the price at which the run ends, just "
                "above the least at which the game has a value"
            )
        self.rows: list[dict[str, float]] = []

    def price(self, clock: Clock) -> float:
        """From the dearest to the cheapest, geometrically."""
        share = clock.step / max(clock.total - 1, 1)
        return float(self.options.dearest ** (1 - share) * self.cheapest**share)

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """One price."""
        price = self.price(clock)
        game = plant(self.options, price)
        row = {"rho": price, "cost_worst_game": game.cost(self.start)}
        row["cost_nominal_game"] = game.nominal_cost(self.start, game.feedback[0])
        for name, gain in self.gains.items():
            cost = game.worst_cost(self.start, gain)
            row[f"bounded_{name}"] = float(np.isfinite(cost))
            if np.isfinite(cost):
                row[f"cost_worst_{name}"] = cost
        self.rows.append(row)
        return dict(row)

    def _measures(self, gain: Array) -> dict[str, float]:
        worst = self.game.worst_cost(self.start, gain)
        return {
            "cost_nominal": self.game.nominal_cost(self.start, gain),
            "cost_worst": worst,
            "bounded": float(np.isfinite(worst)),
            "least_price": self.game.with_gain(gain).least_price(),
        }

    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """At the price rho."""
        t1, t2 = self.options.temperatures
        cov_u, cov_w = self.game.covariances(t1, t2)
        return {
            **self._measures(self.gains["robust"]),
            "value": self.game.value(self.start, t1, t2),
            "spread_control": float(np.sqrt(cov_u[0, 0])),
            "spread_disturbance": float(np.sqrt(cov_w[0, 0])),
        }

    def references(self) -> dict[str, dict[str, float | None]]:
        """The regulator, which knows of no disturbance; a worst cost without bound is left empty."""
        return {"LQR": {**self._measures(self.gains["lqr"])}}

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.qarl import linear_quadratic_figures as figures  # matplotlib is an extra

        nominal = {name: self.game.nominal_cost(self.start, gain) for name, gain in self.gains.items()}
        return {
            "costs": lambda: figures.costs(self.rows, nominal, self.game, self.gains, self.start),
            "trajectories": lambda: figures.trajectories(self.game, self.gains, self.start, self.options.time_step),
            "spread": lambda: figures.spread(self.game, self.start, self.options.temperatures),
        }

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [dict(row) for row in state["rows"]]


def plant(options: opt.LinearQuadratic, rho: float) -> LinearQuadraticGame:
    """A cart of unit mass on a track, position and speed, pushed by control and disturbance alike; Euler's steps.

    Raises:
        InvalidInput: for prices and steps that make no game.
    """
    h = options.time_step
    push = np.array([[0.0], [h]])
    return LinearQuadraticGame(
        A=np.array([[1.0, h], [-options.spring * h, 1.0 - options.damping * h]]),
        B=push,
        D=push,
        Q=np.diag(options.state_price),
        R=np.array([[options.control_price]]),
        rho=rho,
        gamma=options.gamma,
    )
