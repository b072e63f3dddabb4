"""Neural ordinary differential equations, regularised by what their solver estimates: its error and the stiffness."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_HERE = "heatbath.plugins.neural_ode"
_PAPER = "Pal, Ma, Shah, Rackauckas, ICML 2021"


@hookimpl
def register_losses(register: Register) -> None:
    for name, summary, attribute in (
        ("neural-ode.error", "the solver's scaled error of its steps, a price on hard dynamics", "ErrorPenalty"),
        ("neural-ode.stiffness", "the solver's stiffness estimate of its steps", "StiffnessPenalty"),
    ):
        register(
            Component(name, summary, f"{_HERE}.losses:{attribute}", f"{_HERE}.options:{attribute}", reference=_PAPER)
        )


@hookimpl
def register_models(register: Register) -> None:
    register(
        Component(
            "neural-ode.mlp",
            "a vector field with one hidden layer, which may depend on time",
            f"{_HERE}.models:VectorField",
            f"{_HERE}.options:VectorField",
            problem="ode",
            reference=_PAPER,
        )
    )


@hookimpl
def register_experiments(register: Register) -> None:
    register(
        Component(
            "neural-ode.spiral",
            "learn a cubic spiral from windows of its course; a step is one optimiser step",
            f"{_HERE}.spiral:SpiralTask",
            f"{_HERE}.options:Spiral",
            reference="Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018",
        )
    )
    register(
        Component(
            "neural-ode.digits",
            "classify handwritten digits by a flow; a step is one optimiser step",
            f"{_HERE}.digits:DigitsTask",
            f"{_HERE}.options:Digits",
            extra="data",
            reference=_PAPER,
        )
    )


@hookimpl
def register_tables(register: Register) -> None:
    register(
        Component(
            "neural-ode.digits",
            "error and stiffness penalties on digits, with controls",
            f"{_HERE}.tables:DIGITS",
            reference=_PAPER,
        )
    )
