"""What belongs to every run beside its experiment's options. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from heatbath.core.errors import ConfigError


@dataclass(frozen=True)
class Plan:
    """How long, how often, where: part of a run's identity, since checkpoints and evaluations have their cadence.

    An experiment sets its own defaults in a class variable `plan` of its options.

    Raises:
        ConfigError: for a number out of range.
    """

    seed: int = 0
    """every random stream derives from it"""
    steps: int = 100
    """steps to take in all; what a step is, `heatbath describe EXPERIMENT` says"""
    evaluate_every: int = 0
    """steps between evaluations; 0 evaluates at the end only"""
    checkpoint_every: int = 0
    """steps between checkpoints; 0 writes one at the end only"""
    keep_checkpoints: int = 3
    """newest checkpoints that are kept"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:INDEX; auto takes CUDA where there is one"""

    def __post_init__(self) -> None:
        for name, low in (("seed", 0), ("steps", 1), ("evaluate_every", 0), ("checkpoint_every", 0)):
            _at_least(name, getattr(self, name), low)
        _at_least("keep_checkpoints", self.keep_checkpoints, 1)


@dataclass(frozen=True)
class Place:
    """Where a run is written and who watches; none of it changes the run."""

    name: str = ""
    """name of the run directory; the default is made of the date and the seed"""
    runs: Path = Path("runs")
    """folder under which run directories are made"""
    tensorboard: bool = False
    """also write TensorBoard events into the run directory"""


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise ConfigError(f"`{name}` must be at least {low}, got {value}")


RESERVED = frozenset(entry.name for cls in (Plan, Place) for entry in fields(cls)) | {"config", "help", "preset"}
"""Names that an experiment's options cannot take."""
