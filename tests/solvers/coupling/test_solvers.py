"""The registered couplers and encoders keep the contract that third parties' keep."""

from __future__ import annotations

import numpy as np
import pytest

from heatbath.core.contracts import Bottleneck, Marginals
from heatbath.core.errors import ConformanceError
from heatbath.core.hookspecs import Component, hookimpl
from heatbath.core.host import Host
from heatbath.solvers.coupling import mecb_rows
from heatbath.solvers.coupling.solvers import joint_rows
from heatbath.testing import build, check_solver

COUPLERS = ("greedy-mec", "zero-seeking-mec", "exact-mec", "independent")
ENCODERS = ("ebim", "ebim-refined", "uniform-quantiser", "adaptive-quantiser", "shkel-verdu")


@pytest.mark.parametrize("name", [*COUPLERS, *ENCODERS])
def test_conforms(host: Host, name: str):
    check_solver(host, name)


def test_nothing_else_is_registered(host: Host):
    assert {*host.names("solvers", "coupling")} == {*COUPLERS}
    assert {*host.names("solvers", "bottleneck")} == {*ENCODERS}


def test_statistics_say_what_was_reached(host: Host):
    coupled = build(host, "solvers", "greedy-mec").solve(Marginals(((0.6, 0.4), (0.5, 0.5))))
    assert coupled.stats == {"atoms": 3, "joint_entropy": pytest.approx(1.360964, abs=1e-6)}
    code = build(host, "solvers", "ebim").solve(Bottleneck((0.7, 0.2, 0.1), 0.9))
    assert code.stats["code_entropy"] == code.stats["information"] == pytest.approx(0.881291, abs=1e-6)


def test_options_reach_the_solver(host: Host):
    with pytest.raises(ValueError, match="at most 3 symbols"):
        build(host, "solvers", "exact-mec", max_symbols=3).solve(Marginals(((0.5, 0.5), (0.5, 0.5))))
    source = Bottleneck((0.7, 0.2, 0.1), 0.7)
    few, every = (build(host, "solvers", "ebim-refined", candidates=c).solve(source) for c in ("greedy", "all"))
    assert few.stats["information"] < every.stats["information"]


@pytest.mark.parametrize("coupler", COUPLERS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_any_two_make_rows(host: Host, encoder: str, coupler: str):
    rng = np.random.default_rng(0)
    P, Q = rng.dirichlet(np.ones(6), 4), rng.dirichlet(np.ones(3), 4)
    parts = build(host, "solvers", encoder), build(host, "solvers", coupler)
    joint = joint_rows(*parts, P, Q, 1.3)
    assert joint.sum(2) == pytest.approx(P, abs=1e-12)
    assert joint.sum(1) == pytest.approx(Q, abs=1e-12)
    assert np.array_equal(joint_rows(*parts, P[2:3], Q[2:3], 1.3)[0], joint[2])
    if (encoder, coupler) == ("ebim", "greedy-mec"):
        assert np.array_equal(joint, mecb_rows(P, Q, 1.3))


class Careless:
    """A coupler that forgets a symbol, and an encoder that does not look at the rate."""

    records: frozenset[str] = frozenset()

    def __init__(self, options, setup): ...

    def solve(self, problem, *, record=frozenset(), on_step=None, generator=None):
        import numpy as np

        from heatbath.core.contracts import Solution
        from heatbath.solvers.coupling import Coupling

        if isinstance(problem, Bottleneck):
            return Solution(np.arange(len(problem.source)))
        return Solution(Coupling(np.zeros((2, 1), np.int64), np.ones(1), problem.masses))


class Plugin:
    @hookimpl
    def register_solvers(self, register):
        for problem in ("coupling", "bottleneck"):
            register(Component(f"careless/{problem}", "wrong", f"{__name__}:Careless", problem=problem))


def test_the_check_finds_what_is_wrong(host: Host, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules[Careless.__module__])
    host.add(Plugin(), "careless", "careless", "1")
    with pytest.raises(ConformanceError, match=r"marginal 0 of the answer is off by 0\.5"):
        check_solver(host, "careless/coupling")
    with pytest.raises(ConformanceError, match=r"a code of 1\.15678 bits at a rate of 0\.0"):
        check_solver(host, "careless/bottleneck")
