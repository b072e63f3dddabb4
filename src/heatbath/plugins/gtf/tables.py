"""Tables to make again."""

from __future__ import annotations

from heatbath.core.tables import Row, Table

LORENZ63 = Table(
    experiment="gtf.lorenz63",
    metrics=("d_stsp", "d_hellinger", "prediction_error_20", "lyapunov_max"),
    rows=(
        Row(
            "forced",
            {"alpha": 0.15},
            {"d_stsp": 0.2333, "d_hellinger": 0.0807, "lyapunov_max": 0.9048},
            "published: one pretrained unclipped model, L=50, alpha 0.125, T=75, bins over [min, max]",
        ),
        Row("free", {"alpha": 0.0}, note="alpha 0, trained on free runs"),
        Row("teacher", {"alpha": 1.0}, note="alpha 1, trained on single steps"),
    ),
    source="output of the CNS-2023 tutorial of the authors' laboratory; the paper's own Lorenz-63 table is not at hand",
)
