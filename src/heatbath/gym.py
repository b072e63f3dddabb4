"""The door from gymnasium: importing this makes the two-player simulations known to it, and has their faces by name.

    import gymnasium, heatbath.gym
    env = gymnasium.make("heatbath/Hopper-v0")

or, with no import of ours, `gymnasium.make("heatbath.gym:heatbath/Hopper-v0")`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from heatbath.core.errors import MissingExtra
from heatbath.envs.adversarial.faces.ids import register

if TYPE_CHECKING:
    from heatbath.envs.adversarial.checks import check_game
    from heatbath.envs.adversarial.faces.disturbances import ActionMixing, ActionReplacement, Disturbance
    from heatbath.envs.adversarial.faces.fixed import FixedAdversary, FixedProtagonist
    from heatbath.envs.adversarial.faces.fixed_vector import VectorFixedAdversary, VectorFixedProtagonist
    from heatbath.envs.adversarial.faces.ids import game
    from heatbath.envs.adversarial.faces.parallel import to_parallel_env
    from heatbath.envs.adversarial.faces.single import SingleGame
    from heatbath.envs.adversarial.faces.temperature import TemperatureObservation
    from heatbath.envs.adversarial.faces.vector import VectorGame
    from heatbath.envs.adversarial.faces.wrapper import AdversarialWrapper
    from heatbath.envs.adversarial.forces import ForceField, Zone
    from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame

_HOMES = {
    "ActionMixing": "faces.disturbances",
    "ActionReplacement": "faces.disturbances",
    "AdversarialWrapper": "faces.wrapper",
    "Disturbance": "faces.disturbances",
    "FixedAdversary": "faces.fixed",
    "FixedProtagonist": "faces.fixed",
    "ForceField": "forces",
    "GymnasiumGame": "gymnasium_game",
    "SingleGame": "faces.single",
    "TemperatureObservation": "faces.temperature",
    "VectorGame": "faces.vector",
    "VectorFixedAdversary": "faces.fixed_vector",
    "VectorFixedProtagonist": "faces.fixed_vector",
    "Zone": "forces",
    "check_game": "checks",
    "game": "faces.ids",
    "to_parallel_env": "faces.parallel",
}
_EXTRAS = {"pettingzoo": "pettingzoo"}

__all__ = [
    "ActionMixing",
    "ActionReplacement",
    "AdversarialWrapper",
    "Disturbance",
    "FixedAdversary",
    "FixedProtagonist",
    "ForceField",
    "GymnasiumGame",
    "SingleGame",
    "TemperatureObservation",
    "VectorFixedAdversary",
    "VectorFixedProtagonist",
    "VectorGame",
    "Zone",
    "check_game",
    "game",
    "to_parallel_env",
]

register()


def __getattr__(name: str) -> Any:
    """Imported when first asked for (PEP 562), so that ids are known without mujoco and pettingzoo.

    Raises:
        MissingExtra: for a face whose package is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'heatbath.gym' has no attribute {name!r}")
    try:
        return getattr(import_module(f"heatbath.envs.adversarial.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name), "qarl")
        raise MissingExtra(f"{name} needs: pip install 'heatbath[{extra}]' (missing: {error.name})") from error


def __dir__() -> list[str]:
    return sorted(__all__)
