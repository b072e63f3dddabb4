"""Checkpoints: written beside, fsynced, renamed; believed only while their manifest verifies."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import IO, Any

import torch

from heatbath.core.directory import sync_directory
from heatbath.core.errors import RunError

logger = logging.getLogger("heatbath")

FORMAT = 1
STATE, MANIFEST = "state.pt", "manifest.json"
PLACE = re.compile(r"step-(\d+)")


def place_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is, or would be."""
    return folder / f"step-{step:09d}"


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `folder/step-<step>`; what is there under that name is replaced.

    Args:
        folder: the run's folder of checkpoints.
        step: steps done.
        state: tensors and plain Python (what `torch.load(weights_only=True)` reads).

    Raises:
        RunError: when the state holds something else, or the system refuses to write, as on a full disk; the
            checkpoints before are intact.
    """
    place = place_of(folder, step)
    beside = folder / f".step-{step:09d}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        _write(beside, step, state)
        shutil.rmtree(place, ignore_errors=True)
        beside.rename(place)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        if not isinstance(error, OSError | RuntimeError):
            raise
        # torch says of a failed write only that its position is odd; the system's own words are behind it
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        raise RunError(f"checkpoint {place} cannot be written: {cause}; resume when it can") from error
    sync_directory(folder)
    return place


def _write(beside: Path, step: int, state: dict[str, Any]) -> None:
    beside.mkdir(parents=True)
    with (beside / STATE).open("wb") as sink:
        torch.save(state, sink)
    read_plain(beside / STATE, mmap=True)  # the tensors stay where they are: this costs what the rest of it costs
    manifest = {"format": FORMAT, "step": step, "files": {STATE: _digest(beside / STATE)}}
    (beside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    for name in (STATE, MANIFEST):
        with (beside / name).open("rb") as handle:
            os.fsync(handle.fileno())
    sync_directory(beside)


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
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
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
    state = read_plain(place / STATE)
    if not isinstance(state, dict):
        raise RunError(f"checkpoint {place}: expected a mapping, got {type(state).__name__}")
    return state


def read_plain(source: Path | IO[bytes], mmap: bool = False) -> Any:
    """What `torch.save` wrote, on the CPU, if it is made of tensors and plain Python; nothing else is unpickled.

    Raises:
        RunError: naming what else is in it.
    """
    try:
        return torch.load(source, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:
        found = re.search(r"GLOBAL (\S+)", str(error))  # torch goes on to say how to load it all the same
        reason = f"it holds {found[1]}, not only tensors and plain Python" if found else str(error).splitlines()[0]
        raise RunError(f"{source if isinstance(source, Path) else 'a state'} cannot be read: {reason}") from error


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        return {"sha256": hashlib.file_digest(handle, "sha256").hexdigest(), "bytes": path.stat().st_size}
