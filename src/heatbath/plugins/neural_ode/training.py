"""What the experiments share: a solve whose steps the losses see, its course over training, and its failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from heatbath.core.build import Objective, Setup
from heatbath.core.choices import Pick, Slots
from heatbath.core.contracts import InitialValue, Solution
from heatbath.core.errors import MissingNeed, NotFinite

FACTS = ("stability_size", "tolerance")


class SolverInTraining:
    """A solver, asked to record what the losses price.

    Args:
        setup: of the experiment.
        solver: the choice of it.
        losses: what is minimised.
        provides: what the experiment gives its losses beside the solver's records.

    Raises:
        MissingNeed: when a loss needs what the solver does not record, with the reason where it gives one.
    """

    def __init__(self, setup: Setup, solver: Pick, losses: Slots, provides: frozenset[str]) -> None:
        self.solver = setup.build("solver", solver)
        self.facts = _facts(self.solver)
        recorded = frozenset(f"solution:{name}" for name in self.solver.records)
        try:
            self.objective: Objective = setup.objective("losses", losses, provides | recorded | self.facts.keys())
        except MissingNeed as missing:
            raise MissingNeed(f"{missing}{_reason(str(missing), self.solver)}") from None

    def solve(self, problem: InitialValue, training: bool = True) -> tuple[Solution, dict[str, Any]]:
        """The solution, and what the losses see of it.

        Raises:
            NotFinite: when the solver stopped before the end.
        """
        solution = self.solver.solve(problem, record=self.objective.records if training else frozenset())
        if not solution.ok:
            why = solution.stats.get("message", solution.stats.get("status", "no reason given"))
            raise NotFinite(f"the solver did not reach the end: {why}")
        return solution, {**{f"solution:{name}": item for name, item in solution.trace.items()}, **self.facts}


def _facts(solver: Any) -> dict[str, float]:
    """Constants of the solver that penalties count in."""
    options = getattr(solver, "options", None)
    found = {"stability_size": getattr(solver, "stability_size", None), "tolerance": getattr(options, "rtol", None)}
    return {f"fact:{name}": float(value) for name, value in found.items() if value is not None}


def _reason(message: str, solver: Any) -> str:
    withheld: Mapping[str, str] = getattr(solver, "withheld", {})
    why = next((why for name, why in sorted(withheld.items()) if f"solution:{name}" in message), None)
    return f" ({why})" if why else ""


class Course:
    """Function evaluations of a solve over training, kept with the task for its figure; `(optimiser step, NFE)`."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float]] = []

    def add(self, step: int, evaluations: float) -> None:
        self.rows.append((step, evaluations))

    def state_dict(self) -> dict[str, Tensor]:
        return {"rows": torch.tensor(self.rows, dtype=torch.float64).reshape(-1, 2)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.rows = [(int(step), float(evaluations)) for step, evaluations in state["rows"].tolist()]
