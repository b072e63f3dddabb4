"""MEC-B: couplings of least entropy through a bottleneck. The coding games that they were made for come later."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_HERE = "heatbath.plugins.mecb"
_PAPER = "Ebrahimi, Chen, Khisti, NeurIPS 2024"


@hookimpl
def register_experiments(register: Register) -> None:
    register(
        Component(
            "mecb.bottleneck",
            "what a code of bounded entropy tells about its source; a step is one rate",
            f"{_HERE}.experiments:Bottleneck",
            f"{_HERE}.options:Bottleneck",
            reference=_PAPER,
        )
    )
    register(
        Component(
            "mecb.couplings",
            "joint entropies that a coupler reaches on random marginals; a step is one pair",
            f"{_HERE}.experiments:Couplings",
            f"{_HERE}.options:Couplings",
            reference=_PAPER,
        )
    )


@hookimpl
def register_tables(register: Register) -> None:
    register(
        Component(
            "mecb.table1",
            "joint entropies of couplings of random marginals",
            f"{_HERE}.tables:TABLE1",
            reference=_PAPER,
        )
    )
