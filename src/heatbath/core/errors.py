"""Every error that heatbath raises on purpose. The command line prints them as one line and exits with 2 or 1."""

from __future__ import annotations


class HeatbathError(Exception):
    """Base of them all."""


class PluginError(HeatbathError):
    """A plugin cannot be registered, or what it promised cannot be imported."""


class ConfigError(HeatbathError):
    """A choice, an option or a name is wrong."""


class MissingNeed(HeatbathError):
    """A component asks for something that its task does not provide."""


class MissingExtra(HeatbathError):
    """An optional dependency is not installed."""


class NotFinite(HeatbathError):
    """A loss or another training metric is not a finite number."""


class InvalidInput(HeatbathError, ValueError):
    """Numbers that a computation cannot take: of a wrong shape, out of range, or contradicting each other."""


class RunError(HeatbathError):
    """A run directory is taken, locked, broken or missing."""


class Drift(RunError):
    """A run would be resumed with other components than it was started with."""


class ConformanceError(HeatbathError, AssertionError):
    """A component breaks the contract of its kind (raised by the checks of `heatbath.testing`)."""
