"""Compiled kernels: small C libraries that setuptools builds as optional extensions, loaded with ctypes.

A kernel's folder holds its C sources; `pyproject.toml` lists it under `ext-modules`. The library includes no Python
header, so any C compiler with vector extensions builds it, in seconds. Where none was found, the plain reference is
used.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from importlib.util import find_spec

logger = logging.getLogger("heatbath")

SWITCH = "HEATBATH_NATIVE"
"""Set to 0 to leave the compiled kernels out; whether results then agree to the bit, each kernel's module says."""


@functools.cache
def library(module: str) -> ctypes.CDLL | None:
    """The shared library that was built as the extension `module`, or None where there is none.

    Args:
        module: its dotted name, such as `heatbath.solvers.recurrence._kernel`.

    Returns:
        The library, whose functions have no types yet. Absence is said once, in the log.
    """
    if os.environ.get(SWITCH, "1") == "0":
        return None
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        logger.info("%s was not built (no C compiler at installation?): the slower reference is used", module)
        return None
    try:
        return ctypes.CDLL(spec.origin)
    except OSError as error:
        logger.warning("%s cannot be loaded, the slower reference is used: %s", module, error)
        return None
