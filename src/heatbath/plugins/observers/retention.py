"""Old checkpoints leave when new ones come: the newest `keep_checkpoints` stay."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from heatbath.core.hookspecs import hookimpl

if TYPE_CHECKING:
    from heatbath.core.runs import Run


@hookimpl
def run_checkpoint(run: Run) -> None:
    folder = run.files.checkpoints
    steps = sorted((path for path in folder.glob("step-*") if path.is_dir()), key=lambda path: path.name)
    for path in [*steps[: -run.plan.keep_checkpoints], *folder.glob(".step-*.tmp")]:
        shutil.rmtree(path, ignore_errors=True)
