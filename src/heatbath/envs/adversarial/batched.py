"""N simulations on `mujoco.batch`: stepped in C on a thread pool, bit for bit what a loop over them gives."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco import batch

from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.simulations import FATAL, Indices, no_log_file

_CONTACT_FORCES = "cfrc_ext"


class BatchedSimulations:
    """See `Simulations`.

    Contact forces, which MuJoCo computes on request only, are asked for simulation by simulation: the one part of a
    step that is a Python loop, and only in models that are observed through them.

    Args:
        model: copied.
        num: N.
        fields: of MjData, that `derived` will be asked for.
        threads: that step the simulations.
    """

    def __init__(self, model: mujoco.MjModel, num: int, fields: Sequence[str] = (), threads: int = 1) -> None:
        self.model, self.num = model, num
        touching = _CONTACT_FORCES in fields
        self._batch = batch.Batch(model, num, threads, touching)
        self.qpos, self.qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self.ctrl, self.xfrc_applied = self._batch.bind("ctrl"), self._batch.bind("xfrc_applied")
        self._derived: dict[str, Array] = {name: self._batch.bind(name) for name in fields if name != _CONTACT_FORCES}
        self._first = self._batch.state[0].copy()
        self._data = mujoco.MjData(model) if touching else None
        if touching:
            self._derived[_CONTACT_FORCES] = np.zeros((num, model.nbody, 6))

    def derived(self, name: str) -> Array:
        return self._derived[name]

    def step(self, substeps: int) -> Flags:
        failed = np.zeros(self.num, bool)
        with no_log_file():
            try:
                self._batch.step(nstep=substeps)
            except batch.SimulationError as error:
                failed[error.ids] = True
        failed |= self._batch.warning[:, FATAL, 1].any(1)
        if self._data is not None:
            self._contact_forces()
        return failed

    def reset(self, which: Indices, qpos: Array, qvel: Array) -> None:
        # A simulation is its row of the state; only derived fields ask for more than to write it.
        if self._derived:
            self._batch.reset(which, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._batch.state[which] = self._first
        self.qpos[which], self.qvel[which] = qpos, qvel
        if self._derived:
            self._batch.forward(which)
        self._batch.warning[which] = 0
        if self._data is not None:
            self._derived[_CONTACT_FORCES][which] = 0.0

    def vary(self, masses: dict[int, Array], friction: Array | None, recompute_constants: bool) -> None:
        for body, mass in masses.items():
            self._batch.expand("body_mass")[:, body] = mass
        if friction is not None:
            self._batch.expand("geom_friction")[:, :, 0] = friction[:, None]
        if recompute_constants:
            self._batch.set_const()

    def snapshot(self, index: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        model, data = self._batch.get_model(index), self._batch.get_data(index)
        mujoco.mj_forward(model, data)
        return model, data

    def close(self) -> None:
        """Nothing: the threads end with the object."""

    def _contact_forces(self) -> None:
        for index in range(self.num):
            data = self._batch.get_data(index, self._data)
            mujoco.mj_rnePostConstraint(self.model, data)
            self._derived[_CONTACT_FORCES][index] = data.cfrc_ext
