"""Numerics that stand on their own, and the plugin that registers them."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl


@hookimpl
def register_solvers(register: Register) -> None:
    register(
        Component(
            "scan",
            "one step after the other, in plain torch",
            "heatbath.solvers.recurrence.scan:Scan",
            problem="recurrence",
        )
    )
    register(
        Component(
            "batched-scan",
            "the scan for accelerators: fewer and larger operations in the reverse pass of a shallow step",
            "heatbath.solvers.recurrence.batched:BatchedScan",
            problem="recurrence",
        )
    )
    register(
        Component(
            "compiled",
            "shallow piecewise-linear steps by kernels, in C on the CPU and in Triton on CUDA; anything else as `scan`",
            "heatbath.solvers.recurrence.compiled:CompiledScan",
            problem="recurrence",
        )
    )
    register(
        Component(
            "rk4",
            "classical Runge-Kutta of order 4, fixed steps",
            "heatbath.solvers.ode.rk4:RK4",
            "heatbath.solvers.ode.options:RK4",
            problem="ode",
            reference="Kutta 1901",
        )
    )
