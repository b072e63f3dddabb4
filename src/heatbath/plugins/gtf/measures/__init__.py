"""Invariant measures of a generated series beside a true one, and what can be told of a model itself.

Which variant: unless said otherwise, histograms reach 0.1 standard deviations beyond the true range and are smoothed by
a pseudocount; mixtures have variance 1 around the first 10 000 points; spectra are of z-scored series and smoothed by a
Gaussian of 20 frequency bins; the prediction error is that of the n-th step alone. Laboratories differ, so a figure
means something only with its variant and with the floor that two true series reach (`floors`).
"""

from __future__ import annotations

from heatbath.plugins.gtf.measures.cycles import Cycle, find_cycles, fixed_points
from heatbath.plugins.gtf.measures.floors import floors
from heatbath.plugins.gtf.measures.forecasts import prediction_error
from heatbath.plugins.gtf.measures.latent import decode, encode
from heatbath.plugins.gtf.measures.lyapunov import (
    jacobian_of,
    kaplan_yorke_dimension,
    lyapunov_spectrum,
    orbit_spectrum,
    tangent_of,
)
from heatbath.plugins.gtf.measures.mixture import log_mixture, mixture_divergence
from heatbath.plugins.gtf.measures.series import SeriesError
from heatbath.plugins.gtf.measures.spectra import constant_variables, power_spectra, spectrum_distance
from heatbath.plugins.gtf.measures.state_space import EXTENTS, state_space_divergence

__all__ = [
    "EXTENTS",
    "Cycle",
    "SeriesError",
    "constant_variables",
    "decode",
    "encode",
    "find_cycles",
    "fixed_points",
    "floors",
    "jacobian_of",
    "kaplan_yorke_dimension",
    "log_mixture",
    "lyapunov_spectrum",
    "mixture_divergence",
    "orbit_spectrum",
    "power_spectra",
    "prediction_error",
    "spectrum_distance",
    "state_space_divergence",
    "tangent_of",
]
