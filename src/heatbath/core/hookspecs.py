"""The hooks of heatbath, and the one thing that a plugin hands over: a description of a component.

A plugin is a module with functions named after hooks and marked `@hookimpl`; its distribution names the module under
the entry-point group `heatbath.plugins`. Neither this module nor a plugin's entry module imports torch or numpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from heatbath.core.errors import PluginError

if TYPE_CHECKING:
    from heatbath.core.runs import Run

hookspec = pluggy.HookspecMarker("heatbath")
hookimpl = pluggy.HookimplMarker("heatbath")

KINDS = (
    "losses",
    "solvers",
    "agents",
    "constraints",
    "schedules",
    "metrics",
    "models",
    "envs",
    "experiments",
    "tables",
)
SERVING = frozenset({"solvers", "agents", "models", "envs"})
"""Kinds whose components say which problem they serve, so that a choice that cannot fit is refused at once."""


def singular(kind: str) -> str:
    """The word for one component of a kind.

    >>> singular("losses"), singular("tables")
    ('loss', 'table')
    """
    return "loss" if kind == "losses" else kind.removesuffix("s")


NAME = re.compile(r"[a-z][a-z0-9.-]{0,39}(/[a-z][a-z0-9.-]{0,39})?")
TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Component:
    """What can be chosen by name. `target` and `config` are imported on first use, never at registration.

    Args:
        name: `name` (first-party) or `namespace/name` (everybody else), in lower case.
        summary: one line for `heatbath list`.
        target: `module:attribute`, a callable `(options, setup, **facts) -> component`.
        config: `module:attribute`, the frozen dataclass of its options; keep its module free of torch.
        problem: what solvers, agents, models and envs serve (`ode`, `recurrence`, `control`, ...).
        extra: the optional dependencies of its distribution that it needs, as in `pip install 'heatbath[extra]'`.
        reference: authors, venue and year of the method.

    Raises:
        PluginError: for a name or a target that is not of this form.

    >>> Component("acme/jerk", "third differences of the prediction", "acme.losses:Jerk").name
    'acme/jerk'
    """

    name: str
    summary: str
    target: str
    config: str | None = None
    problem: str | None = None
    extra: str | None = None
    reference: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise PluginError(f"bad component name {self.name!r}, expected `name` or `namespace/name` in lower case")
        for role, path in (("target", self.target), ("config", self.config)):
            if path is not None and not TARGET.fullmatch(path):
                raise PluginError(f"{self.name!r} has {role} {path!r}, expected `module:attribute`")


Register = Callable[[Component], None]


class Hooks:
    """Registration hooks are called once, each with a callback; run hooks at the boundaries of an iteration."""

    @hookspec
    def register_losses(self, register: Register) -> None:
        """Losses and regularisers; the target builds a `Loss`.

        >>> @hookimpl
        ... def register_losses(register):
        ...     register(Component("acme/jerk", "third differences", "acme.losses:Jerk", "acme.options:Jerk"))
        """

    @hookspec
    def register_solvers(self, register: Register) -> None:
        """Solvers, each for one `problem`; the target builds a `Solver`.

        >>> @hookimpl
        ... def register_solvers(register):
        ...     register(Component("acme/heun", "Heun 2(1)", "acme.solvers:Heun", problem="ode"))
        """

    @hookspec
    def register_agents(self, register: Register) -> None:
        """Agents, each for one `problem`; the target builds an `Agent`.

        >>> @hookimpl
        ... def register_agents(register):
        ...     register(Component("acme/climber", "hill climbing", "acme.agents:Climber", problem="control"))
        """

    @hookspec
    def register_constraints(self, register: Register) -> None:
        """Constraints; the target builds a `Constraint`.

        >>> @hookimpl
        ... def register_constraints(register):
        ...     register(Component("acme/mass", "a known sum", "acme.constraints:Mass"))
        """

    @hookspec
    def register_schedules(self, register: Register) -> None:
        """Schedules of a number over a run; the target builds a `Schedule`.

        >>> @hookimpl
        ... def register_schedules(register):
        ...     register(Component("acme/cosine", "half a cosine", "acme.schedules:Cosine", "acme.options:Cosine"))
        """

    @hookspec
    def register_metrics(self, register: Register) -> None:
        """Measures of an evaluation; the target builds a `Metric`.

        >>> @hookimpl
        ... def register_metrics(register):
        ...     register(Component("acme/drift", "distance of the means", "acme.metrics:Drift"))
        """

    @hookspec
    def register_models(self, register: Register) -> None:
        """Models, each for one `problem`; the target builds a `torch.nn.Module`.

        >>> @hookimpl
        ... def register_models(register):
        ...     register(Component("acme/tanh", "a tanh network", "acme.models:Tanh", problem="recurrence"))
        """

    @hookspec
    def register_envs(self, register: Register) -> None:
        """Simulators, each for one `problem`; the target builds what the problem's page in the docs says.

        >>> @hookimpl
        ... def register_envs(register):
        ...     register(Component("acme/pendulum", "a forced pendulum", "acme.envs:Pendulum", problem="flow"))
        """

    @hookspec
    def register_experiments(self, register: Register) -> None:
        """Experiments; the target builds a `Task`, and `config` is needed.

        >>> @hookimpl
        ... def register_experiments(register):
        ...     register(Component("acme/room", "a heated room", "acme.experiments:Room", "acme.options:Room"))
        """

    @hookspec
    def register_tables(self, register: Register) -> None:
        """Published tables that `heatbath reproduce` makes again; the target is a `Table`, or makes one.

        >>> @hookimpl
        ... def register_tables(register):
        ...     register(Component("acme/table-1", "rooms and fuel", "acme.tables:table"))
        """

    @hookspec
    def run_started(self, run: Run) -> None:
        """The task is built, and restored when the run resumes; no step has been taken in this process.

        >>> @hookimpl
        ... def run_started(run):
        ...     print(run.experiment, run.clock.step)
        """

    @hookspec
    def run_metrics(self, run: Run, step: int, metrics: Mapping[str, float]) -> None:
        """After each chunk of work, with its metrics; those of an evaluation, when one was due, begin with `evaluate/`.

        >>> @hookimpl
        ... def run_metrics(step, metrics):
        ...     print(step, metrics)
        """

    @hookspec
    def run_checkpoint(self, run: Run, path: Path) -> None:
        """A checkpoint was written to `path` and verifies.

        >>> @hookimpl
        ... def run_checkpoint(path):
        ...     print(path.name)
        """

    @hookspec
    def run_finished(self, run: Run, outcome: str) -> None:
        """The run stops here: `finished`, `collapsed`, `diverged`, `failed` or `interrupted`.

        >>> @hookimpl
        ... def run_finished(run, outcome):
        ...     print(outcome, run.directory)
        """
