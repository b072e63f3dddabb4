"""Episodes of a two-player game, played by agents: who sits where, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Generator, Tensor

from heatbath.core.contracts import Agent, Transition
from heatbath.core.errors import InvalidInput
from heatbath.envs.adversarial.game import Array, BatchGame, Flags


def onto(box: Box, action: Array) -> Array:
    """Actions in [-1, 1]^m onto a player's box: 0 is rest where the box holds it, 1 and -1 are its bounds.

    A bound that is infinite counts as 1, or -1.

    >>> onto(Box(0.0, 4.0, (1,)), np.array([[-1.0], [0.0], [0.5]])).ravel().tolist()
    [0.0, 0.0, 2.0]
    """
    low = np.where(np.isfinite(box.low), box.low, -1.0).astype(np.float64)
    high = np.where(np.isfinite(box.high), box.high, 1.0).astype(np.float64)
    action = np.clip(action, -1.0, 1.0)
    two_sided = np.where(action > 0.0, action * high, -action * low) + 0.0  # and no negative zero
    return np.where((low <= 0.0) & (high >= 0.0), two_sided, low + (action + 1.0) / 2.0 * (high - low))


@dataclass
class Seat:
    """An agent, and the simulations that it plays in.

    Args:
        name: for messages.
        agent: who plays; several seats may be the same agent's.
        box: of its moves in the game.
        count: of simulations.
        generator: of its actions.
        learning: whether it acts as in training and hears what came of it.
    """

    name: str
    agent: Agent
    box: Box
    count: int
    generator: Generator
    learning: bool = False
    state: Any = field(default=None, init=False)

    def sit(self) -> None:
        """New episodes."""
        self.state = self.agent.reset("train" if self.learning else "evaluate", self.count)

    @torch.no_grad()
    def act(self, observation: Tensor) -> tuple[Tensor, Array]:
        """The agent's actions, shape `(count, m)`, and its moves in the units of the game.

        Raises:
            InvalidInput: when they have another shape, or are not finite.
        """
        action, self.state = self.agent.act(observation, self.state, self.generator)
        expected = (self.count, *self.box.shape)
        if not isinstance(action, Tensor) or tuple(action.shape) != expected:
            got = tuple(action.shape) if hasattr(action, "shape") else type(action).__name__
            raise InvalidInput(f"{self.name}: the agent's actions must be a tensor of shape {expected}, got {got}")
        if not bool(action.isfinite().all()):
            raise InvalidInput(f"{self.name}: an action of the agent is not finite")
        return action, onto(self.box, action.cpu().double().numpy())


@dataclass(frozen=True)
class Episodes:
    """One episode of each of N simulations.

    Args:
        returns: undiscounted, the protagonist's, shape `(N,)`.
        lengths: control steps, shape `(N,)`.
        fell: whether it ended in a state without future, shape `(N,)`.
        failed: whether the simulation broke down, shape `(N,)`.
    """

    returns: Array
    lengths: NDArray[np.int64]
    fell: Flags
    failed: Flags

    def part(self, which: slice) -> Episodes:
        """Those of some simulations."""
        return Episodes(self.returns[which], self.lengths[which], self.fell[which], self.failed[which])


def play(game: BatchGame, protagonist: Seat, adversaries: Sequence[Seat], *, seed: int, horizon: int) -> Episodes:
    """One episode in each simulation; the adversaries share them out in order.

    A simulation whose episode is over goes on, since all are stepped together, but its players are told of rewards
    of 0 and that it is over, so that what they earned is the episode's return.

    Args:
        game: begun anew at `seed`.
        protagonist: sits in all simulations.
        adversaries: in the first `count`, the next `count`, ...
        horizon: control steps after which an episode is over, if the game has not ended it before.

    Raises:
        InvalidInput: when the seats are not as many as the simulations, or by `Seat.act`.
    """
    number = game.num_envs
    if protagonist.count != number or sum(seat.count for seat in adversaries) != number:
        taken = sum(seat.count for seat in adversaries)
        raise InvalidInput(f"{number} simulations for {protagonist.count} protagonists and {taken} adversaries")
    places, first = [], 0
    for seat in adversaries:
        places.append((seat, slice(first, first + seat.count)))
        first += seat.count
    players = [(protagonist, slice(0, number), 1.0), *((seat, place, -1.0) for seat, place in places)]
    for seat, _, _ in players:
        seat.sit()
    returns, lengths = np.zeros(number), np.zeros(number, np.int64)
    over, fell, failed = (np.zeros(number, bool) for _ in range(3))
    observation = _tensor(game.reset(seed))
    push = np.zeros((number, *game.adversary_space.shape))
    for _ in range(horizon):
        actions = []
        for seat, place, _ in players:
            action, moves = seat.act(observation[place])
            actions.append(action)
            if seat is protagonist:
                control = moves
            else:
                push[place] = moves
        outcome = game.step(control, push)
        reward = np.where(over, 0.0, outcome.reward)
        returns += reward
        lengths += ~over
        fell |= outcome.terminated & ~over
        failed |= outcome.failed & ~over
        before, over = over, over | outcome.ended
        _tell(players, actions, observation, outcome.final_observation, reward, before | outcome.terminated)
        observation = _tensor(outcome.observation)
        if over.all():
            break
    return Episodes(returns, lengths, fell, failed)


def _tell(
    players: Sequence[tuple[Seat, slice, float]],
    actions: Sequence[Tensor],
    observation: Tensor,
    following: Array,
    reward: Array,
    over: Flags,
) -> None:
    """Let those who learn note the step."""
    if not any(seat.learning for seat, _, _ in players):
        return
    after, earned, done = _tensor(following), _tensor(reward), torch.from_numpy(over)
    for (seat, place, sign), action in zip(players, actions, strict=True):
        if seat.learning:
            step = (observation[place], action, sign * earned[place], after[place], done[place])
            seat.state = seat.agent.observe(Transition(*step, seat.state))


def _tensor(values: Array) -> Tensor:
    """In single precision on the CPU, where the simulations are, and the players therefore."""
    return torch.from_numpy(values).float()
