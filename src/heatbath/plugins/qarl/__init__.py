"""QARL: robust adversarial reinforcement learning with a curriculum on the adversary's rationality."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_HERE = "heatbath.plugins.qarl"
_PAPER = "Reddi, Toelle, Peters, Chalvatzaki, D'Eramo, ICLR 2024"

# name, summary, module:attribute, which is also the name of its options
_EXPERIMENTS: tuple[tuple[str, str, str], ...] = (
    ("qarl.matrix-game", "exact equilibria along a curriculum; a step is one feedback", "matrix_game:MatrixGame"),
    ("qarl.lq", "a robust gain against the regulator; a step is one price", "linear_quadratic:LinearQuadratic"),
)
_SCHEDULES: tuple[tuple[str, str, str], ...] = (
    ("qarl.gamma", "a Gamma law of temperatures, self-paced", "curricula:Gamma"),
    ("qarl.single", "the same, one draw for all episodes of an iteration", "curricula:Single"),
    ("qarl.force", "a limit on the force instead of a temperature, by the same law", "curricula:Force"),
    ("qarl.linear", "a temperature on a straight line", "curricula:Linear"),
    ("qarl.point", "a temperature that falls when returns are good", "curricula:Point"),
    ("qarl.fixed", "one temperature at all times", "curricula:Fixed"),
)
_AGENTS: tuple[tuple[str, str, str], ...] = (
    ("qarl.still", "does nothing", "opponents:Still"),
    ("qarl.random", "uniform actions, each held for some steps", "opponents:Random"),
    ("qarl.constant", "one action at all times; the best direction is found by trying", "opponents:Constant"),
    ("qarl.bang-bang", "two opposite actions in turn; the best direction and period are found", "opponents:BangBang"),
    ("qarl.linear", "a stored linear feedback, such as a gait of Hopper", "opponents:Linear"),
    ("qarl.cross-entropy", "a feedback policy, searched for in whole populations", "cross_entropy:CrossEntropy"),
)
_ATTACK = "a set player under forces that are searched for; a step is one iteration of the searches"


def _options(target: str) -> str:
    return f"{_HERE}.options:{target.partition(':')[2]}"


@hookimpl
def register_experiments(register: Register) -> None:
    for name, summary, target in _EXPERIMENTS:
        register(Component(name, summary, f"{_HERE}.{target}", _options(target), reference=_PAPER))
    room, options = f"{_HERE}.attack:Attack", f"{_HERE}.attack_options:Attack"
    register(Component("qarl.attack", _ATTACK, room, options, extra="qarl", reference=_PAPER))


@hookimpl
def register_schedules(register: Register) -> None:
    for name, summary, target in _SCHEDULES:
        register(Component(name, summary, f"{_HERE}.{target}", _options(target), reference=_PAPER))


@hookimpl
def register_agents(register: Register) -> None:
    for name, summary, target in _AGENTS:
        options = f"{_HERE}.agent_options:{target.partition(':')[2]}"
        register(Component(name, summary, f"{_HERE}.{target}", options, problem="control", reference=_PAPER))
