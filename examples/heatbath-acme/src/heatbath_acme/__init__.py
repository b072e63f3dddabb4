"""Somebody else's plugin: what it offers, in names and lazy targets. Importing this imports no torch."""

from __future__ import annotations

from heatbath import Component, hookimpl


@hookimpl
def register_losses(register):
    register(
        Component(
            "acme/jerk",
            "third differences of the prediction in time",
            "heatbath_acme.losses:Jerk",
            "heatbath_acme.options:Jerk",
        )
    )


@hookimpl
def register_schedules(register):
    register(
        Component(
            "acme/cosine",
            "half a cosine from start to 0",
            "heatbath_acme.schedules:Cosine",
            "heatbath_acme.options:Cosine",
        )
    )


@hookimpl
def register_solvers(register):
    register(
        Component(
            "acme/heun",
            "Heun 2(1), adaptive steps",
            "heatbath_acme.solvers:Heun",
            "heatbath_acme.options:Heun",
            problem="ode",
        )
    )
    register(
        Component(
            "acme/north-west",
            "couple symbols in the order in which they stand",
            "heatbath_acme.couplers:NorthWest",
            problem="coupling",
        )
    )
    register(
        Component(
            "acme/fictitious-play",
            "answer what the other has played so far",
            "heatbath_acme.games:FictitiousPlay",
            "heatbath_acme.options:FictitiousPlay",
            problem="game",
        )
    )


@hookimpl
def register_agents(register):
    register(
        Component(
            "acme/climber",
            "a linear policy, improved by trying",
            "heatbath_acme.agents:Climber",
            "heatbath_acme.options:Climber",
            problem="control",
        )
    )


@hookimpl
def register_experiments(register):
    register(
        Component(
            "acme/thermostat",
            "heat leaky rooms to 20 degrees; a step is one day of every room",
            "heatbath_acme.experiments:Thermostat",
            "heatbath_acme.options:Thermostat",
        )
    )
