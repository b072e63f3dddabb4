"""Couplings with messages too many to list: a message is a tuple of independent blocks, each with a belief of its own.

At each step the law of actions is coupled with the block of largest entropy, and only that block is updated, so a
message of 1000 bits costs what one of its blocks costs. Merging: actions that would leave the block with one
posterior are one group; the group is announced, and within it the actions are coupled with the next block, until one
action is left. Without it, whatever the first block cannot use of an action's entropy is lost.

Who sends draws an action from `law(message)`, who receives follows it with `posterior(action)`; both know the belief
and the policy, and nothing else is shared. The action's law without the message is the policy, exactly.

Reference:
    Sokota, Schroeder de Witt, Igl, et al., "Communicating via Markov decision processes", ICML 2022 (blocks);
    Schroeder de Witt, Sokota, Kolter, Foerster, Strohmeier, "Perfectly secure steganography using minimum entropy
    coupling", ICLR 2023 (the entropy order); Sokota, Sam, Schroeder de Witt, et al., "Computing low-entropy couplings
    for large-support distributions", UAI 2024 (merging).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from heatbath.solvers.coupling.greedy import greedy_mec
from heatbath.solvers.coupling.joint import Coupling, Indices
from heatbath.solvers.coupling.marginals import CouplingError, Masses, entropy, marginal

SETTLED = 1e-9
"""A block with fewer bits than this is known."""
NEGLIGIBLE = 1e-14
"""Beliefs below this are rounding; they are dropped and the rest is scaled to one."""

Coupler = Callable[[Masses, Masses], Coupling]


@dataclass(frozen=True, eq=False)
class FactoredBelief:
    """Independent beliefs about the blocks of a message.

    Args:
        blocks: each of shape `(n_i,)`.

    >>> belief = FactoredBelief.uniform(bits=1000, block_bits=8)
    >>> len(belief.blocks), belief.entropy
    (125, 1000.0)
    >>> belief.join(belief.split(2**999 + 7)) == 2**999 + 7
    True
    """

    blocks: tuple[Masses, ...]

    @classmethod
    def of(cls, *blocks: ArrayLike) -> FactoredBelief:
        """A belief from its blocks, checked.

        Raises:
            CouplingError: for no block, or one that is no probability vector.
        """
        if not blocks:
            raise CouplingError("a belief has at least one block, got none")
        return cls(tuple(marginal(block, f"block {i}") for i, block in enumerate(blocks)))

    @classmethod
    def uniform(cls, bits: int, block_bits: int) -> FactoredBelief:
        """Nothing known of a message of `bits` bits, in blocks of `block_bits`, the last of what is left.

        Raises:
            CouplingError: for numbers below 1, or blocks of more than 24 bits.
        """
        if bits < 1 or not 1 <= block_bits <= 24:
            raise CouplingError(f"expected `bits` >= 1 and `block_bits` from 1 to 24, got {bits} and {block_bits}")
        whole, rest = divmod(bits, block_bits)
        sizes = [block_bits] * whole + [rest] * (rest > 0)
        return cls(tuple(np.full(2**size, 2.0**-size) for size in sizes))

    @cached_property
    def entropies(self) -> tuple[float, ...]:
        """Bits of each block."""
        return tuple(map(entropy, self.blocks))

    @property
    def entropy(self) -> float:
        """Bits in all."""
        return math.fsum(self.entropies)

    @property
    def settled(self) -> bool:
        """Whether every block is known."""
        return max(self.entropies) <= SETTLED

    def mode(self) -> tuple[int, ...]:
        """The most probable message, by blocks; the lowest where several are."""
        return tuple(int(block.argmax()) for block in self.blocks)

    def split(self, message: int) -> tuple[int, ...]:
        """A message as a number, in blocks, the most significant first.

        Raises:
            CouplingError: when there is no such message.
        """
        values, rest = [], message
        for block in reversed(self.blocks):
            rest, value = divmod(rest, len(block))
            values.append(value)
        if message < 0 or rest:
            raise CouplingError(f"there is no message {message}: expected one from 0 to {self.count - 1}")
        return tuple(reversed(values))

    def join(self, values: Sequence[int]) -> int:
        """The number whose blocks these are."""
        message = 0
        for block, value in zip(self.blocks, values, strict=True):
            message = message * len(block) + value
        return message

    @property
    def count(self) -> int:
        """How many messages there are."""
        return math.prod(map(len, self.blocks))

    def replaced(self, index: int, block: Masses) -> FactoredBelief:
        """The belief with another block at `index`; the entropies of the others are not computed again."""
        changed = FactoredBelief((*self.blocks[:index], block, *self.blocks[index + 1 :]))
        entropies = (*self.entropies[:index], entropy(block), *self.entropies[index + 1 :])
        changed.__dict__["entropies"] = entropies
        return changed


class FactoredCoupling:
    """How the actions of one step tell of a factored message."""

    def __init__(
        self,
        belief: FactoredBelief,
        policy: Masses,
        actions: Indices,
        coupler: Coupler,
        merge: bool,
        used: frozenset[int],
    ) -> None:
        self.belief, self.policy, self.actions = belief, policy, actions
        self._coupler, self._merge, self._used = coupler, merge, used
        self._inner: dict[int, FactoredCoupling] = {}
        open_blocks = [i for i, bits in enumerate(belief.entropies) if bits > SETTLED and i not in used]
        self.block = max(open_blocks, key=lambda i: (belief.entropies[i], -i)) if open_blocks else None
        if self.block is not None:
            self.coupling = coupler(belief.blocks[self.block], policy)
            self._groups = self._grouped() if merge else np.arange(len(policy))

    def _grouped(self) -> Indices:
        """The group of each action: those that leave the block with one posterior are together."""
        groups = np.full(len(self.policy), -1, np.int64)
        rows, cols, mass = self.coupling.rows, self.coupling.cols, self.coupling.mass
        order = np.lexsort((rows, cols))
        rows, cols, mass = rows[order], cols[order], mass[order]
        starts = np.flatnonzero(np.r_[True, cols[1:] != cols[:-1]])
        known: dict[tuple[bytes, bytes], int] = {}
        for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(cols)], strict=True):
            posterior = mass[begin:end] / mass[begin:end].sum()
            key = (rows[begin:end].tobytes(), np.round(posterior, 12).tobytes())
            groups[cols[begin]] = known.setdefault(key, len(known))
        return groups

    def law(self, message: Sequence[int]) -> Masses:
        """p(action | message), shape `(actions of the policy,)`, for the sender to draw from.

        Args:
            message: the value of every block.

        Raises:
            CouplingError: for a message that the belief rules out.
        """
        probabilities = np.zeros(int(self.actions.max()) + 1)
        self._spread(tuple(message), 1.0, probabilities)
        return probabilities

    def _spread(self, message: tuple[int, ...], share: float, probabilities: Masses) -> None:
        if self.block is None:
            probabilities[self.actions] += share * self.policy
            return
        value, size = message[self.block], len(self.belief.blocks[self.block])
        atoms = self.coupling.rows == value
        if not 0 <= value < size or not atoms.any():
            raise CouplingError(f"block {self.block} cannot be {value}: the belief rules it out")
        weights = np.bincount(self._groups[self.coupling.cols[atoms]], weights=self.coupling.mass[atoms])
        weights = weights / weights.sum()
        for group in np.flatnonzero(weights).tolist():
            members = np.flatnonzero(self._groups == group)
            if len(members) == 1:
                probabilities[self.actions[members[0]]] += share * weights[group]
            else:
                self._within(group)._spread(message, share * float(weights[group]), probabilities)

    def posterior(self, action: int) -> FactoredBelief:
        """The belief after an action was seen.

        Raises:
            CouplingError: for an action of probability 0.
        """
        place = np.flatnonzero(self.actions == action)
        if not len(place) or not self.policy[place[0]] > 0.0:
            raise CouplingError(f"action {action} has probability 0 here, so nothing follows from it")
        if self.block is None:
            return self.belief
        group = int(self._groups[place[0]])
        if group < 0:
            raise CouplingError(f"action {action} has a probability below rounding, so nothing follows from it")
        if np.count_nonzero(self._groups == group) == 1:
            return self._updated(group)
        return self._within(group).posterior(action)

    def _updated(self, group: int) -> FactoredBelief:
        assert self.block is not None
        atoms = self._groups[self.coupling.cols] == group
        size = len(self.belief.blocks[self.block])
        block = np.bincount(self.coupling.rows[atoms], weights=self.coupling.mass[atoms], minlength=size)
        if not block.any():
            raise CouplingError("an action of a probability below rounding was seen, so nothing follows from it")
        block = block / block.sum()
        block[block < NEGLIGIBLE] = 0.0
        return self.belief.replaced(self.block, block / block.sum())

    def _within(self, group: int) -> FactoredCoupling:
        """The coupling of a group's actions with the next block."""
        assert self.block is not None
        if group not in self._inner:
            members = np.flatnonzero(self._groups == group)
            policy = self.policy[members] / self.policy[members].sum()
            self._inner[group] = FactoredCoupling(
                self._updated(group), policy, self.actions[members], self._coupler, self._merge,
                self._used | {self.block},
            )  # fmt: skip
        return self._inner[group]


def couple_factored(
    belief: FactoredBelief, policy: ArrayLike, *, coupler: Coupler = greedy_mec, merge: bool = True
) -> FactoredCoupling:
    """Couple the law of one action with a factored belief.

    Args:
        belief: about the message.
        policy: p(action), shape `(actions,)`.
        coupler: of one block and the actions; `lambda p, q: Coupling.of(mecb(p, q, rate).joint)` for a rate limit.
        merge: re-couple what the first block leaves undecided with the next; each block is used once a step.

    Raises:
        CouplingError: for a policy that is no probability vector.

    >>> belief = FactoredBelief.uniform(bits=2, block_bits=1)
    >>> step = couple_factored(belief, [0.25] * 4)  # two bits of action for two blocks of one bit
    >>> step.law((1, 0)).tolist()
    [0.0, 1.0, 0.0, 0.0]
    >>> step.posterior(1).mode()
    (1, 0)
    """
    law = marginal(policy, "policy")
    return FactoredCoupling(belief, law, np.arange(len(law)), coupler, merge, frozenset())
