"""Fixtures for pytest; a test suite takes them with `pytest_plugins = ["heatbath.testing"]`."""

from __future__ import annotations

import pytest

from heatbath.core import discovery
from heatbath.core.host import Host


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A strict host with heatbath's own plugins, whatever else is installed and whatever the environment says.

    `host.load("acme")` adds an installed plugin, `host.add(module, "acme")` one that is not installed.
    """
    for name in ("HEATBATH_PLUGINS", "HEATBATH_STRICT", "HEATBATH_DATA"):
        monkeypatch.delenv(name, raising=False)
    first_party = [offer for offer in discovery.installed() if offer.first_party]
    return Host(strict=True).load("all", offers=first_party)
