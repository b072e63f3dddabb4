"""What a plugin author's tests need: an isolated `host`, the checks, the command line in-process.

In a `conftest.py`:

    pytest_plugins = ["heatbath.testing"]

and in a test:

    from heatbath.testing import check_loss

    def test_the_loss_conforms(host):
        host.load("acme")
        check_loss(host, "acme/jerk", power=1)
"""

from __future__ import annotations

from heatbath.core.testing import (
    Invocation,
    build,
    check_agent,
    check_constraint,
    check_experiment,
    check_loss,
    check_metric,
    check_plugin,
    check_schedule,
    check_solver,
    example_values,
    invoke,
)
from heatbath.core.testing.fixtures import host

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
    "host",
    "invoke",
]
