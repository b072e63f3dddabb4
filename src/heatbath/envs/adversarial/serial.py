"""N simulations, one after the other in a Python loop: the reference that the batch is measured against."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import mujoco
import numpy as np

from heatbath.envs.adversarial.game import Array, Flags
from heatbath.envs.adversarial.simulations import FATAL, Indices, no_log_file


class SerialSimulations:
    """See `Simulations`; each has an MjModel and an MjData of its own, as gymnasium's environments do."""

    def __init__(self, model: mujoco.MjModel, num: int, fields: Sequence[str] = (), threads: int = 1) -> None:
        self.model, self.num = model, num
        self._models = [copy.deepcopy(model) for _ in range(num)]
        self._data = [mujoco.MjData(own) for own in self._models]
        self.qpos, self.qvel = np.zeros((num, model.nq)), np.zeros((num, model.nv))
        self.ctrl, self.xfrc_applied = np.zeros((num, model.nu)), np.zeros((num, model.nbody, 6))
        self._derived = {name: np.stack([getattr(data, name) for data in self._data]) for name in fields}

    def derived(self, name: str) -> Array:
        return self._derived[name]

    def step(self, substeps: int) -> Flags:
        failed = np.zeros(self.num, bool)
        with no_log_file():
            for i, (model, data) in enumerate(zip(self._models, self._data, strict=True)):
                self._write(i, data)
                try:
                    mujoco.mj_step(model, data, nstep=substeps)
                except mujoco.FatalError:
                    failed[i] = True
                mujoco.mj_rnePostConstraint(model, data)
                self._read(i, data)
                failed[i] |= any(data.warning[kind].number for kind in FATAL)
        return failed

    def reset(self, which: Indices, qpos: Array, qvel: Array) -> None:
        for row, i in enumerate(which):
            model, data = self._models[i], self._data[i]
            mujoco.mj_resetData(model, data)
            data.qpos[:], data.qvel[:] = qpos[row], qvel[row]
            mujoco.mj_forward(model, data)
            self.ctrl[i], self.xfrc_applied[i] = data.ctrl, data.xfrc_applied
            self._read(int(i), data)

    def vary(self, masses: dict[int, Array], friction: Array | None, recompute_constants: bool) -> None:
        for i, (model, data) in enumerate(zip(self._models, self._data, strict=True)):
            for body, mass in masses.items():
                model.body_mass[body] = mass[i]
            if friction is not None:
                model.geom_friction[:, 0] = friction[i]
            if recompute_constants:
                mujoco.mj_setConst(model, data)

    def snapshot(self, index: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        model, data = copy.deepcopy(self._models[index]), copy.deepcopy(self._data[index])
        mujoco.mj_forward(model, data)
        return model, data

    def close(self) -> None:
        """Nothing is held but memory."""

    def _write(self, i: int, data: mujoco.MjData) -> None:
        data.qpos[:], data.qvel[:] = self.qpos[i], self.qvel[i]
        data.ctrl[:], data.xfrc_applied[:] = self.ctrl[i], self.xfrc_applied[i]

    def _read(self, i: int, data: mujoco.MjData) -> None:
        self.qpos[i], self.qvel[i] = data.qpos, data.qvel
        for name, rows in self._derived.items():
            rows[i] = getattr(data, name)
