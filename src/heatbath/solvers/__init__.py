"""Numerics that stand on their own, and the plugin that registers them."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_MECB = "Ebrahimi, Chen, Khisti, NeurIPS 2024"
_PROBCONSERV = "Hansen, Maddix, Alizadeh, Gupta, Mahoney, ICML 2023"
_SRK = "Rackauckas and Nie 2018"
_EXTRAS = {"torchdiffeq_adapter": "ode"}
"""What a module needs beside the core."""

# By problem and room: name, summary, module:attribute, class of the room's options.py if any, reference.
_SOLVERS: dict[tuple[str, str], tuple[tuple[str, str, str, str | None, str], ...]] = {
    ("recurrence", "recurrence"): (
        ("scan", "one step after the other, in plain torch", "scan:Scan", None, ""),
        (
            "batched-scan",
            "the scan for accelerators: fewer and larger operations in the reverse pass of a shallow step",
            "batched:BatchedScan",
            None,
            "",
        ),
        (
            "compiled",
            "shallow piecewise-linear steps by kernels, in C on the CPU and in Triton on CUDA; anything else as `scan`",
            "compiled:CompiledScan",
            None,
            "",
        ),
    ),
    ("ode", "ode"): (
        ("rk4", "classical Runge-Kutta of order 4, fixed steps", "rk4:RK4", "RK4", "Kutta 1901"),
        (
            "tsit5",
            "explicit Runge-Kutta 5(4), adaptive: the one to begin with",
            "explicit:tsit5",
            "Adaptive",
            "Tsitouras 2011",
        ),
        (
            "dopri5",
            "explicit Runge-Kutta 5(4), adaptive",
            "explicit:dopri5",
            "Adaptive",
            "Dormand and Prince 1980",
        ),
        (
            "bosh3",
            "explicit Runge-Kutta 3(2), adaptive, for loose tolerances",
            "explicit:bosh3",
            "Adaptive",
            "Bogacki and Shampine 1989",
        ),
        ("heun-euler", "explicit Runge-Kutta 2(1), adaptive", "explicit:heun_euler", "Adaptive", "Heun 1900"),
        (
            "dopri8",
            "explicit Runge-Kutta 8(7), adaptive, for tight tolerances",
            "explicit:dopri8",
            "Adaptive",
            "Prince and Dormand 1981",
        ),
        *(
            (
                f"torchdiffeq/{name}",
                f"torchdiffeq's {name}, its error and stiffness opened; or its continuous adjoint",
                f"torchdiffeq_adapter:{name}",
                "TorchDiffEq",
                "Chen, torchdiffeq, 2018",
            )
            for name in ("dopri5", "bosh3", "dopri8")
        ),
    ),
    ("sde", "sde"): (
        ("sosri", "stochastic Runge-Kutta 1.5, diagonal noise, adaptive", "solvers:sosri", "Adaptive", _SRK),
        ("sosri2", "stochastic Runge-Kutta 1.5 with a stiffness estimate", "solvers:sosri2", "Adaptive", _SRK),
        ("sra1", "stochastic Runge-Kutta 1.5, additive noise, adaptive", "solvers:sra1", "Adaptive", "Roessler 2010"),
        ("euler-maruyama", "strong order 1/2, fixed steps", "solvers:EulerMaruyama", "Fixed", "Maruyama 1955"),
        (
            "milstein",
            "strong order 1, diagonal noise, fixed steps",
            "solvers:Milstein",
            "Fixed",
            "Kloeden and Platen 1992",
        ),
    ),
    ("conditioning", "gaussian"): (
        (
            "gaussian",
            "Gaussians given linear constraints, in linear time and memory",
            "solver:Conditioner",
            "Conditioner",
            _PROBCONSERV,
        ),
        (
            "gaussian-dense",
            "the same by dense algebra: the reference",
            "solver:DenseConditioner",
            None,
            _PROBCONSERV,
        ),
    ),
    ("game", "games"): (
        (
            "quantal-response",
            "the equilibrium by an interior point and Newton's method, at any temperature; at 0 that of Nash",
            "solvers:quantal_response",
            None,
            "McKelvey, Palfrey 1995",
        ),
        (
            "mirror-ascent",
            "the same by small steps along the gradient: the reference",
            "solvers:mirror_ascent",
            "MirrorAscent",
            "",
        ),
    ),
    ("coupling", "coupling"): (
        (
            "greedy-mec",
            "the largest symbols together, in O(n log n)",
            "solvers:greedy",
            None,
            "Kocaoglu et al., AAAI 2017",
        ),
        ("zero-seeking-mec", "the symbols of nearest masses together", "solvers:zero_seeking", None, _MECB),
        ("exact-mec", "the least entropy there is, for few symbols", "solvers:exact", "Exact", ""),
        ("independent", "the product law", "solvers:product", None, ""),
    ),
    ("bottleneck", "coupling"): (
        ("ebim", "the greedy deterministic map, in closed form", "solvers:closed_form", None, _MECB),
        ("ebim-refined", "one move away from a map", "solvers:refined", "Refined", _MECB),
        ("uniform-quantiser", "blocks of neighbours that never move", "solvers:uniform", None, _MECB),
        ("adaptive-quantiser", "ranks of the posterior, dealt out to the codes", "solvers:adaptive", None, ""),
        (
            "shkel-verdu",
            "fixed-length codes of even masses",
            "solvers:single_shot",
            None,
            "Shkel, Verdu, IEEE T-IT 64, 2018",
        ),
    ),
}


@hookimpl
def register_solvers(register: Register) -> None:
    for (problem, room), rows in _SOLVERS.items():
        here = f"{__name__}.{room}"
        for name, summary, target, options, reference in rows:
            config, extra = options and f"{here}.options:{options}", _EXTRAS.get(target.partition(":")[0])
            register(Component(name, summary, f"{here}.{target}", config, problem, extra, reference))
