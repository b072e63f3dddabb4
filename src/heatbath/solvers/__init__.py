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
            "rk4",
            "classical Runge-Kutta of order 4, fixed steps",
            "heatbath.solvers.ode.rk4:RK4",
            "heatbath.solvers.ode.options:RK4",
            problem="ode",
            reference="Kutta 1901",
        )
    )
    for name, summary, reference in (
        ("tsit5", "explicit Runge-Kutta 5(4), adaptive: the one to begin with", "Tsitouras 2011"),
        ("dopri5", "explicit Runge-Kutta 5(4), adaptive", "Dormand and Prince 1980"),
        ("bosh3", "explicit Runge-Kutta 3(2), adaptive, for loose tolerances", "Bogacki and Shampine 1989"),
        ("heun-euler", "explicit Runge-Kutta 2(1), adaptive", "Heun 1900"),
        ("dopri8", "explicit Runge-Kutta 8(7), adaptive, for tight tolerances", "Prince and Dormand 1981"),
    ):
        attribute = name.replace("-", "_")
        register(
            Component(
                name,
                summary,
                f"heatbath.solvers.ode.explicit:{attribute}",
                "heatbath.solvers.ode.options:Adaptive",
                problem="ode",
                reference=reference,
            )
        )
    for name in ("dopri5", "bosh3", "dopri8"):
        register(
            Component(
                f"torchdiffeq/{name}",
                f"torchdiffeq's {name}, its error and stiffness opened; or its continuous adjoint",
                f"heatbath.solvers.ode.torchdiffeq_adapter:{name}",
                "heatbath.solvers.ode.options:TorchDiffEq",
                problem="ode",
                extra="ode",
                reference="Chen, torchdiffeq, 2018",
            )
        )
    for name, summary, options, reference in (
        ("sosri", "stochastic Runge-Kutta 1.5, diagonal noise, adaptive", "Adaptive", "Rackauckas and Nie 2018"),
        ("sosri2", "stochastic Runge-Kutta 1.5 with a stiffness estimate", "Adaptive", "Rackauckas and Nie 2018"),
        ("sra1", "stochastic Runge-Kutta 1.5, additive noise, adaptive", "Adaptive", "Roessler 2010"),
        ("euler-maruyama", "strong order 1/2, fixed steps", "Fixed", "Maruyama 1955"),
        ("milstein", "strong order 1, diagonal noise, fixed steps", "Fixed", "Kloeden and Platen 1992"),
    ):
        attribute = {"euler-maruyama": "EulerMaruyama", "milstein": "Milstein"}.get(name, name)
        register(
            Component(
                name,
                summary,
                f"heatbath.solvers.sde.solvers:{attribute}",
                f"heatbath.solvers.sde.options:{options}",
                problem="sde",
                reference=reference,
            )
        )
