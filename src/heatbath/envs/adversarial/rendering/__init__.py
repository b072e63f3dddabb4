"""Episodes as moving pictures, with the adversary's pushes drawn in."""

from __future__ import annotations

from heatbath.envs.adversarial.rendering.film import Film, episode, film
from heatbath.envs.adversarial.rendering.recording import Recording, record

__all__ = ["Film", "Recording", "episode", "film", "record"]
