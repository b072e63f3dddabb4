"""Fixtures of the suite, and what is left out on a machine without a GPU."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from heatbath.core.errors import HeatbathError
from heatbath.core.host import Host
from tests.accelerator import accelerator
from tests.making import install, parts, python

__all__ = ["accelerator", "install", "parts", "python"]

pytest_plugins = ["heatbath.testing"]
EXAMPLE = Path(__file__).parents[1] / "examples/heatbath-acme/src"


@pytest.fixture
def acme(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """With the example's plugin, installed or not."""
    if any(row.name == "acme" for row in host.plugins):
        return host
    try:
        return host.load("acme")
    except HeatbathError:
        if not EXAMPLE.is_dir():
            pytest.skip("the example is not part of an installed package")
        monkeypatch.syspath_prepend(EXAMPLE)
        host.add(importlib.import_module("heatbath_acme"), "acme", "heatbath-acme", "0.1.0")
        return host


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch sees none here"))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What this process starts hears Ctrl-C, also where a shell started the suite in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
