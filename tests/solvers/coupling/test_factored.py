"""Messages in blocks: what is sent arrives, the actions' law stays the policy, merging loses less."""

from __future__ import annotations

import numpy as np
import pytest

from heatbath.solvers.coupling import (
    Coupling,
    CouplingError,
    FactoredBelief,
    couple_factored,
    entropy,
    greedy_mec,
    mecb,
)

POLICY = np.array([0.5, 0.3, 0.15, 0.05])


def send(belief: FactoredBelief, message: int, policy: np.ndarray, seed: int, **how) -> tuple[int, list[int]]:
    """A sender draws actions until the belief has settled; the receiver sees nothing else."""
    rng, blocks, actions = np.random.default_rng(seed), belief.split(message), []
    while not belief.settled:
        step = couple_factored(belief, policy, **how)
        actions.append(int(rng.choice(len(policy), p=step.law(blocks))))
        belief = step.posterior(actions[-1])
        assert len(actions) < 5000
    return belief.join(belief.mode()), actions


@pytest.mark.parametrize(("bits", "block_bits"), [(5, 5), (16, 4), (50, 8), (1000, 8)])
def test_what_is_sent_arrives(bits: int, block_bits: int):
    message = int.from_bytes(np.random.default_rng(bits).bytes(125), "big") % 2**bits
    start = FactoredBelief.uniform(bits, block_bits)
    received, actions = send(start, message, POLICY, seed=0)
    assert received == message
    belief = start
    for action in actions:  # the receiver, from the actions alone
        belief = couple_factored(belief, POLICY).posterior(action)
    assert belief.join(belief.mode()) == message
    assert bits / entropy(POLICY) * 0.9 < len(actions) < bits / entropy(POLICY) * 1.3 + 12


@pytest.mark.parametrize("merge", [True, False])
def test_the_law_of_the_actions_is_the_policy(merge: bool):
    belief = FactoredBelief.of([0.7, 0.2, 0.1], [0.5, 0.5], [0.9, 0.1])
    policy = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
    step = couple_factored(belief, policy, merge=merge)
    mean = np.zeros(5)
    for message in range(belief.count):
        values = belief.split(message)
        prior = np.prod([block[v] for block, v in zip(belief.blocks, values, strict=True)])
        law = step.law(values)
        assert law.sum() == pytest.approx(1.0)
        mean += prior * law
    assert mean == pytest.approx(policy, abs=1e-12)


def test_the_posterior_is_bayes_rule():
    belief = FactoredBelief.of([0.7, 0.2, 0.1], [0.5, 0.5])
    step = couple_factored(belief, POLICY)
    for action in range(4):
        joint = np.zeros((3, 2))
        for a in range(3):
            for b in range(2):
                joint[a, b] = belief.blocks[0][a] * belief.blocks[1][b] * step.law((a, b))[action]
        after = step.posterior(action)
        assert np.multiply.outer(*after.blocks) == pytest.approx(joint / joint.sum(), abs=1e-12)


def test_merging_uses_what_one_block_leaves():
    belief = FactoredBelief.uniform(bits=12, block_bits=1)
    uniform = np.full(8, 1 / 8)  # three bits of action, one in each block
    assert len(send(belief, 2741, uniform, 0)[1]) == 4
    assert len(send(belief, 2741, uniform, 0, merge=False)[1]) == 12


def test_a_settled_belief_leaves_the_policy_alone():
    belief = FactoredBelief.of([1.0, 0.0], [0.0, 1.0])
    step = couple_factored(belief, POLICY)
    assert step.law((0, 1)) == pytest.approx(POLICY)
    assert step.posterior(2) is belief


def test_a_rate_limit_is_a_coupler():
    belief = FactoredBelief.uniform(bits=6, block_bits=3)
    limited = lambda p, q: Coupling.of(mecb(p, q, 1.0).joint)  # noqa: E731
    assert send(belief, 42, POLICY, 1, coupler=limited)[0] == 42
    assert couple_factored(belief, POLICY, coupler=greedy_mec).law((5, 2)).sum() == pytest.approx(1.0)


def test_numbers_and_blocks():
    belief = FactoredBelief.uniform(bits=10, block_bits=4)
    assert [len(block) for block in belief.blocks] == [16, 16, 4]
    assert belief.split(1023) == (15, 15, 3)
    assert belief.entropy == pytest.approx(10.0)
    assert all(belief.join(belief.split(m)) == m for m in range(1024))
    for message in (-1, 1024):
        with pytest.raises(CouplingError, match=f"there is no message {message}: expected one from 0 to 1023"):
            belief.split(message)


def test_what_cannot_be_is_refused():
    belief = FactoredBelief.of([0.5, 0.5, 0.0])
    step = couple_factored(belief, [0.5, 0.5, 0.0])
    with pytest.raises(CouplingError, match="block 0 cannot be 2: the belief rules it out"):
        step.law((2,))
    with pytest.raises(CouplingError, match="action 2 has probability 0 here"):
        step.posterior(2)
    with pytest.raises(CouplingError, match="action 7 has probability 0 here"):
        step.posterior(7)
    with pytest.raises(CouplingError, match="at least one block"):
        FactoredBelief.of()
    with pytest.raises(CouplingError, match="block 1: expected masses of at least 0"):
        FactoredBelief.of([1.0], [2.0, -1.0])
    with pytest.raises(CouplingError, match="from 1 to 24, got 8 and 30"):
        FactoredBelief.uniform(8, 30)
    with pytest.raises(CouplingError, match="policy: expected masses that sum to 1"):
        couple_factored(belief, [0.5, 0.6])
