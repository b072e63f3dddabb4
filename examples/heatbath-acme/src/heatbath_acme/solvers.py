"""Solvers."""

from __future__ import annotations

from itertools import pairwise

import torch

from heatbath.core.contracts import Solution

SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0


class Heun:
    """Heun's method of order 2 with the embedded Euler step as its error; steps carry no gradient.

    `trace["error"]` and `trace["h"]` hold the error over the tolerance and the length of each accepted step.
    """

    records = frozenset({"error", "h"})

    def __init__(self, options, setup):
        self.tolerance, self.first_step = options.tolerance, options.first_step

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        f, y, h = problem.derivative, problem.initial_state, self.first_step
        values, trace, evaluations = [y], {"error": [], "h": []}, 0
        for begin, end in pairwise(problem.times):
            t = begin
            while t < end:
                size = min(h, end - t)
                k1 = f(t, y)
                k2 = f(t + size, y + size * k1)
                evaluations += 2
                error = (size / 2 * (k2 - k1) / self.tolerance).square().mean().sqrt()
                ratio = max(float(error.detach()), 1e-10)
                h = size * min(GROW, max(SHRINK, SAFETY * ratio**-0.5))
                if ratio > 1.0:
                    continue
                t, y = (end if size == end - t else t + size), y + size / 2 * (k1 + k2)
                trace["error"].append(error)
                trace["h"].append(size)
                replaced = on_step(t, y, {"h": size}) if on_step else None
                y = y if replaced is None else replaced
            values.append(y)
        kept = {name: trace[name] for name in record}
        return Solution(torch.stack(values), stats={"evaluations": evaluations}, trace=kept)
