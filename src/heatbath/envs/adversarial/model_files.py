"""Reading models: our own, and those that gymnasium ships."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import gymnasium
import mujoco

_OURS = Path(__file__).parent / "assets"
_GYMNASIUM = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


Scenery = Callable[[mujoco.MjSpec], None]
"""What adds to a specification, before it becomes a model."""


def ours(name: str, scenery: Scenery | None = None) -> Callable[[], mujoco.MjModel]:
    """What loads a model of this package, with what is drawn around it."""
    return partial(load, _OURS / name, scenery)


def gymnasium_file(name: str) -> Callable[[], mujoco.MjModel]:
    """What loads a model of the installed gymnasium."""
    return partial(load, _GYMNASIUM / name)


def load(path: Path, scenery: Scenery | None = None) -> mujoco.MjModel:
    """A model from its file, to the last bit what `MjModel.from_xml_path` makes of it.

    Files may ask for a total mass in the compiler's attribute `settotalmass`, as gymnasium's half_cheetah.xml does;
    MuJoCo complains about it on stderr and will drop it. So it is taken out of the specification and done afterwards.
    """
    specification = mujoco.MjSpec.from_file(str(path))
    total = specification.compiler.settotalmass
    specification.compiler.settotalmass = -1
    if scenery is not None:
        scenery(specification)
    model = specification.compile()
    if total > 0:
        mujoco.mj_setTotalmass(model, total)
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return model
