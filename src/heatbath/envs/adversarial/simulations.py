"""What steps N MuJoCo simulations of one model: the one interface that the batch and the plain loop have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from heatbath.envs.adversarial.game import Array, Flags

Indices = NDArray[np.intp]

FATAL = [
    int(kind)
    for kind in (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)
]
"""Warnings after which MuJoCo has put a simulation back to its initial state."""


class Simulations(Protocol):
    """N simulations, each with a model of its own where masses or frictions differ.

    Arrays are live: what is written to them is the state of the next step.

    Attributes:
        model: what all began as.
        num: N.
        qpos, qvel, ctrl: shapes `(N, nq)`, `(N, nv)`, `(N, nu)`.
        xfrc_applied: shape `(N, nbody, 6)`, in the world's frame at the bodies' centres of mass.
    """

    model: mujoco.MjModel
    num: int
    qpos: Array
    qvel: Array
    ctrl: Array
    xfrc_applied: Array

    def derived(self, name: str) -> Array:
        """A field of MjData that was asked for at construction, `(N, ...)`, as the last substep left it."""

    def step(self, substeps: int) -> Flags:
        """Go on by so many steps of the integrator; which simulations broke down since their reset, shape `(N,)`."""

    def reset(self, which: Indices, qpos: Array, qvel: Array) -> None:
        """Begin anew at these states, `(len(which), nq)` and `(len(which), nv)`, controls and forces 0."""

    def vary(self, masses: dict[int, Array], friction: Array | None, recompute_constants: bool) -> None:
        """Give each simulation its own body masses, kg, by body, and sliding friction of all geoms, shapes `(N,)`."""

    def snapshot(self, index: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """Copies of one simulation's model and data, to draw it or to look into it."""

    def close(self) -> None:
        """Free what is held."""


@contextmanager
def no_log_file() -> Iterator[None]:
    """MuJoCo's warnings go to stderr as ever, and leave no MUJOCO_LOG.TXT in the working directory."""
    before, quiet = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    quiet.logto_file = False
    quiet.set()
    try:
        yield
    finally:
        before.set()
