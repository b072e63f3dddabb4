"""Experiments."""

from __future__ import annotations

import math

import torch

from heatbath.core.contracts import InitialValue, Transition

WANTED, LEAK, POWER = 20.0, 0.5, 10.0
"""Degrees; part of the difference to outside lost an hour; degrees an hour at full power."""
HOURS = 24


class Thermostat:
    """T' = LEAK (outside - T) + POWER u, u in [-1, 1] set each hour from (T, outside); reward -|T - 20|."""

    def __init__(self, options, setup):
        self.rooms, self.generator = options.rooms, setup.generator
        self.solver = setup.build("solver", options.solver)
        self.agent = setup.build("agent", options.agent, observation_size=2, action_size=1)

    def _day(self, mode, generator):
        """Temperatures at the end of every hour, shape (hours, rooms), and the mean reward."""
        device = generator.device
        outside = 20 * torch.rand(self.rooms, generator=generator, device=device) - 5
        temperature, state, rewards, course = outside, self.agent.reset(mode, self.rooms), [], []
        for hour in range(HOURS):
            observation = torch.stack([temperature - WANTED, outside - WANTED], -1) / 10
            action, state = self.agent.act(observation, state, generator)
            power = POWER * action.squeeze(-1).clamp(-1, 1)
            rate = lambda t, y, power=power: LEAK * (outside - y) + power  # noqa: E731
            temperature = self.solver.solve(InitialValue(rate, temperature, (0.0, 1.0))).value[-1]
            reward = -(temperature - WANTED).abs()
            following = torch.stack([temperature - WANTED, outside - WANTED], -1) / 10
            over = torch.full((self.rooms,), hour == HOURS - 1)
            if mode == "train":
                state = self.agent.observe(Transition(observation, action, reward, following, over, state))
            rewards.append(reward.mean())
            course.append(temperature)
        return torch.stack(course), torch.stack(rewards).mean()

    def step(self, clock):
        self._day("train", self.generator)
        return {name: value for name, value in self.agent.update(self.generator).items() if math.isfinite(value)}

    def evaluate(self, clock, generator):
        course, reward = self._day("evaluate", generator)
        return {"return_nominal": float(reward), "temperature_spread": float(course[-1].std())}

    def references(self):
        return {"at 20 degrees": {"return_nominal": 0.0, "temperature_spread": 0.0}}

    def figures(self):
        from matplotlib.figure import Figure

        course, _ = self._day("evaluate", torch.Generator(device=self.generator.device).manual_seed(0))

        def draw():
            figure = Figure(figsize=(6, 3.5), layout="constrained")
            axes = figure.subplots()
            axes.plot(range(1, HOURS + 1), course.cpu().numpy(), color="#d1495b", linewidth=0.8)
            axes.axhline(WANTED, color="#1f3b57")
            axes.set(xlabel="hour", ylabel="temperature of each room")
            return figure

        return {"temperature": draw}

    def barrier(self): ...

    def state_dict(self):
        return {}

    def load_state_dict(self, state): ...
