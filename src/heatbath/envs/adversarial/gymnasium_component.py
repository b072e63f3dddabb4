"""What the registered environment `gymnasium` builds: `(options, setup, simulations) -> GymnasiumGame`."""

from __future__ import annotations

from typing import Any

from heatbath.envs.adversarial.faces.disturbances import ActionMixing, ActionReplacement
from heatbath.envs.adversarial.forces import ForceField
from heatbath.envs.adversarial.gymnasium_game import GymnasiumGame
from heatbath.envs.adversarial.gymnasium_options import Gymnasium


def build(options: Gymnasium, setup: Any = None, *, simulations: int = 1) -> GymnasiumGame:
    """A batch of the environment that the options name. Raises as `GymnasiumGame` does."""
    return GymnasiumGame(
        options.env_id,
        simulations,
        _disturbance(options),
        time_limit=options.time_limit,
        failure_rate=options.failure_rate,
    )


def _disturbance(options: Gymnasium) -> Any:
    if options.disturbance == "force":
        return ForceField(options.bodies, options.axes, options.max_force, one_sided=options.one_sided)
    return {"mixing": ActionMixing, "replacement": ActionReplacement}[options.disturbance](options.delta)
