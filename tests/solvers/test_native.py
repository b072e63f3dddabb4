"""Compiled kernels are loaded where they were built, and their absence is said once."""

import logging
from importlib.machinery import ModuleSpec

import pytest

from heatbath.solvers import native
from heatbath.solvers.native import SWITCH, library

BUILT = "numpy._core._multiarray_umath"
"""A shared library that is always there."""


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    """What was loaded before is asked for again, here and afterwards."""
    monkeypatch.delenv(SWITCH, raising=False)
    library.cache_clear()
    yield
    library.cache_clear()


def test_a_library_that_was_built_is_loaded_once():
    loaded = library(BUILT)
    assert loaded is not None
    assert loaded._name.endswith(".so") or loaded._name.endswith((".pyd", ".dylib"))
    assert library(BUILT) is loaded


@pytest.mark.parametrize(("value", "found"), [("0", False), ("1", True), ("", True)])
def test_the_switch_leaves_them_out(monkeypatch, value, found):
    monkeypatch.setenv(SWITCH, value)
    assert (library(BUILT) is not None) is found


def test_one_that_was_not_built_is_none_and_said_once(caplog):
    caplog.set_level(logging.INFO)
    for _ in range(2):
        assert library("heatbath.solvers._absent") is None
    (said,) = caplog.messages
    assert (
        said == "heatbath.solvers._absent was not built (no C compiler at installation?): the slower reference is used"
    )


def test_a_package_without_a_file_is_none(monkeypatch):
    monkeypatch.setattr(native, "find_spec", lambda name: ModuleSpec(name, None))
    assert library("anything") is None


def test_one_that_cannot_be_loaded_is_none_and_said_once(caplog, tmp_path, monkeypatch):
    broken = tmp_path / "_kernel.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(native, "find_spec", lambda name: ModuleSpec(name, None, origin=str(broken)))
    for _ in range(2):
        assert library("heatbath.solvers.broken") is None
    (said,) = caplog.messages
    assert said.startswith("heatbath.solvers.broken cannot be loaded, the slower reference is used: ")
