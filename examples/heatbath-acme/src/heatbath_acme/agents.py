"""Agents."""

from __future__ import annotations

import torch


class Climber:
    """action = observation W + b; after each update a new trial near the best weights, kept if it earned more."""

    def __init__(self, options, setup, observation_size, action_size):
        self.spread = options.spread
        self.best = torch.zeros(observation_size + 1, action_size)
        self.trial = self.best.clone()
        self.best_return = -float("inf")
        self.earned, self.seen = 0.0, 0

    def reset(self, mode, batch):
        return self.trial if mode == "train" else self.best

    def act(self, observation, state, generator):
        return observation @ state[:-1] + state[-1], state

    def observe(self, transition):
        self.earned += float(transition.reward.sum())
        self.seen += len(transition.reward)
        return transition.state

    def update(self, generator):
        mean = self.earned / max(self.seen, 1)
        if mean > self.best_return:
            self.best, self.best_return = self.trial, mean
        noise = torch.randn(self.best.shape, generator=generator, device=generator.device).to(self.best)
        self.trial = self.best + self.spread * noise
        self.earned, self.seen = 0.0, 0
        return {"return": mean, "best_return": self.best_return}

    def state_dict(self):
        return {"best": self.best, "trial": self.trial, "best_return": self.best_return}

    def load_state_dict(self, state):
        self.best, self.trial, self.best_return = state["best"], state["trial"], state["best_return"]
