"""Players that need no gradient: the contract, what they do, what they learn."""

import pytest
import torch

pytest.importorskip("gymnasium")

from heatbath.core.contracts import Transition
from heatbath.core.errors import ConfigError
from heatbath.testing import build, check_agent
from tests.plugins.qarl.games import learn

FACTS = {"observation_size": 3, "action_size": 2}


def made(host, name, **options):
    return build(host, "agents", name, facts=FACTS, **options)


def moves(agent, steps, mode="evaluate", batch=4, seed=0):
    """Actions of `steps` steps, shape `(steps, batch, 2)`."""
    generator, state, actions = torch.Generator().manual_seed(seed), agent.reset(mode, batch), []
    for _ in range(steps):
        action, state = agent.act(torch.zeros(batch, 3), state, generator)
        actions.append(action)
    return torch.stack(actions)


@pytest.mark.parametrize("policy", ["linear", "bang-bang"])
def test_the_cross_entropy_player_conforms(host, policy):
    check_agent(host, "qarl.cross-entropy", policy=policy)


@pytest.mark.parametrize("name", ["qarl.still", "qarl.random", "qarl.constant", "qarl.bang-bang"])
def test_players_conform(host, name):
    check_agent(host, name)


def test_the_gait_conforms_where_it_fits(host):
    check_agent(host, "qarl.gait", facts={"observation_size": 11, "action_size": 3})


def test_the_gait_says_where_it_does_not_fit(host):
    with pytest.raises(ConfigError, match=r"turns 11 observations into 3 actions.*3 and 2.*qarl\.random"):
        made(host, "qarl.gait")


def test_still_is_still(host):
    assert not moves(made(host, "qarl.still"), 3).any()


def test_random_actions_are_held_and_fill_the_box(host):
    actions = moves(made(host, "qarl.random", hold=5), 1000, batch=16)
    blocks = actions.view(200, 5, 16, 2)
    assert (blocks == blocks[:, :1]).all()
    assert (blocks[1:, 0] != blocks[:-1, 0]).any(-1).all()
    # 6400 uniform numbers: their mean is beyond 5 standard errors, 0.036, once in two million times
    assert abs(float(blocks[:, 0].mean())) < 0.036
    assert -1.0 <= actions.min() < -0.99
    assert 0.99 < actions.max() <= 1.0


def test_bang_bang_switches_at_half_its_period(host):
    actions = moves(made(host, "qarl.bang-bang", direction=(1.0, -0.5), periods=(6,)), 12, batch=1)[:, 0]
    expected = torch.tensor([1.0] * 3 + [-1.0] * 3).repeat(2)[:, None] * torch.tensor([1.0, -0.5])
    assert torch.equal(actions, expected)


@pytest.mark.parametrize("name", ["qarl.constant", "qarl.bang-bang"])
def test_a_direction_of_another_size_is_refused(host, name):
    with pytest.raises(ConfigError, match="`direction` has 3 numbers, the player's action has 2"):
        made(host, name, direction=(1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("qarl.constant", {"direction": (2.0, 0.0)}, r"`direction` must lie in \[-1, 1\]"),
        ("qarl.bang-bang", {"periods": ()}, "`periods` must be"),
        ("qarl.random", {"hold": 0}, "`hold` must be at least 1"),
        ("qarl.cross-entropy", {"elite": 0.0}, r"`elite` must lie in \(0, 1\]"),
        ("qarl.cross-entropy", {"deviation": float("nan")}, "`deviation` must be"),
    ],
)
def test_options_out_of_range_are_refused(host, name, options, message):
    with pytest.raises((ConfigError, ValueError), match=message):
        made(host, name, **options)


def test_the_constant_player_finds_the_direction_that_pays(host):
    agent = made(host, "qarl.constant")
    wanted = torch.tensor([-1.0, 1.0])
    learn(agent, lambda observation, action: action @ wanted, batch=3, updates=6)  # fewer simulations than directions
    assert torch.equal(moves(agent, 1)[0, 0], wanted)


def test_the_bang_bang_player_finds_direction_and_period(host):
    agent = made(host, "qarl.bang-bang", periods=(2, 4, 8))
    steps = iter(range(10**6))
    signs = [1.0, 1.0, -1.0, -1.0]

    def reward(observation, action):
        return action[:, 0] * signs[next(steps) % 4]

    learn(agent, reward, batch=24, updates=2, steps=8)
    actions = moves(agent, 8, batch=1)[:, 0, 0]
    assert torch.equal(actions, torch.tensor(signs).repeat(2))


@pytest.mark.parametrize("policy", ["linear", "bang-bang"])
def test_the_cross_entropy_player_finds_a_feedback(host, policy):
    """The reward is largest where the action has the signs of two of the observations, whose scales differ by 10^4."""
    agent = made(host, "qarl.cross-entropy", policy=policy, episodes=1)
    scales = torch.tensor([100.0, 0.01, 1.0])

    def reward(observation, action):
        return action[:, 0] * observation[:, 0].sign() - action[:, 1] * observation[:, 1].sign()

    metrics = learn(agent, reward, batch=64, updates=25, steps=20, scales=scales)
    assert metrics["return_mean"] > 0.8 * 2 * 20
    assert metrics["return_best"] >= metrics["return_mean"]


def test_outside_of_learning_the_mean_is_played(host):
    agent = made(host, "qarl.cross-entropy")
    agent.mean[-1] = torch.tensor([0.5, -2.0])
    expected = torch.tanh(torch.tensor([0.5, -2.0])).expand(4, 2)
    assert torch.allclose(moves(agent, 1)[0], expected)
    assert len(moves(agent, 1, mode="train", batch=64)[0].unique(dim=0)) == 16  # 4 simulations each


def test_rewards_after_the_end_of_an_episode_do_not_count(host):
    agent = made(host, "qarl.constant", direction=(1.0, 0.0))
    generator, state = torch.Generator(), agent.reset("train", 2)
    for step in range(3):
        action, state = agent.act(torch.zeros(2, 3), state, generator)
        over = torch.tensor([step >= 1, False])
        state = agent.observe(Transition(torch.zeros(2, 3), action, torch.ones(2), torch.zeros(2, 3), over, state))
    assert agent.update(generator)["return"] == (2 + 3) / 2


def test_an_update_without_play_changes_nothing(host):
    agent = made(host, "qarl.cross-entropy")
    before = agent.state_dict()
    assert agent.update(torch.Generator()) == {}
    assert all(torch.equal(before[name], agent.state_dict()[name]) for name in ("mean", "deviation"))
