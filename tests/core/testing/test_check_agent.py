"""`check_agent` passes good agents and names what is wrong with each faulty one."""

import pytest
import torch

from heatbath.testing import check_agent


class Good:
    """A linear policy with noise, whose weights move with what it earned."""

    def __init__(self, options, setup, observation_size, action_size):
        self.weights = torch.randn(observation_size, action_size)
        self.earned = 0.0

    def reset(self, mode, batch):
        return torch.zeros(batch)

    def act(self, observation, state, generator):
        action = observation @ self.weights
        return action + 0.1 * torch.randn(action.shape, generator=generator), state + 1

    def observe(self, transition):
        self.earned += float(transition.reward.mean())
        return transition.state

    def update(self, generator):
        self.weights = self.weights + torch.randn(self.weights.shape, generator=generator)
        earned, self.earned = self.earned, 0.0
        return {"return": earned}

    def state_dict(self):
        return {"weights": self.weights, "earned": self.earned}

    def load_state_dict(self, state):
        self.weights, self.earned = state["weights"], state["earned"]


class Stateless(Good):
    """Nothing to keep."""

    state_dict = load_state_dict = property()

    def update(self, generator):
        return {}


@pytest.mark.parametrize("good", [Good, Stateless])
def test_a_good_agent_passes(registered, good):
    check_agent(registered("agents", good, problem="control"), "toy/it")


class NoUpdate:
    def __init__(self, options, setup, **facts): ...

    def reset(self, mode, batch): ...

    def act(self, observation, state, generator): ...

    def observe(self, transition): ...


class ActionAlone(Good):
    def act(self, observation, state, generator):
        return super().act(observation, state, generator)[0]


class Wide(Good):
    def act(self, observation, state, generator):
        return observation, state


class NotANumber(Good):
    def act(self, observation, state, generator):
        action, state = super().act(observation, state, generator)
        return action * torch.nan, state


class Global(Good):
    def act(self, observation, state, generator):
        action, state = super().act(observation, state, generator)
        return action + torch.rand(()), state


class GlobalUpdate(Good):
    def update(self, generator):
        self.weights = torch.randn(self.weights.shape)
        return super().update(generator)


class SilentUpdate(Good):
    def update(self, generator):
        super().update(generator)


class NaNMetric(Good):
    def update(self, generator):
        return {**super().update(generator), "loss": float("nan")}


class TensorMetric(Good):
    def update(self, generator):
        return {**super().update(generator), "loss": torch.zeros(())}


class OnlyLoads(Good):
    state_dict = property()


class SavesCode(Good):
    def state_dict(self):
        return {"weights": self.weights, "earned": self.earned, "policy": type(self)}


class ForgetsTheWeights(Good):
    def load_state_dict(self, state):
        self.earned = state["earned"]


class SavesTooLittle(Good):
    """What it saves comes back as it was, but it is not all that it acts by."""

    def state_dict(self):
        return {"earned": self.earned}

    def load_state_dict(self, state):
        self.earned = state["earned"]


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (NoUpdate, "an agent has `reset`, `act`, `observe` and `update`"),
        (ActionAlone, "`act` must return an action and a state"),
        (Wide, "actions have shape (4, 3), expected (4, 2)"),
        (NotANumber, "an action is not finite"),
        (Global, "the agent draws from a global random generator; use the one that is passed"),
        (GlobalUpdate, "the agent draws from a global random generator; use the one that is passed"),
        (SilentUpdate, "`update` must return metrics by name, got NoneType"),
        (NaNMetric, "the metric 'loss' is nan"),
        (TensorMetric, "the metric 'loss' is tensor(0.)"),
        (OnlyLoads, "`state_dict` and `load_state_dict` come together"),
        (SavesCode, "`state_dict` must hold tensors and plain Python only"),
        (ForgetsTheWeights, "the state changes on its way through a checkpoint"),
        (SavesTooLittle, "acts otherwise once its state was restored; something is missing from it"),
    ],
)
def test_a_faulty_agent_is_told_what_is_wrong(registered, refuses, faulty, message):
    refuses(message, check_agent, registered("agents", faulty, problem="control"), "toy/it")


def test_sizes_of_ones_own_replace_the_examples(registered):
    host = registered("agents", Good, problem="control")
    check_agent(host, "toy/it", facts={"observation_size": 7, "action_size": 1})
