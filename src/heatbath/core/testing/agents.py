"""Conformance of agents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from heatbath.core.contracts import Agent, Transition
from heatbath.core.host import Host
from heatbath.core.testing.examples import build
from heatbath.core.testing.expect import check_state, expect, global_generators_untouched, same

BATCH, STEPS = 4, 3


def check_agent(host: Host, name: str, *, facts: Mapping[str, Any] | None = None, **options: Any) -> None:
    """Check a registered agent against its contract, in episodes of random observations.

    Args:
        host: the plugins.
        name: as registered.
        facts: what its problem tells it; by default those of `control`, `observation_size` 3 and `action_size` 2.
        options: its own.

    Raises:
        ConformanceError: saying what is wrong.
    """
    facts = {"observation_size": 3, "action_size": 2} if facts is None else facts
    agent = build(host, "agents", name, facts=facts, **options)
    expect(isinstance(agent, Agent), f"{name}: an agent has `reset`, `act`, `observe` and `update`")
    with global_generators_untouched(name, "the agent"):
        _episode(name, agent, facts)
        metrics = agent.update(torch.Generator().manual_seed(1))
    expect(isinstance(metrics, Mapping), f"{name}: `update` must return metrics by name, got {type(metrics).__name__}")
    for key, value in metrics.items():
        expect(isinstance(value, float | int) and math.isfinite(value), f"{name}: the metric {key!r} is {value!r}")
    twin = build(host, "agents", name, facts=facts, seed=9, **options)
    check_state(name, agent, twin)
    if hasattr(agent, "state_dict"):
        mine, its = _episode(name, agent, facts), _episode(name, twin, facts)
        expect(same(mine, its), f"{name}: acts otherwise once its state was restored; something is missing from it")


def _episode(name: str, agent: Agent, facts: Mapping[str, Any]) -> list[torch.Tensor]:
    """Actions of one batch of episodes."""
    world, own = torch.Generator().manual_seed(2), torch.Generator().manual_seed(3)
    state, actions = agent.reset("train", BATCH), []
    observation = torch.randn(BATCH, facts["observation_size"], generator=world)
    for step in range(STEPS):
        answer = agent.act(observation, state, own)
        expect(isinstance(answer, tuple) and len(answer) == 2, f"{name}: `act` must return an action and a state")
        action, state = answer
        expected = (BATCH, facts["action_size"])
        expect(
            tuple(action.shape) == expected, f"{name}: actions have shape {tuple(action.shape)}, expected {expected}"
        )
        expect(bool(action.isfinite().all()), f"{name}: an action is not finite")
        following = torch.randn(observation.shape, generator=world)
        reward, over = torch.randn(BATCH, generator=world), torch.full((BATCH,), step == STEPS - 1)
        state = agent.observe(Transition(observation, action, reward, following, over, state))
        observation = following
        actions.append(action.detach().clone())
    return actions
