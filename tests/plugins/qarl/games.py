"""A game without MuJoCo, and a way to let an agent learn without any."""

import numpy as np
import torch
from gymnasium.spaces import Box

from heatbath.core.contracts import Transition
from heatbath.envs.adversarial.game import Outcome


class Line:
    """x <- x + 0.1 (u + w / 2); the protagonist has 1 a step, and falls beyond |x| = 1. Up to `length` steps.

    Simulation `broken` breaks down at its third step.
    """

    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    protagonist_space = Box(-2.0, 2.0, (1,), np.float64)

    def __init__(self, options=None, setup=None, *, simulations, length=20, one_sided=False, broken=None):
        self.num_envs, self.length, self.broken = simulations, length, broken
        self.adversary_space = Box(0.0 if one_sided else -1.0, 1.0, (1,), np.float64)
        self.pushes = []

    def reset(self, seed=None, mask=None):
        self.x = np.array([np.random.default_rng(seed + i).uniform(-0.009, 0.009) for i in range(self.num_envs)])
        self.elapsed = np.zeros(self.num_envs, int)
        self.pushes = []
        return self._observe()

    def _observe(self):
        return np.stack((self.x, np.ones_like(self.x)), 1)

    def step(self, protagonist, adversary):
        self.pushes.append(adversary.copy())
        self.x = self.x + 0.1 * (protagonist[:, 0] + 0.5 * adversary[:, 0])
        self.elapsed += 1
        final, terminated = self._observe(), np.abs(self.x) > 1.0
        failed = np.zeros(self.num_envs, bool)
        if self.broken is not None:
            failed[self.broken] = self.elapsed[self.broken] == 3
        truncated = (self.elapsed >= self.length) | failed
        ended = terminated | truncated
        self.x = np.where(ended, 0.0, self.x)
        self.elapsed[ended] = 0
        return Outcome(self._observe(), np.ones(self.num_envs), terminated, truncated, final, failed)

    def close(self):
        pass


def learn(agent, reward, *, batch, updates, steps=1, scales=1.0):
    """Let an agent play and update, in episodes of random observations; the last metrics."""
    world, own = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    metrics = {}
    for _ in range(updates):
        state = agent.reset("train", batch)
        for step in range(steps):
            observation = torch.randn(batch, 3, generator=world) * scales
            action, state = agent.act(observation, state, own)
            over = torch.full((batch,), step == steps - 1)
            state = agent.observe(
                Transition(observation, action, reward(observation, action), observation, over, state)
            )
        metrics = agent.update(own)
    return metrics
