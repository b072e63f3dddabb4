"""The registered two-player simulations under ids of gymnasium."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

import gymnasium

from heatbath.core.build import Setup
from heatbath.core.config import read, to_argv
from heatbath.core.errors import ConfigError
from heatbath.core.host import Host
from heatbath.core.streams import Streams
from heatbath.envs.adversarial.faces.single import SingleGame
from heatbath.envs.adversarial.faces.vector import VectorGame
from heatbath.envs.adversarial.game import BatchGame

PROBLEM = "two-player"
HERE = "heatbath.envs.adversarial.faces.ids"


def id_of(component: str) -> str:
    """The id of a component.

    >>> id_of("hopper"), id_of("wind-corridor"), id_of("acme/puck")
    ('heatbath/Hopper-v0', 'heatbath/WindCorridor-v0', 'acme/Puck-v0')
    """
    namespace, _, name = component.rpartition("/")
    return f"{namespace or 'heatbath'}/{''.join(part.capitalize() for part in name.split('-'))}-v0"


def register(host: Host | None = None) -> list[str]:
    """Make every two-player simulation known to `gymnasium.make` and `gymnasium.make_vec`.

    Args:
        host: the plugins; those that are installed when None.

    Returns:
        The ids.
    """
    names = (host or Host().load()).names("envs", PROBLEM)
    for name in names:
        if id_of(name) not in gymnasium.registry:
            gymnasium.register(
                id_of(name),
                entry_point=f"{HERE}:single",
                vector_entry_point=f"{HERE}:vector",
                kwargs={"component": name},
            )
    return [id_of(name) for name in names]


def single(component: str, render_mode: str | None = None, **options: Any) -> SingleGame:
    """What `gymnasium.make` gives. Keywords are the component's options. Raises as `game` does."""
    return SingleGame(game(component, 1, **options), render_mode)


def vector(component: str, num_envs: int = 1, render_mode: str | None = None, **options: Any) -> VectorGame:
    """What `gymnasium.make_vec` gives. Keywords are the component's options. Raises as `game` does."""
    return VectorGame(game(component, num_envs, **options), render_mode)


@dataclass(frozen=True)
class _None:
    """Of a component without options."""


def game(component: str, simulations: int = 1, *, host: Host | None = None, **options: Any) -> BatchGame:
    """A registered two-player simulation, built outside a run.

    Args:
        component: its name, as `heatbath list envs` shows it.
        simulations: N.
        host: the plugins; those that are installed when None.
        options: its own.

    Raises:
        ConfigError: for a name or an option that there is not, or a value out of range.
        MissingExtra: when an optional dependency is not installed.

    >>> game("hopper", 3, horizon=50).num_envs
    3
    """
    host = host or Host().load()
    if (served := host.record("envs", component).component.problem) != PROBLEM:
        raise ConfigError(f"{component!r} is an environment of the problem {served!r}, not {PROBLEM!r}")
    kind = host.options_type("envs", component) or _None
    try:
        chosen = read(host, kind, to_argv(options), component)
    except ConfigError as error:
        raise ConfigError(_in_python(str(error), component, kind)) from error
    setup = Setup(host, Streams(0), component)
    built: BatchGame = host.target("envs", component)(chosen, setup, simulations=simulations)
    return built


def _in_python(message: str, component: str, kind: type) -> str:
    """What the command line says of its options, about keywords.

    >>> _in_python("--failure-rate: expected FLOAT, got 'much'", "hopper", _None)
    "hopper: `failure_rate`: expected FLOAT, got 'much'"
    """
    names = ", ".join(entry.name for entry in fields(kind)) or "none"
    message = message.removeprefix(f"--{kind.__name__}: ")
    message = message.replace(f"`{component} --help` lists them", f"it has {names}")
    flag = r"(^|^unknown option |did you mean )--([\w.-]+)"
    return f"{component}: " + re.sub(flag, lambda found: f"{found[1]}`{found[2].replace('-', '_')}`", message)
