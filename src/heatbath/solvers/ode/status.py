"""How an integration ends: the words of `stats["status"]`."""

from __future__ import annotations

REACHED = "reached"
"""The last time was reached."""
EVENT = "event"
"""An event ended it; the last row of the answer is the state there."""
NOT_FINITE = "not finite"
UNDERFLOW = "step underflow"
TOO_MANY_STEPS = "too many steps"
