"""The compiled kernels of this room, with types; each has its plain twin in `plain.py`."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from heatbath.solvers import native
from heatbath.solvers.coupling.joint import Indices
from heatbath.solvers.coupling.marginals import Masses

MODULE = "heatbath.solvers.coupling._kernel"
MOST_MARGINALS = 16
"""What the kernel has room for."""
MOST_SYMBOLS = 2**31
MANY_ACTIONS = 64
"""Above so many, a row is coupled as a pair: a walk looks at every action for every atom."""
_COUNT, _ARRAY = ctypes.c_int64, ctypes.c_void_p


@cache
def library() -> ctypes.CDLL | None:
    """The library with the types of its functions, or None where it was not built or is switched off."""
    found = native.library(MODULE)
    if found is not None:
        found.greedy.argtypes = [_COUNT, *[_ARRAY] * 4]
        found.greedy_rows.argtypes = [_COUNT, _COUNT, _COUNT, *[_ARRAY] * 4]
        found.ebim_rows.argtypes = [_COUNT, _COUNT, *[_ARRAY] * 6]
        for function in (found.greedy, found.greedy_rows, found.ebim_rows):
            function.restype = _COUNT
    return found


def descending(p: Masses) -> Indices:
    """An order of falling mass along the last axis; equal masses in any order, which the kernels settle by index."""
    order: Indices = np.argsort(-p, axis=-1)
    return order


def greedy(kernel: ctypes.CDLL, marginals: tuple[Masses, ...]) -> tuple[Indices, Masses]:
    """Atoms of the greedy coupling: indices `(K, atoms)` and masses `(atoms,)`."""
    sizes = np.array([len(p) for p in marginals], dtype=np.int64)
    size = int(sizes.sum())
    indices, mass = np.empty((len(sizes), size), np.int64), np.empty(size)
    pointers = np.array([_address(p) for p in marginals], np.uintp)
    atoms = _call(kernel.greedy, (len(sizes),), sizes, pointers, indices, mass)
    return indices[:, :atoms], mass[:atoms]


def greedy_rows(kernel: ctypes.CDLL, P: Masses, Q: Masses) -> Masses:
    """Greedy couplings of rows, `(batch, n)` with `(batch, actions)`, as `(batch, n, actions)`."""
    (batch, n), actions = P.shape, Q.shape[1]
    coupling = np.zeros((batch, n, actions))
    if actions > MANY_ACTIONS:
        for joint, p, q in zip(coupling, P, Q, strict=True):
            (rows, cols), mass = greedy(kernel, (p, q))
            joint[rows, cols] = mass
        return coupling
    _call(kernel.greedy_rows, (batch, n, actions), P, descending(P), Q, coupling)
    return coupling


def ebim_rows(kernel: ctypes.CDLL, P: Masses, rates: Masses) -> tuple[Indices, Masses, Masses]:
    """Labels `(batch, n)`, masses of the codes `(batch, n)` and their entropies `(batch,)`."""
    batch, n = P.shape
    labels, codes, entropies = np.empty((batch, n), np.int64), np.zeros((batch, n)), np.empty(batch)
    _call(kernel.ebim_rows, (batch, n), P, descending(P), rates, labels, codes, entropies)
    return labels, codes, entropies


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _call(function: Any, counts: tuple[int, ...], *arrays: Any) -> int:
    """Hand a kernel the addresses of arrays, which live at least as long as this frame."""
    result = int(function(*counts, *map(_address, arrays)))
    if result < 0:
        raise MemoryError("no memory for the work space of the coupling")
    return result
