"""The two readings of the method by name: the authors' repository, and the text of the paper. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heatbath.core.presets import Preset

FALLING = {"use": "exponential", "start": 100.0, "end": 10.0}
"""The published coefficient of the error on MNIST."""

REPOSITORY_ERROR: Mapping[str, Any] = {
    "use": "neural-ode.error", "aggregate": "mean", "by_length": True, "power": 1, "weight": FALLING,
}  # fmt: skip
TEXT_ERROR: Mapping[str, Any] = {**REPOSITORY_ERROR, "aggregate": "sum"}
REPOSITORY_STIFFNESS: Mapping[str, Any] = {
    "use": "neural-ode.stiffness", "aggregate": "max", "by_length": False, "per_stability": True, "weight": 0.1,
}  # fmt: skip
TEXT_STIFFNESS: Mapping[str, Any] = {
    "use": "neural-ode.stiffness", "aggregate": "sum", "by_length": True, "per_stability": False, "weight": 0.0285,
}  # fmt: skip

DIGITS: Mapping[str, Preset] = {
    "paper-repo": Preset(
        {"losses": {"penalty": REPOSITORY_ERROR}}, "RegNeuralDE.jl: mean over steps of E h, weight 100 to 10"
    ),
    "paper-text": Preset(
        {"losses": {"penalty": TEXT_ERROR}}, "Pal et al., ICML 2021: sum over steps of E |h|, weight 100 to 10"
    ),
    "paper-repo-stiffness": Preset(
        {"losses": {"penalty": REPOSITORY_STIFFNESS}}, "RegNeuralDE.jl: max over steps of S / 3.5068, weight 0.1"
    ),
    "paper-text-stiffness": Preset(
        {"losses": {"penalty": TEXT_STIFFNESS}}, "Pal et al., ICML 2021: sum over steps of S |h|, weight 0.0285"
    ),
}
