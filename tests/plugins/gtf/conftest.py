"""What the tests of the method share."""

import pytest


@pytest.fixture
def undrawn(monkeypatch):
    """Runs without pictures, which are most of the time of a small one."""
    monkeypatch.setattr("heatbath.core.loop._draw", lambda run: [])
