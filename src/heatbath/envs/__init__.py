"""Simulators, and the plugin that registers them."""

from __future__ import annotations

from heatbath.core.hookspecs import Component, Register, hookimpl

_CHAOTIC = (
    ("lorenz63", "convection in three variables", "lorenz:Lorenz63", "Lorenz, J. Atmos. Sci. 20, 1963"),
    ("lorenz96", "weather on a ring of any number of places", "lorenz:Lorenz96", "Lorenz, ECMWF 1996"),
    ("rossler", "a folded spiral in three variables", "rossler:Rossler", "Rossler, Phys. Lett. A 57, 1976"),
    ("chua", "a circuit with a piecewise-linear diode", "chua:Chua", "Matsumoto, IEEE Trans. Circuits Syst. 31, 1984"),
    ("henon", "a folding map of the plane", "henon:Henon", "Henon, Comm. Math. Phys. 50, 1976"),
    ("mackey-glass", "a delay equation", "mackey_glass:MackeyGlass", "Mackey and Glass, Science 197, 1977"),
    (
        "kuramoto-sivashinsky",
        "flame fronts on a ring, a partial differential equation",
        "kuramoto_sivashinsky:KuramotoSivashinsky",
        "Kuramoto, Prog. Theor. Phys. Suppl. 64, 1978; Sivashinsky, Acta Astronaut. 4, 1977",
    ),
)

_GYMNASIUM = "Towers et al. 2024; Pinto et al., ICML 2017"
_CONTROL_SUITE = "Tassa et al. 2020; Reddi et al., ICLR 2024"
_TWO_PLAYER = (
    ("hopper", "a one-legged robot, pushed at the foot", "Hopper", _GYMNASIUM),
    ("half-cheetah", "a running robot, pushed at torso and feet", "HalfCheetah", _GYMNASIUM),
    ("walker2d", "a two-legged robot, pushed at the feet", "Walker2d", _GYMNASIUM),
    ("inverted-pendulum", "a pole on a cart, pushed", "InvertedPendulum", _GYMNASIUM),
    ("ant", "a four-legged robot, pushed at the torso and two legs", "Ant", _GYMNASIUM),
    ("cartpole-balance", "a pole to keep upright on a cart, pushed", "CartpoleBalance", _CONTROL_SUITE),
    ("cartpole-swingup", "a pole to swing up on a cart, pushed", "CartpoleSwingup", _CONTROL_SUITE),
    ("pendulum-swingup", "a pendulum to swing up, pushed", "PendulumSwingup", _CONTROL_SUITE),
    ("wind-corridor", "a puck beside a cliff in a side wind", "WindCorridor", "Reddi et al., ICLR 2024"),
    ("wind-navigation", "the same, over ten metres", "WindNavigation", "Reddi et al., ICLR 2024"),
)


@hookimpl
def register_envs(register: Register) -> None:
    for name, summary, target, reference in _CHAOTIC:
        room, options = "heatbath.envs.chaotic", target.partition(":")[2]
        register(
            Component(
                name,
                f"{summary}, chaotic",
                f"{room}.{target}",
                f"{room}.options:{options}",
                problem="flow",
                reference=reference,
            )
        )
    for name, summary, target, chosen in (
        ("heat", "linear diffusion of a sine, periodic", "diffusion:Heat", None),
        ("porous-medium", "diffusion with k = u^m, a front", "diffusion:PorousMedium", None),
        ("stefan", "diffusion above a threshold only, a jump", "diffusion:Stefan", "Stefan"),
        ("advection", "a step that moves", "transport:Advection", None),
        ("burgers", "a ramp that steepens to a shock", "transport:Burgers", None),
    ):
        register(
            Component(
                name,
                summary,
                f"heatbath.envs.conservation.{target}",
                chosen and f"heatbath.envs.conservation.options:{chosen}",
                problem="conservation-law",
                reference="Hansen, Maddix, Alizadeh, Gupta, Mahoney, ICML 2023",
            )
        )
    for name, summary, attribute, reference in _TWO_PLAYER:
        room = "heatbath.envs.adversarial"
        register(
            Component(
                name,
                summary,
                f"{room}.environments:{attribute}",
                f"{room}.options:{attribute}",
                problem="two-player",
                extra="qarl",
                reference=reference,
            )
        )
    register(
        Component(
            "gymnasium",
            "any environment that gymnasium knows, with an adversary",
            "heatbath.envs.adversarial.gymnasium_component:build",
            "heatbath.envs.adversarial.gymnasium_options:Gymnasium",
            problem="two-player",
            extra="qarl",
            reference="Tessler, Efroni, Mannor, ICML 2019",
        )
    )
