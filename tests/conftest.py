"""Fixtures of the suite, and what is left out on a machine without a GPU."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import torch

from tests.accelerator import accelerator
from tests.making import install, parts, python

__all__ = ["accelerator", "install", "parts", "python"]

pytest_plugins = ["heatbath.testing"]


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
