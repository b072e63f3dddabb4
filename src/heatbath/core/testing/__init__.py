"""The testing kit: the checks that first-party components pass, for everybody's. Public as `heatbath.testing`."""

from __future__ import annotations

from heatbath.core.testing.agents import check_agent
from heatbath.core.testing.command import Invocation, invoke
from heatbath.core.testing.constraints import check_constraint
from heatbath.core.testing.examples import build, example_values
from heatbath.core.testing.experiments import check_experiment
from heatbath.core.testing.losses import check_loss
from heatbath.core.testing.metrics import check_metric
from heatbath.core.testing.plugins import check_plugin
from heatbath.core.testing.schedules import check_schedule
from heatbath.core.testing.solvers import check_solver

__all__ = [
    "Invocation",
    "build",
    "check_agent",
    "check_constraint",
    "check_experiment",
    "check_loss",
    "check_metric",
    "check_plugin",
    "check_schedule",
    "check_solver",
    "example_values",
    "invoke",
]
