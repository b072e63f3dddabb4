"""Losses."""

from __future__ import annotations

from heatbath.core.contracts import Term


class Jerk:
    """Mean over time and variables of |third difference of the prediction|^power; prediction `(batch, time, ...)`."""

    needs = frozenset({"prediction"})
    reduced = False

    def __init__(self, options, setup):
        self.power = options.power

    def __call__(self, context):
        jerk = context["prediction"].diff(n=3, dim=1).abs()
        return Term(jerk.pow(self.power).flatten(1).mean(1), {"largest": jerk.detach().max()})
