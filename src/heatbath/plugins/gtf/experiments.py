"""Learning the dynamics of a system from one noisy series of it, by generalized teacher forcing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from heatbath.core.build import Setup
from heatbath.core.contracts import Clock, Recurrence, StepContext
from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf import measures
from heatbath.plugins.gtf import options as opt
from heatbath.solvers.recurrence.forcing import Forcing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINED = frozenset({"prediction", "target", "model"})
MEASURED = frozenset({"prediction", "target", "model", "solution:states", "fact:time_step"})
TRANSIENT = 0.25
"""Part of the test series' length by which a free run is longer, and which is left out."""
COLLAPSED = 0.1
"""A model of a chaotic system whose largest exponent is below this part of the system's has collapsed."""


class Reconstruction:
    """One step is one optimiser step on a batch of forced windows; a chunk is an epoch.

    z_t = F(~z_{t-1}), ~z_t = (1 - alpha) z_t + alpha x_t, loss on z_t against x_t, t = 2 .. T + 1, ~z_1 = x_1.

    Reference:
        Hess, Monfared, Brenner, Durstewitz, ICML 2023, section 3 and algorithm 1.
    """

    def __init__(self, options: opt.Reconstruction, setup: Setup) -> None:
        self.options, self.generator = options, setup.generator
        self.chunk = options.batches_per_epoch
        self.system = setup.build("system", options.system)
        self.train, self.test, self._standardise = self._series(setup)
        self.model = setup.build("model", options.model, observation_size=self.system.dim)
        self.solver = setup.build("solver", options.solver)
        self.alpha = setup.build("alpha", options.alpha)
        self.learning_rate = setup.build("learning_rate", options.learning_rate)
        recorded = frozenset(f"solution:{name}" for name in self.solver.records)
        self.objective = setup.objective("losses", options.losses, TRAINED | recorded)
        self.metrics = setup.metrics("metrics", options.metrics, MEASURED)
        self.optimizer = torch.optim.RAdam(self.model.parameters())
        self._floor_seed = setup.streams.seed_of(f"{setup.path}/floor")
        self._offsets = torch.arange(options.window + 1, device=setup.device).unsqueeze(1)

    def _series(self, setup: Setup) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
        """Noisy training and clean test series, `(points, dim)`, scaled by the mean and deviation of the first."""
        points, dtype, device = self.options.points, torch.get_default_dtype(), setup.device
        seeds = (setup.streams.seed_of(f"{setup.path}/{name}") for name in ("train", "test", "noise"))
        train_generator, test_generator, noise_generator = (torch.Generator().manual_seed(seed) for seed in seeds)
        train = self.system.series(points, train_generator)
        mean, deviation = train.mean(0), train.std(0)
        if not bool((deviation.isfinite() & (deviation > 1e-9)).all()):
            raise ConfigError(
                f"the system gives a series of standard deviations {deviation.tolist()}, nothing to learn"
            )

        def standardise(series: Tensor) -> Tensor:
            scaled: Tensor = (series - mean) / deviation
            return scaled.to(device=device, dtype=dtype)

        noise = self.options.noise * torch.randn(train.shape, generator=noise_generator, dtype=train.dtype)
        test = self.system.series(points, test_generator)
        return standardise(train + noise * deviation), standardise(test), standardise

    # Training

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """An epoch: metrics are means over its batches."""
        rate = self.learning_rate.value(clock)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batches = min(self.chunk, clock.total - clock.step)
        sums: dict[str, Tensor] = {}
        for index in range(batches):
            now = Clock(clock.step + index, clock.total)
            for name, value in self._update(now).items():
                sums[name] = sums[name] + value if name in sums else value
        weights = torch.stack([p.detach().square().sum() for p in self.model.parameters()])
        means = {name: total / batches for name, total in sums.items()}
        return {**means, "weight_norm": weights.sum().sqrt(), "alpha": self._strength(clock), "learning_rate": rate}

    def _strength(self, clock: Clock) -> float:
        alpha = float(self.alpha.value(clock))
        if not 0.0 <= alpha <= 1.0:
            raise ConfigError(f"`alpha` must lie in [0, 1], got {alpha} at step {clock.step}")
        return alpha

    def _update(self, clock: Clock) -> dict[str, Tensor]:
        """One optimiser step."""
        x = self._windows()
        forcing = Forcing(self._strength(clock), x[1:])
        record = self.objective.records | {"proposal"}
        problem = Recurrence(self.model, x[0], self.options.window)
        solution = self.solver.solve(problem, record=record, on_step=forcing, generator=self.generator)
        values = {f"solution:{name}": item for name, item in solution.trace.items()}
        # The loss is on the states before forcing; the forced ones only feed the next step.
        values |= {"prediction": solution.trace["proposal"].transpose(0, 1), "target": x[1:].transpose(0, 1)}
        total, metrics = self.objective(StepContext(clock, {**values, "model": self.model}))
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return {"loss": total.detach(), **metrics}

    def _windows(self) -> Tensor:
        """Windows from uniform places of the training series, shape `(window + 1, batch, dim)`."""
        last = len(self.train) - self.options.window
        size = (self.options.batch,)
        starts = torch.randint(last, size, generator=self.generator, device=self.train.device)
        return self.train[starts + self._offsets]

    # Judging

    @torch.no_grad()
    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """Measures of a free run from the first test point, and of forecasts from all of them."""
        free = self.free_run()
        values = {
            "prediction": free.unsqueeze(0),
            "target": self.test.unsqueeze(0),
            "model": self.model,
            "solution:states": free.unsqueeze(0),
            "fact:time_step": self.system.time_step,
        }
        return self.metrics(StepContext(clock, values, "evaluate", generator))

    @torch.no_grad()
    def free_run(self) -> Tensor:
        """A trajectory of the model as long as the test series, after a transient, `(points, dim)`."""
        left_out = int(TRANSIENT * len(self.test))
        problem = Recurrence(self.model, self.test[:1], left_out + len(self.test))
        states: Tensor = self.solver.solve(problem).value
        return states[left_out:, 0]

    def references(self) -> dict[str, dict[str, float | None]]:
        """The system's own exponent, and the distance between two true series, which no model can be asked to beat."""
        generator = torch.Generator().manual_seed(self._floor_seed)
        other = self._standardise(self.system.series(len(self.test), generator))
        floor: dict[str, float | None] = {
            "d_stsp": measures.state_space_divergence(self.test, other),
            "d_hellinger": measures.spectrum_distance(self.test, other),
        }
        system = {
            "d_stsp": 0.0,
            "d_hellinger": 0.0,
            "prediction_error_20": 0.0,
            "lyapunov_max": self.system.lyapunov_max,
        }
        return {"true system": system, "two true series": floor}

    def outcome(self, metrics: Mapping[str, float]) -> str:
        """`collapsed` when the free run of a chaotic system's model is not chaotic, however well it predicts."""
        exponent, true = metrics.get("lyapunov_max"), self.system.lyapunov_max
        if exponent is None or not true or true <= 0:
            return "finished"
        return "finished" if math.isfinite(exponent) and exponent > COLLAPSED * true else "collapsed"

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        from heatbath.plugins.gtf import figures  # matplotlib is an extra

        true, free = self.test.cpu(), self.free_run().cpu()
        return {
            "attractor": lambda: figures.attractor(true, free),
            "spectrum": lambda: figures.spectrum(true, free, self.system.time_step),
            "return_map": lambda: figures.return_map(true, free),
        }

    # Keeping

    def barrier(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
