"""Learning the dynamics of a system from one noisy series of it, by generalized teacher forcing."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from heatbath.core.build import Metrics, Setup
from heatbath.core.contracts import Clock, Recurrence, StepContext
from heatbath.core.errors import ConfigError, RunError
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf.adaptive import Jacobians
from heatbath.plugins.gtf.collapse import cycle_length
from heatbath.plugins.gtf.data import Data, measured, simulated
from heatbath.plugins.gtf.fused import kernel_trainer, refusal
from heatbath.plugins.gtf.measures import floors
from heatbath.plugins.gtf.observation import LatentModel
from heatbath.plugins.gtf.training import AutogradTrainer, Piece, Trainer, Windows

if TYPE_CHECKING:
    from heatbath.core.contracts import Picture

logger = logging.getLogger("heatbath")

TRAINED = frozenset({"prediction", "target", "model"})
MEASURED = frozenset({"prediction", "target", "model", "solution:states", "fact:time_step"})
FEEDBACK = frozenset({"feedback:jacobians"})
TRANSIENT = 0.25
"""Part of the test series' length by which a free run is longer, and which is left out."""
COMPILED = "compiled"
SLOW = "in torch a step takes some hundred times as long: think of fewer --steps and a shorter --window"
COLLAPSED = 0.1
"""A model of a chaotic system whose largest exponent is below this part of the system's has collapsed."""


class Reconstruction:
    """One step is one optimiser step on a batch of forced windows; a chunk is an epoch.

    z_t = F(~z_{t-1}), ~z_t = (1 - alpha) z_t + alpha z^_t, loss on g(z_t) against x_t, t = 2 .. T + 1.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3 and algorithm 1.
    """

    score = "d_stsp"

    def __init__(self, options: opt.Reconstruction, setup: Setup) -> None:
        self.options, self.generator = options, setup.generator
        self.chunk = options.batches_per_epoch
        self.data = self._data(setup)
        self.model = self._model(setup)
        self.solver = setup.build("solver", options.solver)
        self.alpha = setup.build("alpha", options.alpha, FEEDBACK)
        self.learning_rate = setup.build("learning_rate", options.learning_rate)
        self._check_ends()
        recorded = frozenset(f"solution:{name}" for name in self.solver.records)
        self.objective = setup.objective("losses", options.losses, TRAINED | recorded)
        self.metrics = self._measurable(self._undriven(setup.metrics("metrics", options.metrics, MEASURED)))
        self.windows = Windows(self.data.train, self.data.inputs, options.window)
        self.trainer = self._trainer()
        self._course: list[tuple[int, float, Tensor]] = []

    def _data(self, setup: Setup) -> Data:
        return simulated(self.options, setup)

    def _model(self, setup: Setup) -> LatentModel:
        """Dynamics of M units, and the observation of them."""
        options, seen = self.options, self.data.train.shape[1]
        latent = options.latent or seen
        sizes: dict[str, Any] = {"latent_size": latent}
        driven: dict[str, Any] = {} if self.data.inputs is None else {"input_size": self.data.inputs.shape[1]}
        dynamics = setup.build("model", options.model, **sizes, **driven)
        observation = setup.build("observation", options.observation, observation_size=seen, **sizes)
        if hasattr(dynamics, "initialise") and not observation.trained_signal:
            dynamics.initialise(observation.signal(self.data.train), setup.streams(f"{setup.path}/initialise"))
        return LatentModel(dynamics, observation)

    def _undriven(self, metrics: Metrics) -> Metrics:
        """With external inputs, those metrics that step the model themselves would not know which to give it."""
        if self.data.inputs is None:
            return metrics
        left_out = sorted(name for name, metric in metrics.terms.items() if "model" in metric.needs)
        if left_out:
            logger.warning("left out, since they cannot follow external inputs: %s", ", ".join(left_out))
        return replace(metrics, terms={name: one for name, one in metrics.terms.items() if name not in left_out})

    def _measurable(self, metrics: Metrics) -> Metrics:
        """Before the first step rather than at the first evaluation: whether the test part is long enough."""
        for name, metric in metrics.terms.items():
            if (shortest := getattr(metric, "shortest", 0)) > len(self.data.test):
                raise ConfigError(
                    f"--metrics.{name} needs a test part of at least {shortest} points, got {len(self.data.test)}; "
                    f"give a longer one, or --metrics.{name} none"
                )
        return metrics

    # Training

    def _trainer(self) -> Trainer:
        """The compiled one where it can honour every choice, else automatic differentiation."""
        options = self.options
        if options.solver.name == COMPILED:
            reason = refusal(self.model, self.windows, options.losses)
            if reason is None:
                return kernel_trainer(self.model, self.windows, self.objective, options.losses, options.interval)
            logger.warning("the compiled trainer is not used, for %s; %s", reason, SLOW)
        return AutogradTrainer(self.model, self.windows, self.solver, self.objective, options.interval, self.generator)

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """An epoch: metrics are means over its batches."""
        rate = self.learning_rate.value(clock)
        batches = min(self.chunk, clock.total - clock.step)
        size = (batches, self.options.batch)
        starts = torch.randint(self.windows.places, size, generator=self.generator, device=self.data.train.device)
        sums: dict[str, Tensor] = {}
        for piece in self._pieces(clock, starts, rate):
            for name, value in self.trainer.advance(piece).items():
                sums[name] = sums[name] + value if name in sums else value
            self._inform(piece)
        means = {name: total / batches for name, total in sums.items()}
        weights = torch.stack([p.detach().square().sum() for p in self.model.parameters()]).sum().sqrt()
        strength = self._strength(Clock(clock.step + batches - 1, clock.total))
        self._course.append((clock.step + batches, strength, means["loss"]))
        how = {"alpha": strength, "learning_rate": rate, "fused": float(self.trainer.fused)}
        return {**means, "weight_norm": weights, **how}

    def _pieces(self, clock: Clock, starts: Tensor, rate: float) -> Iterator[Piece]:
        """The steps of an epoch, cut where the forcing strength is to be told something."""
        listens = self.alpha.needs & FEEDBACK
        length = getattr(self.alpha, "every", 1) if listens else len(starts)
        for first in range(0, len(starts), length):
            here = Clock(clock.step + first, clock.total)
            part = starts[first : first + length]
            clocks = [Clock(here.step + index, here.total) for index in range(len(part))]
            yield Piece(here, part, [self._strength(now) for now in clocks], rate)

    def _check_ends(self) -> None:
        """Before the first step, what a schedule says at both ends of the run."""
        for clock in (Clock(0, 1), Clock(1, 1)):
            self._strength(clock)
            rate = self.learning_rate.value(clock)
            if not 0.0 < rate < math.inf:
                raise ConfigError(f"`learning_rate` must be positive and finite, got {rate}")

    def _strength(self, clock: Clock) -> float:
        alpha = float(self.alpha.value(clock))
        if not 0.0 <= alpha <= 1.0:
            raise ConfigError(f"`alpha` must lie in [0, 1], got {alpha} at step {clock.step}")
        return alpha

    def _inform(self, piece: Piece) -> None:
        """Tell the forcing strength of the Jacobians at the forcing signals of the last batch of a full piece."""
        if not self.alpha.needs & FEEDBACK or len(piece.starts) < getattr(self.alpha, "every", 1):
            return
        with torch.no_grad():
            x, _ = self.windows.at(piece.starts[-1])
            states = self.model.observation.signal(x[1:]).transpose(0, 1)
        self.alpha.observe({"jacobians": Jacobians(self.model.dynamics, states)})

    def _training(self) -> Tensor:
        """Step, forcing strength and loss of every epoch, shape `(epochs, 3)`, on the CPU."""
        if not self._course:
            return torch.zeros(0, 3, dtype=torch.float64)
        steps, strengths, losses = zip(*self._course, strict=True)
        known = torch.tensor([steps, strengths], dtype=torch.float64)
        return torch.cat([known, torch.stack(losses).to("cpu", torch.float64).unsqueeze(0)]).T.contiguous()

    # Judging

    @torch.no_grad()
    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Measures of a free run from the first test point, of forecasts from all of them, and the forcing strength.

        `cycle_length` is the number of steps after which the free run repeats itself: 1 at rest, 0 when it does not.
        """
        states, free = self.free_run()
        true = self._true(len(free))
        values = {
            "prediction": free.unsqueeze(0),
            "target": true.unsqueeze(0),
            "model": self.model,
            "solution:states": states.unsqueeze(0),
            "fact:time_step": self.data.time_step,
        }
        measures = self.metrics(StepContext(clock, values, "evaluate", generator))
        repeats = float(cycle_length(free, self.data.test.std(0)))
        return {**measures, "cycle_length": repeats, "alpha": self._strength(clock)}

    @torch.no_grad()
    def free_run(self) -> tuple[Tensor, Tensor]:
        """Latent states and observations of the model on its own, `(points, M)` and `(points, N)`.

        As long as the test series, from its first point, after a transient of a quarter of it. With external inputs
        there are none beyond the test series, so the run is one point shorter and nothing of it is left out.
        """
        test, inputs = self.data.test, self.data.test_inputs
        left_out = int(TRANSIENT * len(test)) if inputs is None else 0
        length, driving = (left_out + len(test), None) if inputs is None else (len(test) - 1, inputs[1:].unsqueeze(1))
        problem = Recurrence(self.model, self.model.encode(test[:1]), length, driving)
        states: Tensor = self.solver.solve(problem).value[left_out:, 0]
        return states, self.model.observe(states)

    def _true(self, length: int) -> Tensor:
        """The test series beside a free run of that length."""
        return self.data.test[len(self.data.test) - length :]

    def references(self) -> dict[str, dict[str, float | None]]:
        """The system's own values, and the distance between two true series, which no model can be asked to beat."""
        other = self.data.second()
        shared = min(len(other), len(self.data.test))
        floor: dict[str, float | None] = dict(floors(self.metrics.terms, self.data.test[:shared], other[:shared]))
        if self.data.lyapunov_max is None:
            return {self.data.named: floor}
        exact = {**dict.fromkeys(self.metrics.terms, None), **dict.fromkeys(floor, 0.0), "cycle_length": 0.0}
        known = {"prediction_error_20": 0.0, "lyapunov_max": self.data.lyapunov_max}
        exact |= {name: value for name, value in known.items() if name in exact}
        return {"true system": exact, self.data.named: floor}

    def outcome(self, metrics: Mapping[str, float]) -> str:
        """`collapsed` when the free run comes to rest, runs in a circle, or is not chaotic where the system is.

        However well the model predicts. A true series that itself repeats excuses a model that does.
        """
        true = cycle_length(self.data.test, self.data.test.std(0))
        if metrics.get("cycle_length") and not true:
            return "collapsed"
        exponent, known = metrics.get("lyapunov_max"), self.data.lyapunov_max
        if exponent is None or not known or known <= 0:
            return "finished"
        return "finished" if math.isfinite(exponent) and exponent > COLLAPSED * known else "collapsed"

    def figures(self) -> Mapping[str, Callable[[], Picture]]:
        from heatbath.plugins.gtf import animation, figures  # matplotlib is an extra

        free = self.free_run()[1].cpu()
        true, time_step = self._true(len(free)).cpu(), self.data.time_step
        course = self._training()
        return {
            "attractor": lambda: figures.attractor(true, free),
            "spectrum": lambda: figures.spectrum(true, free, time_step),
            "return_map": lambda: figures.return_map(true, free),
            "training": lambda: figures.training(course),
            "trajectory.gif": lambda: animation.trajectory(true, free, time_step),
        }

    # Keeping

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"trainer": self.trainer.state_dict(), "course": self._training(), "data": self.data.digest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["data"] != self.data.digest:
            raise RunError("the series is not the one that this run was started with; put the old file back")
        self.trainer.load_state_dict(state["trainer"])
        losses = state["course"][:, 2].to(self.data.train.device).unbind()
        self._course = [
            (int(step), alpha, loss) for (step, alpha, _), loss in zip(state["course"].tolist(), losses, strict=True)
        ]


class SeriesReconstruction(Reconstruction):
    """The same, from a file; without one, from a simulated system."""

    options: opt.Series

    def _data(self, setup: Setup) -> Data:
        return measured(self.options, setup) if self.options.series else simulated(self.options, setup)
