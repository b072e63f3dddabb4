"""Components that belong to no method: the squared error, and schedules."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_LOSSES, _SCHEDULES, _OPTIONS = (f"heatbath.plugins.common.{room}" for room in ("losses", "schedules", "options"))


@hookimpl
def register_losses(register: Register) -> None:
    register(Component("mse", "mean squared error of the prediction", f"{_LOSSES}:MeanSquaredError"))
    register(Component("cross-entropy", "of logits, against probabilities of classes", f"{_LOSSES}:CrossEntropy"))


@hookimpl
def register_schedules(register: Register) -> None:
    for name, summary, attribute in (
        ("constant", "one level; a plain number is short for it", "Constant"),
        ("linear", "a straight line from start to end", "Linear"),
        ("exponential", "geometric from start to end", "Exponential"),
        ("one-cycle", "half a cosine up to a peak, half a cosine down to almost nothing", "OneCycle"),
    ):
        register(Component(name, summary, f"{_SCHEDULES}:{attribute}", f"{_OPTIONS}:{attribute}"))
