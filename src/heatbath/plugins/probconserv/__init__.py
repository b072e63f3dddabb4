"""ProbConserv: laws of fields that conserve, by conditioning what a model predicts."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_HERE = "heatbath.plugins.probconserv"
_PAPER = "Hansen, Maddix, Alizadeh, Gupta, Mahoney, ICML 2023"


@hookimpl
def register_experiments(register: Register) -> None:
    for name, summary, options in (
        ("probconserv.pme", "conserving forecasts of the porous medium equation", "PorousMedium"),
        ("probconserv.stefan", "conserving forecasts of the Stefan problem", "Stefan"),
    ):
        about = f"{summary}; a step is one optimiser step"
        target = f"{_HERE}.experiments:Forecasting"
        register(Component(name, about, target, f"{_HERE}.options:{options}", reference=_PAPER))


@hookimpl
def register_constraints(register: Register) -> None:
    for name, summary, attribute in (
        ("mass", "the integral of each field is known", "Mass"),
        ("smooth-mass", "the same, after smoothing by artificial diffusion", "SmoothMass"),
        ("hardc", "the same, spread evenly and without a change of the variances: a baseline", "HardC"),
    ):
        target, options = f"{_HERE}.constraints:{attribute}", f"{_HERE}.options:{attribute}"
        register(Component(name, summary, target, options, reference=_PAPER))


@hookimpl
def register_models(register: Register) -> None:
    register(
        Component(
            "deep-ensemble",
            "networks that predict a mean and a variance at each point",
            f"{_HERE}.models:DeepEnsemble",
            f"{_HERE}.options:DeepEnsemble",
            problem="field",
            reference="Lakshminarayanan, Pritzel, Blundell, NeurIPS 2017",
        )
    )


@hookimpl
def register_losses(register: Register) -> None:
    for name, summary, attribute in (
        ("probconserv.nll", "negative log likelihood, through the constraint", "NegativeLogLikelihood"),
        ("probconserv.crps", "continuous ranked probability score, through the constraint", "RankedProbability"),
    ):
        register(Component(name, summary, f"{_HERE}.losses:{attribute}", f"{_HERE}.options:Score", reference=_PAPER))


@hookimpl
def register_metrics(register: Register) -> None:
    for name, summary, attribute, options in (
        ("conservation-error", "largest error of the mean's integral", "ConservationError", None),
        ("log-likelihood", "log density of the points, one by one, in nats", "LogLikelihood", "LogLikelihood"),
        ("field-mse", "squared error of the mean", "MeanSquaredError", None),
        ("mahalanobis-error", "squared error of the mean, in the variances before conditioning", "Mahalanobis", None),
        ("coverage", "points inside of the central interval", "Coverage", "Coverage"),
    ):
        chosen = options and f"{_HERE}.options:{options}"
        register(Component(name, summary, f"{_HERE}.metrics:{attribute}", chosen, reference=_PAPER))
