"""Simulators, and the plugin that registers them."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl


@hookimpl
def register_envs(register: Register) -> None:
    register(
        Component(
            "lorenz63",
            "convection in three variables, chaotic",
            "heatbath.envs.chaotic.lorenz:Lorenz63",
            "heatbath.envs.chaotic.options:Lorenz63",
            problem="flow",
            reference="Lorenz, J. Atmos. Sci. 20, 1963",
        )
    )
