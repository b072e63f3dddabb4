"""Every registered first-party experiment, cut in two, ends as the one that was not: `check_experiment`, made small."""

import sys

import pytest

from heatbath import Host
from heatbath.core import discovery
from heatbath.testing import check_experiment

SMALL = {
    "gtf.lorenz63": {
        "points": 400,
        "window": 5,
        "batch": 2,
        "batches_per_epoch": 3,
        "model": {"hidden": 4},
        "metrics": {"lyapunov_max": {"use": "lyapunov-max", "segments": 2, "steps": 20, "transient": 5}},
    },
}
SMALL["gtf.series"] = SMALL["gtf.lorenz63"]
SMALL["mecb.bottleneck"] = {}
SMALL["mecb.couplings"] = {"support": 6}
SMALL["probconserv.pme"] = {
    "model": {"members": 2, "hidden": 8, "layers": 1},
    "slices": 3,
    "points": 6,
    "grid": 21,
    "chunk": 2,
}
SMALL["probconserv.stefan"] = SMALL["probconserv.pme"]
SMALL["neural-ode.spiral"] = {"points": 40, "duration": 4.0, "window": 4, "batch": 2, "batches_per_epoch": 2}
SMALL["neural-ode.digits"] = {"batch": 512, "solver": {"rtol": 1e-3, "atol": 1e-3}}
SMALL["qarl.matrix-game"] = {}
SMALL["qarl.lq"] = {}
"""Options that make a run of a few chunks take a second; `{}` where the defaults do."""


def first_party():
    host = Host(strict=True).load("all", offers=[offer for offer in discovery.installed() if offer.first_party])
    return host.names("experiments")


@pytest.mark.parametrize("name", first_party())
def test_a_run_that_is_cut_off_and_resumed_is_the_run_that_was_not(host, tmp_path, monkeypatch, name):
    assert name in SMALL, f"add options to SMALL that make {name} short"
    if name == "neural-ode.digits":
        pytest.importorskip("sklearn")
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # pictures take longer than the runs
    check_experiment(host, name, tmp_path, device="cpu", **SMALL[name])
