"""A player that is set, and adversaries that look for the forces it stands worst."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor

from heatbath.core.build import Setup
from heatbath.core.choices import Pick
from heatbath.core.contracts import Agent, Clock, Phase, Transition
from heatbath.envs.adversarial.game import Array, BatchGame
from heatbath.envs.adversarial.grid import Grid, force_grid, model_grid, possible
from heatbath.envs.adversarial.mujoco_game import MujocoGame
from heatbath.plugins.qarl import agent_options
from heatbath.plugins.qarl import attack_options as opt
from heatbath.plugins.qarl.episodes import Episodes, Seat, play
from heatbath.plugins.qarl.opponents import Still

if TYPE_CHECKING:
    from heatbath.core.contracts import Picture

LEARNING = ("adversary", "constant", "bang_bang", "random")
KINDS = ("none", *LEARNING)
"""Forces that are judged, as figures and metrics name them; `none` is reported as nominal."""
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
"""Constant forces that are tried in every direction, in parts of the largest one."""


@dataclass(frozen=True)
class Findings:
    """One evaluation.

    Args:
        judged: episodes by kind of force.
        worst: the kind under which the mean return is least.
        forces: mean returns under constant forces, strengths x directions, and their grid.
        models: mean returns by masses x frictions under no force and under the worst, and their grid; None where the
            simulator has no such ranges.
    """

    judged: Mapping[str, Episodes]
    worst: str
    forces: tuple[Grid, Array]
    models: tuple[Grid, Array, Array] | None


class Attack:
    """A step is one iteration of the adversaries' searches, each in simulations of its own, all in one batch.

    The protagonist does not change, but in the first `practice` steps, in which it learns while nothing pushes and
    the adversaries wait. Returns are undiscounted sums of the protagonist's rewards over an episode.

    Metrics of an evaluation: `return_nominal`, under moves of 0; `return_adversary`, `return_constant`,
    `return_bang_bang`, `return_random`, under what each has found; `return_worst`, the least of those four;
    `fall_rate_nominal` and `fall_rate`, the part of episodes that end in a state without future, under moves of 0
    and under the worst; `return_grid` and `return_grid_worst`, means over masses and frictions, likewise;
    `failure_rate`, the part of episodes that ended because a simulation broke down.

    Moves of 0 are no force. Where the adversary's moves are mixed into the player's actions, or taken in their place
    (`--env gymnasium`), they disturb too: an action is drawn towards the middle of its range, or is 0 at times. There
    `return_nominal` is the return against an adversary at rest, not that of the undisturbed environment, which the same
    run with `--env.delta 0` measures.
    """

    def __init__(self, options: opt.Attack, setup: Setup) -> None:
        self.options, self.setup, self.generator = options, setup, setup.generator
        self.counts = dict.fromkeys(LEARNING, options.others) | {"adversary": options.population}
        self.game = self._game("env", sum(self.counts.values()))
        self.judged = self._game("env.judged", len(KINDS) * options.episodes)
        degrees = np.linspace(0.0, 360.0, options.directions, endpoint=False)
        if self.game.adversary_space.shape[0] == 1:
            degrees = np.array([0.0, 180.0])
        degrees = degrees[possible(self.game.adversary_space, degrees)]
        self.forces = force_grid(self._game("env.forces", len(STRENGTHS) * len(degrees)), STRENGTHS, degrees.tolist())
        self.models = self._models()
        self.protagonist = self._agent("protagonist", self.game.protagonist_space.shape[0])
        size = self.game.adversary_space.shape[0]
        self.still = Still(agent_options.Still(), None, 0, size)
        self.adversaries = {kind: self._agent(kind, size) for kind in LEARNING}
        self.rows: list[dict[str, float]] = []
        self._found: Findings | None = None

    def _game(self, slot: str, simulations: int) -> BatchGame:
        game: BatchGame = self.setup.build(slot, self.options.env, simulations=simulations)
        return game

    def _models(self) -> Grid | None:
        """Masses x frictions, where the simulator knows which."""
        points = self.options.points
        if not isinstance(self.game, MujocoGame) or self.game.task.grid is None:
            return None
        game = self._game("env.models", points * points)
        assert isinstance(game, MujocoGame)
        return model_grid(game, points=points)

    def _agent(self, slot: str, actions: int) -> Agent:
        choice: Pick = getattr(self.options, slot)
        (observations,) = self.game.observation_space.shape
        agent: Agent = self.setup.build(slot, choice, observation_size=observations, action_size=actions)
        return agent

    # Searching

    def step(self, clock: Clock) -> dict[str, Tensor | float]:
        """One iteration of every search, or of the protagonist's practice."""
        practising = clock.step < self.options.practice
        protagonist = self._seat("protagonist", self.protagonist, self.game, self.game.num_envs, learning=practising)
        if practising:
            seats = [self._seat("none", self.still, self.game, self.game.num_envs)]
        else:
            seats = [
                self._seat(kind, self.adversaries[kind], self.game, count, learning=True)
                for kind, count in self.counts.items()
            ]
        episodes = play(self.game, protagonist, seats, seed=_seed(self.generator), horizon=self.options.horizon)
        metrics: dict[str, float] = {"failure_rate": float(episodes.failed.mean())}
        first = 0
        for seat in seats:
            metrics[f"return_{seat.name}"] = float(episodes.returns[first : first + seat.count].mean())
            first += seat.count
        for seat in (protagonist, *seats):
            if seat.learning:
                learnt = seat.agent.update(seat.generator)
                metrics |= {f"{seat.name}/{name}": float(value) for name, value in learnt.items()}
        self.rows.append({"step": float(clock.step + 1), **metrics})
        return dict(metrics)

    def _seat(
        self,
        slot: str,
        agent: Agent,
        game: BatchGame,
        count: int,
        generator: Generator | None = None,
        learning: bool = False,
    ) -> Seat:
        """Drawing from `generator`, or from a stream of its own."""
        box = game.protagonist_space if slot == "protagonist" else game.adversary_space
        stream = self.setup.streams(f"{self.setup.path}.{slot}/play") if generator is None else generator
        return Seat(slot, agent, box, count, stream, learning)

    # Judging

    def evaluate(self, clock: Clock, generator: Generator) -> dict[str, float]:
        """See the class."""
        found = self._found = self._judge(generator)
        returns = {kind: float(episodes.returns.mean()) for kind, episodes in found.judged.items()}
        metrics = {"return_nominal": returns.pop("none"), "return_worst": returns[found.worst]}
        metrics |= {f"return_{kind}": value for kind, value in returns.items()}
        metrics["fall_rate"] = float(found.judged[found.worst].fell.mean())
        metrics["fall_rate_nominal"] = float(found.judged["none"].fell.mean())
        if found.models is not None:
            _, nominal, worst = found.models
            metrics |= {"return_grid": float(nominal.mean()), "return_grid_worst": float(worst.mean())}
        metrics["failure_rate"] = float(np.mean([episodes.failed.mean() for episodes in found.judged.values()]))
        return metrics

    def _judge(self, generator: Generator) -> Findings:
        """All kinds of forces in one batch, all constant ones in another, all models in two more."""
        count = self.options.episodes
        everyone = {"none": self.still, **self.adversaries}
        together = self._play(self.judged, {kind: (agent, count) for kind, agent in everyone.items()}, generator)
        judged = {kind: together.part(slice(i * count, (i + 1) * count)) for i, kind in enumerate(everyone)}
        worst = min(LEARNING, key=lambda kind: judged[kind].returns.mean())
        grid = self.forces
        pushed = self._play(grid.game, {"pushes": (_Pushes(grid.pushes), grid.game.num_envs)}, generator)
        models = None
        if (ranges := self.models) is not None:
            nominal, attacked = (
                _by_cell(ranges, self._play(ranges.game, {kind: (everyone[kind], ranges.game.num_envs)}, generator))
                for kind in ("none", worst)
            )
            models = ranges, nominal, attacked
        return Findings(judged, worst, (grid, _by_cell(grid, pushed)), models)

    def _play(self, game: BatchGame, seats: Mapping[str, tuple[Agent, int]], generator: Generator) -> Episodes:
        protagonist = self._seat("protagonist", self.protagonist, game, game.num_envs, generator)
        adversaries = [self._seat(kind, agent, game, count, generator) for kind, (agent, count) in seats.items()]
        return play(game, protagonist, adversaries, seed=_seed(generator), horizon=self.options.horizon)

    # Showing

    def figures(self) -> Mapping[str, Callable[[], Picture]]:
        from heatbath.plugins.qarl import attack_figures as figures  # matplotlib is an extra

        stream = f"evaluate/{int(self.rows[-1]['step']) if self.rows else 0}"
        found = self._found or self._judge(self.setup.streams.fresh(stream))
        names = {kind: getattr(self.options, kind).name for kind in LEARNING}
        drawn: dict[str, Callable[[], Picture]] = {
            "forces": lambda: figures.forces(found.judged, names),
            "directions": lambda: figures.directions(*found.forces, float(found.judged["none"].returns.mean())),
            "search": lambda: figures.search(self.rows, self.options.practice),
        }
        if (models := found.models) is not None:
            drawn["robustness"] = lambda: figures.robustness(*models, found.worst)
        if isinstance(self.game, MujocoGame):
            drawn["episode.gif"] = lambda: self._film(found.worst)
        return drawn

    def _film(self, kind: str) -> Picture:
        """An episode without a force, and one under the worst, side by side."""
        from heatbath.envs.adversarial import rendering
        from heatbath.plugins.qarl.attack_figures import label

        generator = self.setup.streams.fresh(f"{self.setup.path}/film")
        game = self._game("env.shown", 1)
        assert isinstance(game, MujocoGame)
        recordings = []
        for name, agent in ((label("none"), self.still), (label(kind), self.adversaries[kind])):
            seats = [self._seat("protagonist", self.protagonist, game, 1, generator)]
            seats.append(self._seat(name, agent, game, 1, generator))
            for seat in seats:
                seat.sit()
            policies = [lambda seen, seat=seat: seat.act(torch.from_numpy(seen).float())[1] for seat in seats]
            recordings.append((name, rendering.record(game, *policies, seed=0, steps=self.options.horizon)))
        return rendering.film(dict(recordings))

    # Keeping

    def barrier(self) -> None:
        """Nothing to do: every step and every evaluation begins its environments anew, at a seed of its own."""

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [dict(row) for row in state["rows"]]


class _Pushes:
    """A constant push in each simulation, shape `(N, l)`."""

    def __init__(self, pushes: Array) -> None:
        self.pushes = torch.from_numpy(pushes)

    def reset(self, mode: Phase, batch: int) -> None: ...

    def act(self, observation: Tensor, state: Any, generator: Generator) -> tuple[Tensor, Any]:
        return self.pushes, state

    def observe(self, transition: Transition) -> Any: ...

    def update(self, generator: Generator) -> Mapping[str, float]:
        return {}


def _by_cell(grid: Grid, episodes: Episodes) -> Array:
    """Mean returns, shape `(rows, columns)`."""
    cells: Array = episodes.returns.reshape(len(grid.rows.values), len(grid.columns.values), grid.episodes).mean(2)
    return cells


def _seed(generator: Generator) -> int:
    return int(torch.randint(2**31, (), generator=generator, device=generator.device))
