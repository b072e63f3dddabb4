"""Generalized teacher forcing: models of chaotic dynamics, trained on forced trajectories, judged on free ones."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_HERE = "heatbath.plugins.gtf"
_PAPER = "Hess, Monfared, Brenner, Durstewitz, ICML 2023"


@hookimpl
def register_experiments(register: Register) -> None:
    for name, summary, target, options in (
        (
            "gtf.lorenz63",
            "learn the Lorenz-63 attractor from a noisy series; a step is one optimiser step",
            "Reconstruction",
            "Reconstruction",
        ),
        (
            "gtf.series",
            "learn the dynamics behind a measured series; a step is one optimiser step",
            "SeriesReconstruction",
            "Series",
        ),
    ):
        register(
            Component(name, summary, f"{_HERE}.experiments:{target}", f"{_HERE}.options:{options}", reference=_PAPER)
        )


@hookimpl
def register_models(register: Register) -> None:
    for name, summary, module, attribute, reference in (
        ("shallow-plrnn", "A z + W1 relu(W2 z + h2) + h1, clipped or not", "models", "ShallowPLRNN", _PAPER),
        ("plrnn", "A z + W relu(z) + h, mean-centred or not", "models", "PLRNN", "Durstewitz, PLoS Comput. Biol. 2017"),
        (
            "dendritic-plrnn",
            "A z + W sum_b alpha_b relu(z - H_b) + h, clipped or not",
            "models",
            "DendriticPLRNN",
            "Brenner et al., ICML 2022",
        ),
        ("al-rnn", "almost linear: only a few units bend", "models", "AlmostLinearRNN", "Brenner et al., NeurIPS 2024"),
        ("gru", "torch.nn.GRUCell, run without inputs", "cells", "GRU", "Cho et al., EMNLP 2014"),
        ("neural-flow", "a neural ODE over one interval", "cells", "NeuralFlow", "Chen et al., NeurIPS 2018"),
    ):
        target, options = f"{_HERE}.{module}:{attribute}", f"{_HERE}.options:{attribute}"
        register(Component(name, summary, target, options, problem="recurrence", reference=reference))
    for name, summary, attribute in (
        ("identity", "the first units of the state are what is seen", "Identity"),
        ("affine", "a linear readout, inverted by its pseudo-inverse", "Affine"),
    ):
        register(Component(name, summary, f"{_HERE}.observation:{attribute}", problem="observation", reference=_PAPER))


@hookimpl
def register_schedules(register: Register) -> None:
    register(
        Component(
            "gtf.adaptive",
            "the forcing strength that keeps gradients bounded, from the model's Jacobians",
            f"{_HERE}.adaptive:Adaptive",
            f"{_HERE}.options:Adaptive",
            reference=f"{_PAPER}, algorithm 1",
        )
    )


@hookimpl
def register_losses(register: Register) -> None:
    for name, summary, attribute in (
        ("gtf.l2", "squared weights, the linear part drawn to 1", "L2"),
        ("gtf.observation", "condition number of the readout", "ObservationCondition"),
    ):
        register(Component(name, summary, f"{_HERE}.losses:{attribute}", reference=_PAPER))


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
    for name, summary, attribute in (
        ("gtf.lorenz63", "forced, adaptively forced, free and fully forced training on Lorenz-63", "LORENZ63"),
        ("gtf.ecg", "GTF, aGTF and STF on an electrocardiogram", "ECG"),
        ("gtf.eeg", "GTF, aGTF and STF on an electroencephalogram", "EEG"),
    ):
        register(Component(name, summary, f"{_HERE}.tables:{attribute}", reference=_PAPER))
