"""Schedules."""

from __future__ import annotations

import math

import torch


class Cosine:
    """value = start (1 + cos(pi progress)) / 2."""

    needs = frozenset()

    def __init__(self, options, setup):
        self.start = options.start

    def value(self, clock):
        return self.start * (1 + math.cos(math.pi * clock.progress)) / 2

    def sample(self, clock, count, generator):
        return torch.full((count,), self.value(clock), device=generator.device)

    def observe(self, feedback): ...
