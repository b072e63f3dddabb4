"""Fixtures of the suite, and what is left out on a machine without a GPU."""

from __future__ import annotations

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
