"""The compiled scan against the plain one."""

from __future__ import annotations

from heatbath.core.host import Host
from heatbath.testing import check_solver


def test_the_compiled_scan_keeps_the_contract_of_solvers(host: Host) -> None:
    check_solver(host, "compiled")
