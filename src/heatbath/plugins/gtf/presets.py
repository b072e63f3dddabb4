"""Published settings by name. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heatbath.core.presets import Preset

REPOSITORY = "Hess et al., ICML 2023, settings of the authors' repository"
FULL = {"steps": 250_000, "evaluate_every": 50_000}
"""5000 epochs of 50 optimiser steps, the length of every published run."""

LORENZ63: Mapping[str, Preset] = {
    "lorenz63-full": Preset(
        {**FULL, "alpha": {"use": "gtf.adaptive", "estimator": "product-upper-bound"}},
        f"{REPOSITORY}: its defaults, M = 3, L = 100, adaptive forcing from 1, 250 000 steps",
    ),
}


def _signal(files: Mapping[str, Any], latent: int, hidden: int) -> dict[str, Any]:
    model = {"use": "shallow-plrnn", "hidden": hidden}
    # The files are trained on as they are: they come prepared, and the prediction error depends on their scale.
    return {**FULL, **files, "standardise": False, "latent": latent, "observation": "affine", "model": model}


def _losses(l2: float, observation: float) -> dict[str, Any]:
    return {"l2": {"weight": l2}, "observation": {"use": "gtf.observation", "weight": observation}}


_ECG = _signal({"series": "ecg/ecg_train.npy", "test": "ecg/ecg_test.npy"}, latent=5, hidden=250)
_EEG = {
    **_signal({"series": "eeg/eeg.npy", "test": "eeg/eeg.npy"}, latent=16, hidden=512),
    "metrics": {"d_stsp": "d-stsp-mixture"},
}

ECG: Mapping[str, Preset] = {
    "ecg-gtf": Preset(
        {**_ECG, "alpha": 0.3, "window": 200, "losses": _losses(0.0, 1e-7)},
        f"{REPOSITORY}, table 1, ECG, shPLRNN + GTF",
    ),
    "ecg-agtf": Preset(
        {
            **_ECG,
            "alpha": {"use": "gtf.adaptive", "estimator": "product-upper-bound"},
            "window": 200,
            "losses": _losses(1e-5, 1e-6),
        },
        f"{REPOSITORY}, table 1, ECG, shPLRNN + aGTF",
    ),
    "ecg-stf": Preset(
        {**_ECG, "alpha": 0.0, "window": 221, "losses": _losses(1e-5, 1e-6)},
        f"{REPOSITORY}, table 1, ECG, shPLRNN + STF",
    ),
}
"""Sparse teacher forcing every tau steps is, as published, free runs of tau steps from data: alpha 0, window tau."""

EEG: Mapping[str, Preset] = {
    "eeg-gtf": Preset(
        {**_EEG, "alpha": 0.1, "window": 50, "losses": _losses(1e-4, 1e-6)},
        f"{REPOSITORY}, table 1, EEG, shPLRNN + GTF",
    ),
    "eeg-agtf": Preset(
        {
            **_EEG,
            "alpha": {"use": "gtf.adaptive", "estimator": "arithmetic-mean"},
            "window": 50,
            "losses": _losses(1e-4, 1e-6),
        },
        f"{REPOSITORY}, table 1, EEG, shPLRNN + aGTF",
    ),
    "eeg-stf": Preset(
        {**_EEG, "alpha": 0.0, "window": 41, "losses": _losses(1e-4, 1e-6)},
        f"{REPOSITORY}, table 1, EEG, shPLRNN + STF",
    ),
}
"""The published test series is the training series: the authors' repository holds one file under both names."""
