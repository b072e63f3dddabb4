"""QARL: robust adversarial reinforcement learning with a curriculum on the adversary's rationality."""

from __future__ import annotations
