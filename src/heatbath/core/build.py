"""Building a task: components from picks, with their random streams, and the weighted sum of losses."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor

from heatbath.core.choices import NONE, Pick, Slots
from heatbath.core.config import resolve
from heatbath.core.contracts import NOTHING, Loss, Metric, Schedule, StepContext, in_vocabulary
from heatbath.core.errors import ConfigError, MissingNeed, NotFinite, PluginError
from heatbath.core.host import Host
from heatbath.core.streams import Streams


@dataclass(frozen=True)
class Setup:
    """What a builder is given: its place in the config, its random stream, its device, and the means to build parts.

    `built` holds every component by its path in the config; the host saves those that have a `state_dict`.
    """

    host: Host
    streams: Streams
    path: str = ""
    built: dict[str, Any] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)

    @property
    def generator(self) -> Generator:
        """The stream of the component at this path, on the run's device."""
        return self.streams(self.path)

    @property
    def device(self) -> torch.device:
        """Where the run computes."""
        return self.streams.device

    def build(self, slot: str, choice: Pick, provides: frozenset[str] = NOTHING, **facts: Any) -> Any:
        """Build the component chosen for `slot`; a module is moved to the run's device.

        Args:
            slot: the name of the option that holds the choice.
            choice: the component and its options.
            provides: what the task gives it at run time, against which its `needs` are checked.
            facts: what the problem tells those who serve it (sizes, spaces), handed to the component's target.

        Raises:
            MissingNeed: when it needs what is not provided.
            PluginError: when its target does not take the facts.
        """
        path = f"{self.path}.{slot}" if self.path else slot
        choice = choice if _is_resolved(choice) else resolve(self.host, choice)
        target = self.host.target(choice.kind, choice.name)
        place = replace(self, path=path)
        try:
            inspect.signature(target).bind(choice.options, place, **facts)
        except TypeError as error:
            source, given = self.host.record(choice.kind, choice.name).source, ", ".join(sorted(facts)) or "none"
            raise PluginError(f"{path}: {choice.name!r} of {source} does not take the facts {given}: {error}") from None
        with self.streams.scoped(f"{path}/build"):
            component = target(choice.options, place, **facts)
        if isinstance(component, torch.nn.Module):
            component = component.to(self.device)
        self._check_needs(path, choice, getattr(component, "needs", NOTHING), provides)
        self.built[path] = component
        self.used.append((choice.kind, choice.name))
        return component

    def _check_needs(self, path: str, choice: Pick, needs: frozenset[str], provides: frozenset[str]) -> None:
        source = self.host.record(choice.kind, choice.name).source
        if strange := sorted(name for name in needs if not in_vocabulary(name)):
            raise PluginError(f"{path}: {choice.name!r} of {source} needs {strange[0]!r}, which no task can provide")
        if missing := sorted(needs - provides):
            raise MissingNeed(
                f"{path}: {choice.name!r} of {source} needs {', '.join(missing)}; "
                f"this experiment provides {', '.join(sorted(provides)) or 'nothing'}"
            )

    def objective(self, slot: str, choices: Slots, provides: frozenset[str]) -> Objective:
        """Build the losses of a field and the schedules that weigh them. Raises as `build` does."""
        terms = {}
        for name, choice in _chosen(choices):
            weight = choice.weight or Pick("schedules", "constant")
            loss = self.build(f"{slot}.{name}", choice, provides)
            terms[name] = (loss, self.build(f"{slot}.{name}.weight", weight))
        if not terms:
            raise ConfigError(f"--{slot}: every loss is `none`; at least one is needed")
        return Objective(terms, self.streams, f"{self.path}.{slot}" if self.path else slot)

    def metrics(self, slot: str, choices: Slots, provides: frozenset[str]) -> Metrics:
        """Build the metrics of a field. Raises as `build` does."""
        terms = {name: self.build(f"{slot}.{name}", choice, provides) for name, choice in _chosen(choices)}
        return Metrics(terms, self.streams, f"{self.path}.{slot}" if self.path else slot)


def _is_resolved(choice: Pick) -> bool:
    return not isinstance(choice.options, Mapping)


def _chosen(choices: Slots) -> list[tuple[str, Pick]]:
    """What is `none` stays in the config, so that reading it again brings no default back."""
    return [(name, choice) for name, choice in choices.picks.items() if choice.name != NONE]


@dataclass(frozen=True)
class Objective:
    """A weighted sum of losses; it reduces, the losses do not."""

    terms: Mapping[str, tuple[Loss, Schedule]]
    streams: Streams
    path: str

    @property
    def needs(self) -> frozenset[str]:
        return NOTHING.union(*(loss.needs for loss, _ in self.terms.values()))

    @property
    def records(self) -> frozenset[str]:
        """What a solver must record for these losses."""
        return frozenset(n.removeprefix("solution:") for n in self.needs if n.startswith("solution:"))

    def __call__(self, context: StepContext) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective, 0-d, and detached metrics. A loss of weight 0 is measured without a gradient."""
        parts, metrics = [], {}
        sample_weight = context.values.get("weight")
        for name, (loss, schedule) in self.terms.items():
            weight = schedule.value(context.clock)
            seen = context.only(loss.needs, self.streams(f"{self.path}.{name}"))
            with torch.set_grad_enabled(torch.is_grad_enabled() and weight != 0.0):
                term = loss(seen)
                value = _reduce(term.value, sample_weight)
            if weight != 0.0:
                parts.append(value if weight == 1.0 else weight * value)
            metrics[f"loss/{name}"] = value.detach()
            metrics |= {f"loss/{name}/{key}": item.detach() for key, item in term.diagnostics.items()}
        if not parts:
            raise ConfigError(
                f"{self.path}: every loss has weight 0 at step {context.clock.step}, nothing can be learned"
            )
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total, metrics


def _reduce(value: Tensor, weight: Tensor | None) -> Tensor:
    if value.dim() == 0:
        return value
    return value.mean() if weight is None else (weight * value).sum() / weight.sum()


@dataclass(frozen=True)
class Metrics:
    """Named metrics of one evaluation, each with a stream of its own that begins anew at every step."""

    terms: Mapping[str, Metric]
    streams: Streams
    path: str

    def __call__(self, context: StepContext) -> dict[str, float]:
        """Values by slot; one that gives several has them as `slot/name`."""
        values: dict[str, float] = {}
        for name, metric in self.terms.items():
            metric.reset()
            stream = self.streams.fresh(f"{self.path}.{name}/evaluate/{context.clock.step}")
            metric.update(context.only(metric.needs, stream))
            value = metric.compute()
            parts = (
                {f"{name}/{key}": item for key, item in value.items()} if isinstance(value, Mapping) else {name: value}
            )
            values |= {key: float(item) for key, item in parts.items()}
        return values


def floats(metrics: Mapping[str, Tensor | float]) -> dict[str, float]:
    """Metrics on the host in one transfer: a chunk's one synchronisation, and so the place to find what is not finite.

    Raises:
        NotFinite: naming the metrics that are NaN or infinite.
    """
    tensors = {name: value for name, value in metrics.items() if isinstance(value, Tensor)}
    read: dict[str, float] = {}
    if tensors:
        stacked = torch.stack([value.detach().to(torch.float64).reshape(()) for value in tensors.values()])
        read = dict(zip(tensors, stacked.tolist(), strict=True))
    values = {name: read[name] if name in read else float(value) for name, value in metrics.items()}
    if strange := [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]:
        raise NotFinite(", ".join(strange))
    return values
