"""Games, models and players that the tests share."""

import dataclasses

import numpy as np

from heatbath.envs.adversarial import environments, options

TASKS = tuple(
    name
    for name, kind in vars(options).items()
    if isinstance(kind, type) and issubclass(kind, options.Simulated) and kind is not options.Simulated
)
"""Names of options, which are those of targets too."""

DRIFTER = """
<mujoco>
  <option timestep="0.01" gravity="0 0 0"/>
  <worldbody>
    <body name="box" pos="0 0 1"><freejoint name="free"/><geom type="box" size=".1 .2 .3" mass="2"/></body>
    <body name="bob" pos="3 0 1"><freejoint/><geom type="sphere" size=".1" pos=".5 0 0" mass="1"/></body>
    <body name="anchor" pos="5 0 0"><geom size=".1"/></body>
  </worldbody>
  <actuator><motor joint="free" gear="1 0 0 0 0 0" ctrllimited="true" ctrlrange="-1 1"/></actuator>
</mujoco>
"""


def make(name, simulations=3, **chosen):
    """A registered game, with its options."""
    return getattr(environments, name)(getattr(options, name)(**chosen), simulations=simulations)


def moves(game, rng, push=1.0, kind=np.float64):
    """Random moves of both players; pushes are scaled by `push`."""
    low, high = game.protagonist_space.low, game.protagonist_space.high
    ours = rng.uniform(low, high, (game.num_envs, *low.shape))
    low, high = game.adversary_space.low, game.adversary_space.high
    return ours.astype(kind), push * rng.uniform(low, high, (game.num_envs, *low.shape))


def assert_same(one, other):
    """Two outcomes are equal to the last bit."""
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        np.testing.assert_array_equal(a, b, err_msg=field.name)
        assert a.dtype == b.dtype, field.name
