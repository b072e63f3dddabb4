"""A matrix game along a curriculum: what the adversary's rationality does to the equilibrium, exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from heatbath.core.build import Setup
from heatbath.core.contracts import Clock
from heatbath.core.errors import ConfigError
from heatbath.plugins.qarl import options as opt
from heatbath.plugins.qarl.curricula import HEARD, Force, Gamma
from heatbath.solvers.games import Equilibrium, entropy, equilibria, exploitability, nash, responses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


class MatrixGame:
    """The equilibrium at the curriculum's temperature; a step draws temperatures, solves the game at each, feeds back.

    The row player is the protagonist, at a temperature of its own; the column player is the adversary. The return that
    the curriculum hears is the value mu^T A nu at each temperature drawn.

    Metrics: `temperature`, the mean of the curriculum's law, and at that temperature `value`, `exploitability`,
    `nash_gap` (|value - Nash value|), `return_worst` (what the protagonist's strategy earns at least),
    `entropy_protagonist`, `entropy_adversary` in nats and `residual`; of a step also `return_mean`, over its draws.

    Raises:
        ConfigError: for a curriculum of forces.

    Reference:
        Reddi, Toelle, Peters, Chalvatzaki, D'Eramo, ICLR 2024, for the game and the curriculum.
    """

    def __init__(self, options: opt.MatrixGame, setup: Setup) -> None:
        self.options, self.generator = options, setup.generator
        self.payoff = self._payoff()
        self.nash = nash(self.payoff)
        self.curriculum = setup.build("curriculum", options.curriculum, HEARD)
        if isinstance(self.curriculum, Force):
            raise ConfigError(
                f"curriculum: `{options.curriculum.name}` gives limits on a force, and a matrix game has none, "
                "but needs temperatures of the adversary; use `qarl.gamma`, the same law of temperatures"
            )
        self.solver = setup.build("solver", options.solver)
        self.rows: list[dict[str, float]] = []
        self.drawn: list[list[float]] = []

    def _payoff(self) -> Array:
        how = self.options
        if how.payoff:
            return np.array(how.payoff).reshape(how.actions)
        if how.game == "random":
            like = {"dtype": torch.float64, "device": self.generator.device}
            return torch.randn(how.actions, generator=self.generator, **like).cpu().numpy()  # type: ignore[call-overload, no-any-return]
        return np.array(opt.GAMES[how.game])

    def solved(self, temperatures: Array) -> Equilibrium:
        """The equilibria at temperatures of the adversary, shape `(count,)`."""
        own = temperatures if self.options.homogeneous else np.full_like(temperatures, self.options.protagonist)
        return equilibria(self.solver, self.payoff, own, temperatures)

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """One feedback."""
        row = self.measured(clock)
        drawn = self.curriculum.sample(clock, self.options.pairs, self.generator).double().cpu()
        returns = self.solved(drawn.numpy()).value
        row["return_mean"] = float(returns.mean())
        if isinstance(self.curriculum, Gamma):
            row["shape"] = self.curriculum.shape
        self.rows.append(row)
        self.drawn.append(drawn.tolist())
        self.curriculum.observe({"temperatures": drawn, "returns": torch.from_numpy(returns)})
        return dict(row)

    def measured(self, clock: Clock) -> dict[str, float]:
        """The equilibrium at the curriculum's mean temperature."""
        temperature = float(self.curriculum.value(clock))
        found = self.solved(np.array([temperature]))
        return {"temperature": temperature, **self._measures(Equilibrium(*(part[0] for part in found)))}

    def _measures(self, found: Equilibrium) -> dict[str, float]:
        return {
            "value": float(found.value),
            "exploitability": float(exploitability(self.payoff, found.row, found.column)),
            "nash_gap": abs(float(found.value - self.nash.value)),
            "return_worst": float((found.row @ self.payoff).min()),
            "entropy_protagonist": float(entropy(found.row)),
            "entropy_adversary": float(entropy(found.column)),
            "residual": float(found.residual),
        }

    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Where the curriculum stands."""
        return self.measured(clock)

    def references(self) -> dict[str, dict[str, float | None]]:
        """The Nash equilibrium; and the protagonist that only ever met a uniformly random adversary."""
        columns: dict[str, dict[str, float | None]] = {"Nash": {"temperature": 0.0, **self._measures(self.nash)}}
        naive: dict[str, float | None] = {**self._measures(self.naive())}
        naive["residual"] = None
        columns["random adversary"] = naive
        return columns

    def naive(self) -> Equilibrium:
        """The limit of an infinite temperature: the adversary is uniform, the protagonist answers that."""
        uniform = np.full(self.payoff.shape[1], 1.0 / self.payoff.shape[1])
        own = max(self.options.protagonist, 1e-12)
        row = responses(self.payoff, np.full(len(self.payoff), 1.0 / len(self.payoff)), uniform, own, 1.0)[0]
        return Equilibrium(row, uniform, row @ self.payoff @ uniform, np.zeros(()))

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.qarl import game_figures as figures  # matplotlib is an extra

        temperatures = np.array([row["temperature"] for row in self.rows])
        fine = np.geomspace(max(temperatures.min(), 1e-4), max(temperatures.max(), 2e-4), 200)
        paths = figures.Paths(self.payoff, self.nash, temperatures, self.solved(temperatures), fine, self.solved(fine))
        return {
            "path": lambda: figures.path(paths),
            "exploitability": lambda: figures.course(self.rows, float(self.nash.value)),
            "curriculum": lambda: figures.laws(self.rows, self.drawn, self.rate),
        }

    @property
    def rate(self) -> float | None:
        """That of the curriculum's Gamma laws, None where it has none."""
        return self.curriculum.options.rate if self.rows and "shape" in self.rows[0] else None

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [dict(row) for row in self.rows], "drawn": [list(drawn) for drawn in self.drawn]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [dict(row) for row in state["rows"]]
        self.drawn = [list(drawn) for drawn in state["drawn"]]
