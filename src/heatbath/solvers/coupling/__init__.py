"""Minimum-entropy couplings, with and without a bottleneck. All entropies in this room are in bits.

>>> from heatbath.solvers.coupling import greedy_mec
>>> coupling = greedy_mec([0.5, 0.25, 0.25], [0.6, 0.4])
>>> round(coupling.entropy, 6), round(coupling.gap, 6)
(1.742738, 0.242738)

Public names are imported when first asked for, so that a plugin's entry module stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heatbath.core.lazy import lazily

if TYPE_CHECKING:
    from heatbath.solvers.coupling.bottleneck import BottleneckCoupling, mecb, mecb_rows
    from heatbath.solvers.coupling.closed_form import ebim, ebim_rows
    from heatbath.solvers.coupling.code import Code
    from heatbath.solvers.coupling.exact import exact_mec
    from heatbath.solvers.coupling.factored import FactoredBelief, couple_factored
    from heatbath.solvers.coupling.greedy import greedy_mec, greedy_rows
    from heatbath.solvers.coupling.joint import Coupling, independent
    from heatbath.solvers.coupling.lower_bounds import Bounds, bounds
    from heatbath.solvers.coupling.marginals import CouplingError, entropy
    from heatbath.solvers.coupling.quantisers import adaptive_quantiser, shkel_verdu, uniform_quantiser
    from heatbath.solvers.coupling.refined import ebim_refined
    from heatbath.solvers.coupling.zero_seeking import zero_seeking_mec

_HOMES = {
    "BottleneckCoupling": "bottleneck",
    "Bounds": "lower_bounds",
    "Code": "code",
    "Coupling": "joint",
    "CouplingError": "marginals",
    "FactoredBelief": "factored",
    "adaptive_quantiser": "quantisers",
    "bounds": "lower_bounds",
    "couple_factored": "factored",
    "ebim": "closed_form",
    "ebim_refined": "refined",
    "ebim_rows": "closed_form",
    "entropy": "marginals",
    "exact_mec": "exact",
    "greedy_mec": "greedy",
    "greedy_rows": "greedy",
    "independent": "joint",
    "mecb": "bottleneck",
    "mecb_rows": "bottleneck",
    "shkel_verdu": "quantisers",
    "uniform_quantiser": "quantisers",
    "zero_seeking_mec": "zero_seeking",
}

__all__ = [
    "BottleneckCoupling",
    "Bounds",
    "Code",
    "Coupling",
    "CouplingError",
    "FactoredBelief",
    "adaptive_quantiser",
    "bounds",
    "couple_factored",
    "ebim",
    "ebim_refined",
    "ebim_rows",
    "entropy",
    "exact_mec",
    "greedy_mec",
    "greedy_rows",
    "independent",
    "mecb",
    "mecb_rows",
    "shkel_verdu",
    "uniform_quantiser",
    "zero_seeking_mec",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
