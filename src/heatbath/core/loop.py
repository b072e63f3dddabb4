"""The one loop: every method is a task, every run a directory."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from heatbath.core import checkpoints, environment
from heatbath.core.build import floats
from heatbath.core.contracts import Clock
from heatbath.core.directory import finite_or_null, write_json
from heatbath.core.errors import Drift, NotFinite, RunError
from heatbath.core.host import Observers
from heatbath.core.runs import EVALUATE, Run

logger = logging.getLogger("heatbath")


def start(run: Run) -> None:
    """Build a new run and write down what it is; nothing is stepped.

    Raises:
        RunError: where there is a run already.
    """
    if run.files.exists:
        raise RunError(f"{run.directory} already holds a run; resume it, or choose another --name")
    run.directory.mkdir(parents=True, exist_ok=True)
    with _one_thread():
        run.task  # noqa: B018  builds
        write_json(run.files.environment, environment.describe(run.host, run.setup.used, run.setup.device))
    write_json(run.files.config, run.table())


def restore(run: Run, allow_drift: bool = False) -> None:
    """Put a run that was read from its directory where its newest sound checkpoint says; later metrics are cut off.

    Raises:
        Drift: when a component is not what it was, unless that is allowed.
        RunError: when `environment.json` is broken, or the run is beyond its plan.
    """
    try:
        before = json.loads(run.files.environment.read_bytes())
        drifted = _drift(run, before["components"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{run.files.environment} cannot be read: {type(error).__name__}: {error}") from None
    if drifted:
        message = f"{run.directory}: not the components that the run was started with: {'; '.join(drifted)}"
        if not allow_drift:
            raise Drift(f"{message}; --allow-drift resumes all the same")
        logger.warning(message)
    with _one_thread():
        run.task  # noqa: B018  builds and loads
        now = environment.describe(run.host, run.setup.used, run.setup.device) if drifted else None
    if run.clock.step > run.plan.steps:
        raise RunError(f"{run.directory} is at step {run.clock.step}, beyond --steps {run.plan.steps}")
    if now:
        write_json(run.files.environment, {**now, "before_drift": before})
    run.files.forget_after(run.clock.step)
    run.files.result.unlink(missing_ok=True)
    write_json(run.files.config, run.table())


def _drift(run: Run, before: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What a run's components were, where the host would now build others."""

    def say(parts: Mapping[str, str]) -> str:
        return f"{parts['distribution']} {parts['version']} {parts['target']}"

    now = run.host.provenance(tuple(key.split(":", 1)) for key in before)  # type: ignore[misc]
    return [f"{key} was {say(before[key])}, is {say(now[key])}" for key in sorted(before) if before[key] != now[key]]


def advance(run: Run, until: int | None = None) -> str:
    """Step to the end of the plan and write the result; how it ended. This is the whole loop.

    Args:
        run: started or restored.
        until: stop at this step, as Ctrl-C there would.

    Raises:
        NotFinite: when the run diverges; the last checkpoint is intact.
    """
    observers, outcome, began = run.host.observers(), "failed", (time.monotonic(), time.process_time())
    last = run.clock.total if until is None else min(until, run.clock.total)
    error: BaseException | None = None
    with _one_thread(), run.setup.streams.owning_globals():
        try:
            observers.started(run)
            while run.clock.step < last:
                _chunk(run, observers)
            outcome = _judge(run)
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        except NotFinite as caught:
            outcome, error = "diverged", caught
            raise
        except BaseException as caught:
            error = caught
            raise
        finally:
            if outcome != "interrupted":
                cost = {"wall_seconds": time.monotonic() - began[0], "cpu_seconds": time.process_time() - began[1]}
                _write_result(run, outcome, cost, error)
            observers.finished(run, outcome)
    return outcome


def _judge(run: Run) -> str:
    if run.clock.step < run.clock.total:
        return "interrupted"
    outcome = getattr(run.task, "outcome", None)
    return str(outcome(run.metrics)) if outcome else "finished"


def _chunk(run: Run, observers: Observers) -> None:
    """One chunk of work, its metrics, and what is due after it."""
    before = run.clock.step
    step = min(before + getattr(run.task, "chunk", 1), run.clock.total)
    try:
        metrics = floats(run.task.step(run.clock))
    except NotFinite as error:
        kept = checkpoints.places(run.files.checkpoints)
        intact = f"the last checkpoint, {kept[-1].name}, is intact" if kept else "there is no checkpoint yet"
        where = f"step {step}" if step == before + 1 else f"steps {before + 1} to {step}"
        raise NotFinite(f"{where}: {error}; {intact}") from error
    run.clock = replace(run.clock, step=step)
    if _due(run.plan.evaluate_every, before, run.clock):
        metrics |= {f"{EVALUATE}{name}": value for name, value in evaluate(run).items()}
    run.files.append_metrics(step, metrics)
    observers.metrics(run, step, metrics)
    if _due(run.plan.checkpoint_every, before, run.clock):
        run.task.barrier()
        observers.checkpoint(run, checkpoints.save(run.files.checkpoints, step, run.state_dict()))


def evaluate(run: Run) -> dict[str, float]:
    """The task's measures where the run stands; drawn from streams of their own, so that training is what it was."""
    name = f"evaluate/{run.clock.step}"
    with run.setup.streams.scoped(name):
        return dict(run.task.evaluate(run.clock, run.setup.streams.fresh(name)))


def _due(every: int, before: int, clock: Clock) -> bool:
    """Whether a multiple of `every` was passed, or the end is reached."""
    return clock.step == clock.total or (every > 0 and clock.step // every > before // every)


def _write_result(run: Run, outcome: str, cost: Mapping[str, float], error: BaseException | None) -> None:
    """`cost` is that of the process that ended the run, without its figures."""
    ended = outcome in ("finished", "collapsed")
    columns = _columns(run) if ended else {}
    figures = _draw(run) if ended else []
    result = {
        "experiment": run.experiment,
        "status": outcome,
        "seed": run.plan.seed,
        "step": run.clock.step,
        "metrics": finite_or_null(run.metrics),
        "best": run.best and {**run.best, "metrics": finite_or_null(run.best["metrics"])},
        "references": {name: finite_or_null(column) for name, column in columns.items()},
        "components": run.host.provenance(run.setup.used),
        "figures": figures,
        **{name: round(seconds, 3) for name, seconds in cost.items()},
    }
    if error is not None:
        result["error"] = f"{type(error).__name__}: {error}"
    try:
        write_json(run.files.result, result)
    except OSError as refusal:
        if error is None:
            raise
        logger.warning("%s cannot be written either: %s", run.files.result, refusal)  # the first error says more


def _columns(run: Run) -> Mapping[str, Mapping[str, float | None]]:
    """What the task prints beside its own metrics; where that fails, the run keeps its result all the same."""
    references = getattr(run.task, "references", None)
    try:
        return references() if references else {}
    except Exception as failure:
        logger.warning("the references could not be had: %s: %s", type(failure).__name__, failure)
        return {}


def _draw(run: Run) -> list[str]:
    """Save the task's figures; a picture that cannot be drawn is named in the log and costs nothing else."""
    names = []
    try:
        for name, make in run.task.figures().items():
            run.files.figures.mkdir(exist_ok=True)
            path = run.files.figures / (name if "." in name else f"{name}.png")
            picture: Any = make()
            if hasattr(picture, "savefig"):
                picture.savefig(path, dpi=150, bbox_inches="tight")
            else:
                picture.save(path)
            names.append(path.relative_to(run.directory).as_posix())
    except ModuleNotFoundError as missing:
        logger.warning("no figures: they need pip install 'heatbath[plot]' (missing: %s)", missing.name)
    except Exception as failure:
        logger.warning("a figure could not be drawn: %s: %s", type(failure).__name__, failure)
    return names


@contextmanager
def _one_thread() -> Iterator[None]:
    """A run computes on one thread, whose count changes bits; the caller's count is given back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
