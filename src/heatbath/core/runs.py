"""A run: what it is, where it stands, what it found. The same object serves the loop, the hooks and the Python API."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from heatbath.core import checkpoints, devices
from heatbath.core.build import Setup
from heatbath.core.choices import Pick
from heatbath.core.config import read_run, to_argv, to_table
from heatbath.core.contracts import Clock, Task
from heatbath.core.directory import RunDirectory
from heatbath.core.errors import Drift, RunError
from heatbath.core.host import Host
from heatbath.core.plan import Plan
from heatbath.core.streams import Streams

logger = logging.getLogger("heatbath")

EVALUATE = "evaluate/"
"""Prefix of the metrics of an evaluation in `metrics.jsonl`; `result.json` has them without."""


class Run:
    """One run directory.

    Attributes:
        experiment: registered name.
        config: the experiment's options, with resolved picks.
        plan: seed, steps, cadences, device.
        directory: where it is written.
        clock: steps done of all.
        at: the step of the checkpoint at which the task stands when it is built; the newest sound one when None.
        watched: what the plugins on the run hooks were asked for (`tensorboard`).
    """

    def __init__(
        self,
        host: Host,
        experiment: str,
        config: Any,
        plan: Plan,
        directory: Path,
        watched: Mapping[str, Any] | None = None,
    ) -> None:
        self.host, self.experiment, self.config, self.plan = host, experiment, config, plan
        self.directory, self.watched = Path(directory), dict(watched or {})
        self.files = RunDirectory(directory)
        self.clock = Clock(0, plan.steps)
        self.at: int | None = None

    @classmethod
    def load(cls, path: Path | str, host: Host) -> Run:
        """Read a run from its directory; the task is built when it is first asked for.

        Raises:
            RunError: where there is no run, or its `config.json` is broken.
            ConfigError: when its options fit no registered component any more.
        """
        files = RunDirectory(path)
        try:
            table = json.loads(files.config.read_bytes())
            experiment, argv = str(table["experiment"]), to_argv({**table["options"], **table["plan"]})
            watched = dict(table.get("watched", {}))
        except FileNotFoundError:
            raise RunError(f"{path} holds no run: there is no config.json") from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RunError(f"{files.config} cannot be read: {type(error).__name__}: {error}") from None
        config, plan, _ = read_run(host, experiment, argv)
        return cls(host, experiment, config, plan, files.path, watched)

    def table(self) -> dict[str, Any]:
        """The content of `config.json`; reading it gives an equal run."""
        options = to_table(self.config)
        return {"experiment": self.experiment, "plan": asdict(self.plan), "options": options, "watched": self.watched}

    # The built part

    @cached_property
    def setup(self) -> Setup:
        """Streams, device and every component built, by config path."""
        return Setup(self.host, Streams(self.plan.seed, devices.resolve(self.plan.device)))

    @cached_property
    def task(self) -> Task:
        """The experiment, built, and standing where the newest sound checkpoint says."""
        task: Task = self.setup.build("task", Pick("experiments", self.experiment, self.config))
        if checkpoint := self._checkpoint():
            state = checkpoints.load(checkpoint)
            self._load_state_dict(task, state, checkpoint)
        return task

    def _checkpoint(self) -> Path | None:
        if self.at is None:
            return checkpoints.latest(self.files.checkpoints)
        place = checkpoints.place_of(self.files.checkpoints, self.at)
        if not place.is_dir():
            kept = ", ".join(path.name for path in checkpoints.places(self.files.checkpoints)) or "none"
            raise RunError(f"{self.directory} has no checkpoint of step {self.at}; there are: {kept}")
        return place

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint holds: the step, every component with a state, every random stream."""
        self.task  # noqa: B018  builds
        components = {p: c.state_dict() for p, c in self.setup.built.items() if hasattr(c, "state_dict")}
        return {"step": self.clock.step, "components": components, "streams": self.setup.streams.state_dict()}

    def _load_state_dict(self, task: Task, state: Mapping[str, Any], checkpoint: Path) -> None:
        built = {"task": task, **self.setup.built}
        stateful = {path for path, component in built.items() if hasattr(component, "state_dict")}
        if odd := sorted(stateful ^ set(state["components"])):
            raise Drift(f"{checkpoint}: {odd[0]!r} has a state in the run or in the checkpoint, but not in both")
        for path, value in state["components"].items():
            built[path].load_state_dict(value)
        if not self.setup.streams.load_state_dict(state["streams"], state["step"]):
            logger.warning(
                "%s was written on %s and goes on on %s: the random streams start anew",
                self.directory, state["streams"]["device"], self.setup.device.type,
            )  # fmt: skip
        self.clock = Clock(state["step"], self.plan.steps)

    # What it found

    @property
    def result(self) -> dict[str, Any] | None:
        """The content of `result.json`, or None for a run that has not ended.

        Raises:
            RunError: when it is broken.
        """
        try:
            return dict(json.loads(self.files.result.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, OSError) as error:
            message = f"{self.files.result} cannot be read: {type(error).__name__}: {error}; remove it, and resume"
            raise RunError(message) from None

    @property
    def status(self) -> str:
        """`finished`, `collapsed`, `diverged`, `failed`, or `incomplete` for a run that has not ended."""
        return str(self.result["status"]) if self.result else "incomplete"

    @property
    def metrics(self) -> dict[str, float]:
        """Values of the last evaluation, by metric name; NaN where a value was not a finite number."""
        return next((found for _, found in reversed(self.evaluations())), {})

    def evaluations(self) -> list[tuple[int, dict[str, float]]]:
        """Step and values of every evaluation, in order; NaN where a value was not a finite number."""
        found = []
        for row in self.history():
            values = {k.removeprefix(EVALUATE): v for k, v in row.items() if k.startswith(EVALUATE)}
            if values:
                found.append((row["step"], {k: float("nan") if v is None else v for k, v in values.items()}))
        return found

    @property
    def best(self) -> dict[str, Any] | None:
        """`step` and `metrics` of the evaluation with the smallest score, where the task names one, else None."""
        if "task" not in vars(self):
            return (self.result or {}).get("best")
        score = getattr(self.task, "score", "")
        rated = [(m[score], step, m) for step, m in self.evaluations() if math.isfinite(m.get(score, math.nan))]
        if not rated:
            return None
        _, step, metrics = min(rated, key=lambda entry: entry[:2])
        return {"step": step, "metrics": metrics}

    @property
    def figures(self) -> dict[str, Path]:
        """Pictures by name."""
        return {path.stem: path for path in sorted(self.files.figures.glob("*.*"))}

    def history(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`, one a chunk."""
        return self.files.history()

    def __repr__(self) -> str:
        return f"Run({self.experiment!r}, {str(self.directory)!r}, {self.status})"
