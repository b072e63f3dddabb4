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
    for name, summary, attribute, options, reference in _COUPLERS:
        register(Component(name, summary, f"{_COUPLING}.solvers:{attribute}", options, "coupling", reference=reference))
    for name, summary, attribute, options, reference in _ENCODERS:
        target = f"{_COUPLING}.solvers:{attribute}"
        register(Component(name, summary, target, options, "bottleneck", reference=reference))
    for name, summary, attribute, chosen in (
        ("gaussian", "Gaussians given linear constraints, in linear time and memory", "Conditioner", "Conditioner"),
        ("gaussian-dense", "the same by dense algebra: the reference", "DenseConditioner", None),
    ):
        register(
            Component(
                name,
                summary,
                f"heatbath.solvers.gaussian.solver:{attribute}",
                chosen and f"heatbath.solvers.gaussian.options:{chosen}",
                problem="conditioning",
                reference="Hansen, Maddix, Alizadeh, Gupta, Mahoney, ICML 2023",
            )
        )
    for name, summary, attribute, options, reference in _GAMES:
        register(
            Component(name, summary, f"{_SOLVERS}.games.solvers:{attribute}", options, "game", reference=reference)
        )
    for name, summary, reference in _ODE:
        target = f"{_SOLVERS}.ode.explicit:{name.replace('-', '_')}"
        register(Component(name, summary, target, f"{_SOLVERS}.ode.options:Adaptive", "ode", reference=reference))
    for name in ("dopri5", "bosh3", "dopri8"):
        register(
            Component(
                f"torchdiffeq/{name}",
                f"torchdiffeq's {name}, its error and stiffness opened; or its continuous adjoint",
                f"{_SOLVERS}.ode.torchdiffeq_adapter:{name}",
                f"{_SOLVERS}.ode.options:TorchDiffEq",
                problem="ode",
                extra="ode",
                reference="Chen, torchdiffeq, 2018",
            )
        )
    for name, summary, attribute, options, reference in _SDE:
        target = f"{_SOLVERS}.sde.solvers:{attribute}"
        register(Component(name, summary, target, f"{_SOLVERS}.sde.options:{options}", "sde", reference=reference))


_SOLVERS = "heatbath.solvers"
_ODE = (
    ("tsit5", "explicit Runge-Kutta 5(4), adaptive: the one to begin with", "Tsitouras 2011"),
    ("dopri5", "explicit Runge-Kutta 5(4), adaptive", "Dormand and Prince 1980"),
    ("bosh3", "explicit Runge-Kutta 3(2), adaptive, for loose tolerances", "Bogacki and Shampine 1989"),
    ("heun-euler", "explicit Runge-Kutta 2(1), adaptive", "Heun 1900"),
    ("dopri8", "explicit Runge-Kutta 8(7), adaptive, for tight tolerances", "Prince and Dormand 1981"),
)
_SRK = "Rackauckas and Nie 2018"
_SDE = (
    ("sosri", "stochastic Runge-Kutta 1.5, diagonal noise, adaptive", "sosri", "Adaptive", _SRK),
    ("sosri2", "stochastic Runge-Kutta 1.5 with a stiffness estimate", "sosri2", "Adaptive", _SRK),
    ("sra1", "stochastic Runge-Kutta 1.5, additive noise, adaptive", "sra1", "Adaptive", "Roessler 2010"),
    ("euler-maruyama", "strong order 1/2, fixed steps", "EulerMaruyama", "Fixed", "Maruyama 1955"),
    ("milstein", "strong order 1, diagonal noise, fixed steps", "Milstein", "Fixed", "Kloeden and Platen 1992"),
)
_GAMES = (
    (
        "quantal-response",
        "the equilibrium by an interior point and Newton's method, at any temperature; at 0 that of Nash",
        "quantal_response",
        None,
        "McKelvey, Palfrey 1995",
    ),
    (
        "mirror-ascent",
        "the same by small steps along the gradient: the reference",
        "mirror_ascent",
        f"{_SOLVERS}.games.options:MirrorAscent",
        "",
    ),
)
_COUPLING = "heatbath.solvers.coupling"
_MECB = "Ebrahimi, Chen, Khisti, NeurIPS 2024"
_COUPLERS = (
    ("greedy-mec", "the largest symbols together, in O(n log n)", "greedy", None, "Kocaoglu et al., AAAI 2017"),
    ("zero-seeking-mec", "the symbols of nearest masses together", "zero_seeking", None, _MECB),
    ("exact-mec", "the least entropy there is, for few symbols", "exact", f"{_COUPLING}.options:Exact", ""),
    ("independent", "the product law", "product", None, ""),
)
_ENCODERS = (
    ("ebim", "the greedy deterministic map, in closed form", "closed_form", None, _MECB),
    ("ebim-refined", "one move away from a map", "refined", f"{_COUPLING}.options:Refined", _MECB),
    ("uniform-quantiser", "blocks of neighbours that never move", "uniform", None, _MECB),
    ("adaptive-quantiser", "ranks of the posterior, dealt out to the codes", "adaptive", None, ""),
    ("shkel-verdu", "fixed-length codes of even masses", "single_shot", None, "Shkel, Verdu, IEEE T-IT 64, 2018"),
)
