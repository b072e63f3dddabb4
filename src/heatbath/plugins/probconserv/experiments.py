"""Forecasts of a conservation law's fields by a model that knows nothing of it, made to conserve afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Generator, Tensor

from heatbath.core.build import Setup
from heatbath.core.choices import Pick
from heatbath.core.contracts import Clock, Constraint, Gaussian, StepContext
from heatbath.envs.conservation.sampling import grid, parameters, slices
from heatbath.plugins.probconserv import options as opt
from heatbath.plugins.probconserv.ensemble import merged, stacked, unstacked
from heatbath.solvers.gaussian.quadrature import weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KNOWN = frozenset({"fact:grid", "fact:mass"})
TRAINED = KNOWN | {"inputs", "prediction", "target", "belief", "model", "constraint"}
JUDGED = TRAINED | {"fact:prior_variance"}
BASELINES = {"HardC": "hardc", "with diffusion": "smooth-mass"}
RANGE_CHECKS = 65
"""Parameters in the range of training at which a law is asked whether it holds to the end."""
MASS_TIMES = 101
"""Times in the figure of the mass."""


@dataclass(frozen=True)
class Forecasts:
    """What the model says of some fields, and what is true. `members` has means of shape `(members, fields, n)`."""

    members: Gaussian
    target: Tensor
    facts: Mapping[str, Tensor]


class Forecasting:
    """One step is one optimiser step of all members, each on fields of its own.

    Step 1: the model learns a mean and a variance of u at (parameter, t, x). Step 2, at evaluation: each member's law
    of a field is conditioned on the field's known mass, and the members are merged.

    Reference:
        Hansen et al., ICML 2023; the model of step 1 is a small ensemble here, where the paper has an attentive neural
        process.
    """

    def __init__(self, options: opt.Forecast, setup: Setup) -> None:
        self.options, self.generator, self.device = options, setup.generator, setup.device
        self.chunk = options.chunk
        self.law = setup.build("law", options.law)
        self._check_ranges()
        self.model = setup.build("model", options.model, features=3)
        self.constraint: Constraint = setup.build("constraint", options.constraint, KNOWN)
        named = getattr(options.constraint.options, "rule", None)
        self.rule: str = str(named) if named in get_args(opt.Rule) else opt.Mass.rule
        self.baselines: dict[str, Constraint] = {
            name: setup.build(f"baselines.{choice}", Pick("constraints", choice, {"rule": self.rule}), KNOWN)
            for name, choice in BASELINES.items()
        }
        self.learning_rate = setup.build("learning_rate", options.learning_rate)
        self.objective = setup.objective("losses", options.losses, TRAINED)
        self.metrics = setup.metrics("metrics", options.metrics, JUDGED)
        self.optimizer = torch.optim.Adam(self.model.parameters())

    def _check_ranges(self) -> None:
        """Whether the law's formulas hold wherever they will be asked: training draws from them unchecked."""
        low, high = self.law.training
        trained = torch.linspace(low, high, RANGE_CHECKS, dtype=torch.float64)
        asked = torch.cat([trained, torch.tensor(self.law.tests, dtype=torch.float64)])
        self.law.mass(asked, self.law.end)

    # Training

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """A chunk of optimiser steps: metrics are means over it."""
        steps = min(self.chunk, clock.total - clock.step)
        sums: dict[str, Tensor] = {}
        for index in range(steps):
            for name, value in self._update(Clock(clock.step + index, clock.total)).items():
                sums[name] = sums[name] + value if name in sums else value
        means: dict[str, Tensor | float] = {name: total / steps for name, total in sums.items()}
        return {**means, "learning_rate": self.learning_rate.value(clock)}

    def _update(self, clock: Clock) -> dict[str, Tensor]:
        """One optimiser step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate.value(clock)
        total, metrics = self.objective(StepContext(clock, self._batch()))
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return {"loss": total.detach(), **metrics}

    def _batch(self) -> dict[str, Any]:
        """Fields of all members at one random time each, `(members slices, points)`.

        The mass that a constraint is told is the quadrature of the target, by the constraint's own rule: on these few
        places the exact one is off.
        """
        members, how = self.model.members, self.options
        drawn = parameters(self.law, members * how.slices, self.generator)
        fields = slices(self.law, drawn, self.generator, how.points, check=False)  # `_check_ranges` has, once for all
        target = fields.u.squeeze(1)
        inputs = self._scaled(fields.parameter.unsqueeze(1), fields.t, fields.x).unflatten(0, (members, -1))
        mean, variance = (part.unflatten(1, (how.slices, -1)) for part in self.model(inputs.flatten(1, 2)))
        law = stacked(Gaussian(mean, variance))
        facts = {"fact:grid": fields.x, "fact:mass": (weights(self.rule, fields.x) * target).sum(1)}
        return {
            "inputs": inputs.flatten(0, 1),
            "belief": law,
            "prediction": law.mean,
            "target": target.to(law.mean.dtype),
            "model": self.model,
            "constraint": self.constraint.at(facts),
            **facts,
        }

    def _scaled(self, parameter: Tensor, t: Tensor, x: Tensor) -> Tensor:
        """What the model sees: parameter, t and x, each in [-1, 1] over its range, shape `(fields, points, 3)`."""
        ranges = (self.law.training, (0.0, self.law.end), self.law.domain)
        scaled = [
            (2 * (value - low) / (high - low) - 1) for value, (low, high) in zip((parameter, t, x), ranges, strict=True)
        ]
        return torch.stack(torch.broadcast_tensors(*scaled), -1).to(torch.get_default_dtype())

    # Judging

    @torch.no_grad()
    def forecasts(self, parameter: Tensor, t: Tensor) -> Forecasts:
        """Fields of `parameter` at times `t`, both `(fields,)`, on the grid."""
        x = grid(self.law, self.options.grid, self.device)
        inputs = self._scaled(parameter.unsqueeze(1), t.unsqueeze(1), x)
        mean, variance = (
            part.double().unflatten(1, (len(parameter), -1)) for part in self.model(inputs.flatten(0, 1).unsqueeze(0))
        )
        target = self.law.solution(parameter.unsqueeze(1), t.unsqueeze(1), x)
        return Forecasts(Gaussian(mean, variance), target, {"fact:grid": x, "fact:mass": self.law.mass(parameter, t)})

    def conditioned(self, given: Forecasts, constraint: Constraint) -> Gaussian:
        """The law of the fields given their masses, `(fields, n)`."""
        if self.options.posterior == "moments":
            return constraint.at(given.facts).condition(merged(given.members))
        members = given.members.mean.shape[0]
        facts = {**given.facts, "fact:mass": given.facts["fact:mass"].repeat(members)}
        return merged(unstacked(constraint.at(facts).condition(stacked(given.members)), members))

    @torch.no_grad()
    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Measures at the table time: over the parameters that were trained on, then for each by name."""
        found = self._judge(clock, partial(self.conditioned, constraint=self.constraint))
        return {**found, **self._conflicts()}

    @torch.no_grad()
    def references(self) -> dict[str, dict[str, float | None]]:
        """The same measures of the model's own law, and of the baselines."""
        clock = Clock(0, 1)
        columns = {"before": self._judge(clock, lambda given: merged(given.members))}
        for name, baseline in self.baselines.items():
            columns[name] = self._judge(clock, partial(self.conditioned, constraint=baseline))
        return {name: dict(column) for name, column in columns.items()}

    def _judge(self, clock: Clock, law_of: Callable[[Forecasts], Gaussian]) -> dict[str, float]:
        """Metrics over all trained-on parameters together, and of each test parameter."""
        values = {value: self._measured(clock, [value], law_of) for value in self.law.tests}
        inside = [value for value in self.law.tests if self._is_inside(value)]
        together = self._measured(clock, inside or list(self.law.tests), law_of)
        single = {f"{self._label(v)}/{name}": number for v, found in values.items() for name, number in found.items()}
        return {**together, **single}

    def _measured(self, clock: Clock, tests: list[float], law_of: Callable[[Forecasts], Gaussian]) -> dict[str, float]:
        given = self._tested(tests)
        law, before = law_of(given), merged(given.members)
        values = {
            "inputs": given.facts["fact:grid"],
            "belief": law,
            "prediction": law.mean,
            "target": given.target,
            "model": self.model,
            "constraint": self.constraint.at(given.facts),
            "fact:prior_variance": before.marginal_variance,
            **given.facts,
        }
        return self.metrics(StepContext(clock, values, "evaluate"))

    def _conflicts(self) -> dict[str, float]:
        """How far the model was from the known mass, in its own variances: squared deviations.

        Left out where the constraint, or its solver, does not tell.
        """
        given = self._tested(list(self.law.tests))
        bound = self.constraint.at(given.facts)
        found = bound.chi_square(merged(given.members)) if hasattr(bound, "chi_square") else None
        if found is None:
            return {}
        values = zip(self.law.tests, found.tolist(), strict=True)
        return {f"{self._label(value)}/chi_square": number for value, number in values}

    def _tested(self, tests: list[float]) -> Forecasts:
        parameter = torch.tensor(tests, dtype=torch.float64, device=self.device)
        return self.forecasts(parameter, torch.full_like(parameter, self.law.table_time))

    def _is_inside(self, value: float) -> bool:
        low, high = self.law.training
        return bool(low <= value <= high)

    def _label(self, value: float) -> str:
        """A metric's name cannot have a point: `u_0p6` is u = 0.6."""
        return f"{self.law.symbol}_{value:g}".replace(".", "p")

    # Showing

    @torch.no_grad()
    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.probconserv import figures  # matplotlib is an extra

        tests = self.law.tests
        given = self._tested(list(tests))
        before, after = merged(given.members), self.conditioned(given, self.constraint)
        names = [
            f"{self.law.symbol} = {value:g}" + ("" if self._is_inside(value) else ", not trained on") for value in tests
        ]
        t = torch.linspace(self.law.end / MASS_TIMES, self.law.end, MASS_TIMES, dtype=torch.float64, device=self.device)
        masses = [self._masses(value, t) for value in tests]
        where = f"{self.law.name}, t = {self.law.table_time:g}"
        x = given.facts["fact:grid"]
        return {
            "profiles": lambda: figures.profiles(x, given.target, before, after, names, where),
            "mass": lambda: figures.masses(t, masses, names, self.law.name),
        }

    def _masses(self, value: float, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Known mass, and by how much means miss it before and after, at each time."""
        given = self.forecasts(torch.full_like(t, value), t)
        bound = self.constraint.at(given.facts)
        before, after = merged(given.members), self.conditioned(given, self.constraint)
        return given.facts["fact:mass"], bound.residual(before.mean), bound.residual(after.mean)

    # Keeping

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
