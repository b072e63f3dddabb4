"""Old checkpoints leave when new ones come: the newest `keep_checkpoints` stay, and that of the best evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from heatbath.core.hookspecs import hookimpl

if TYPE_CHECKING:
    from heatbath.core.runs import Run


@hookimpl
def run_checkpoint(run: Run, path: Path) -> None:
    # Those after `path` were passed over when the run was resumed: counted in, they would push out the sound ones.
    steps = sorted(place for place in path.parent.glob("step-*") if place.is_dir() and place.name <= path.name)
    best = run.best
    kept = f"step-{best['step']:09d}" if best else ""
    for place in [*steps[: -run.plan.keep_checkpoints], *path.parent.glob(".step-*.tmp")]:
        if place.name != kept:
            shutil.rmtree(place, ignore_errors=True)
