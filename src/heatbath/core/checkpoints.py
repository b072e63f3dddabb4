"""Checkpoints: written beside, fsynced, renamed; believed only while their manifest verifies."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch

from heatbath.core.directory import sync_directory
from heatbath.core.errors import RunError

logger = logging.getLogger("heatbath")

FORMAT = 1
STATE, MANIFEST = "state.pt", "manifest.json"
PLACE = re.compile(r"step-(\d+)")


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `folder/step-<step>`; what is there under that name is replaced.

    Args:
        folder: the run's folder of checkpoints.
        step: steps done.
        state: tensors and plain Python (what `torch.load(weights_only=True)` reads).
    """
    place = folder / f"step-{step:09d}"
    beside = folder / f".step-{step:09d}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    torch.save(state, beside / STATE)
    manifest = {"format": FORMAT, "step": step, "files": {STATE: _digest(beside / STATE)}}
    (beside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    for name in (STATE, MANIFEST):
        with (beside / name).open("rb") as handle:
            os.fsync(handle.fileno())
    sync_directory(beside)
    shutil.rmtree(place, ignore_errors=True)
    beside.rename(place)
    sync_directory(folder)
    return place


def places(folder: Path) -> list[Path]:
    """Checkpoints by step, oldest first; nothing is verified."""
    found = [(int(match[1]), path) for path in folder.glob("step-*") if (match := PLACE.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def flaw(place: Path) -> str | None:
    """Why a checkpoint is not to be believed, or None."""
    try:
        manifest = json.loads((place / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            return f"its format is {manifest['format']!r}, this heatbath reads {FORMAT}"
        if place.name != f"step-{manifest['step']:09d}":
            return f"its manifest is about step {manifest['step']}"
        if set(manifest["files"]) != {STATE} or {p.name for p in place.iterdir()} != {STATE, MANIFEST}:
            return "its files are not those of its manifest"
        expected = manifest["files"][STATE]
        size = (place / STATE).stat().st_size
        if size != expected["bytes"]:
            return f"{STATE} has {size} bytes, its manifest says {expected['bytes']}"
        return None if _digest(place / STATE) == expected else f"{STATE} does not have the SHA-256 of its manifest"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"it cannot be read: {type(error).__name__}: {error}"


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that verifies; those that do not are named in the log and passed over."""
    for place in reversed(places(folder)):
        reason = flaw(place)
        if reason is None:
            return place
        logger.warning("checkpoint %s is passed over: %s", place, reason)
    return None


def load(place: Path) -> dict[str, Any]:
    """Read the state of a checkpoint onto the CPU, without unpickling code.

    Raises:
        RunError: when it does not verify or cannot be read.
    """
    if reason := flaw(place):
        raise RunError(f"checkpoint {place}: {reason}")
    try:
        state = torch.load(place / STATE, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RunError(f"checkpoint {place} cannot be read: {error}") from error
    assert isinstance(state, dict)
    return state


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        return {"sha256": hashlib.file_digest(handle, "sha256").hexdigest(), "bytes": path.stat().st_size}
