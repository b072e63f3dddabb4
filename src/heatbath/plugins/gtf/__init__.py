"""Generalized teacher forcing: models of chaotic dynamics, trained on forced trajectories, judged on free ones."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_HERE = "heatbath.plugins.gtf"
_PAPER = "Hess, Monfared, Brenner, Durstewitz, ICML 2023"


@hookimpl
def register_experiments(register: Register) -> None:
    register(
        Component(
            "gtf.lorenz63",
            "learn the Lorenz-63 attractor from a noisy series; a step is one optimiser step",
            f"{_HERE}.experiments:Reconstruction",
            f"{_HERE}.options:Reconstruction",
            reference=_PAPER,
        )
    )


@hookimpl
def register_models(register: Register) -> None:
    register(
        Component(
            "shallow-plrnn",
            "A z + W1 relu(W2 z + h2) + h1, clipped or not",
            f"{_HERE}.models:ShallowPLRNN",
            f"{_HERE}.options:ShallowPLRNN",
            problem="recurrence",
            reference=_PAPER,
        )
    )


@hookimpl
def register_losses(register: Register) -> None:
    register(Component("gtf.l2", "squared weights, the linear part drawn to 1", f"{_HERE}.losses:L2", reference=_PAPER))


@hookimpl
def register_metrics(register: Register) -> None:
    for name, summary, attribute in (
        ("d-stsp", "divergence of the occupied state space (bins)", "StateSpaceDivergence"),
        ("d-stsp-mixture", "divergence of the occupied state space (Gaussian mixtures)", "MixtureDivergence"),
        ("d-hellinger", "Hellinger distance of the power spectra", "SpectrumDistance"),
        ("prediction-error", "squared error n steps ahead", "PredictionError"),
        ("lyapunov-max", "largest Lyapunov exponent of the model", "LargestLyapunovExponent"),
        ("lyapunov-spectrum", "Lyapunov exponents of the model, several values", "LyapunovSpectrum"),
        ("kaplan-yorke", "dimension of the model's attractor, from its exponents", "KaplanYorkeDimension"),
    ):
        options = f"{_HERE}.options:{attribute}"
        register(Component(name, summary, f"{_HERE}.metrics:{attribute}", options, reference=_PAPER))


@hookimpl
def register_tables(register: Register) -> None:
    register(
        Component(
            "gtf.lorenz63",
            "forced, free and fully forced training on Lorenz-63",
            f"{_HERE}.tables:LORENZ63",
            reference=_PAPER,
        )
    )
