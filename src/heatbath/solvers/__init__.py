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
