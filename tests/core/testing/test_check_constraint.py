"""`check_constraint` passes good constraints and names what is wrong with each faulty one."""

import pytest
import torch

from heatbath.core.contracts import NOTHING, Gaussian
from heatbath.core.testing.examples import KnownSum
from heatbath.testing import check_constraint


class Good:
    """The sum over a sample is 1."""

    needs = NOTHING
    bound = KnownSum

    def __init__(self, options, setup): ...

    def at(self, values):
        return self.bound(torch.ones(4, dtype=torch.float64))


class Near(KnownSum):
    """Goes nine tenths of the way."""

    def condition(self, belief):
        exact = super().condition(belief)
        return Gaussian(belief.mean + 0.9 * (exact.mean - belief.mean), belief.variance)


class Soft(Good):
    bound = Near


class OfTheTarget(Good):
    needs = frozenset({"target"})

    def at(self, values):
        return KnownSum(values["target"].flatten(1).sum(1))


@pytest.mark.parametrize(("good", "exact"), [(Good, True), (OfTheTarget, True), (Soft, False)])
def test_a_good_constraint_passes(registered, good, exact):
    check_constraint(registered("constraints", good), "toy/it", exact=exact)


class NoAt:
    needs = NOTHING

    def __init__(self, options, setup): ...


class NoNeeds(Good):
    needs = None


class Misspelt(Good):
    needs = frozenset({"targets"})


class NoCondition(Good):
    class bound:  # noqa: N801
        def __init__(self, total): ...

        def residual(self, y): ...


class NoResidual(Good):
    class bound:  # noqa: N801
        def __init__(self, total): ...

        def condition(self, belief): ...


class MeanResidual(Good):
    class bound(KnownSum):  # noqa: N801
        def residual(self, y):
            return super().residual(y).mean()


class ResidualByEntry(Good):
    class bound(KnownSum):  # noqa: N801
        def residual(self, y):
            return super().residual(y)[:2]


class MeanAlone(Good):
    class bound(KnownSum):  # noqa: N801
        def condition(self, belief):
            return super().condition(belief).mean


class LessCertain(Good):
    class bound(KnownSum):  # noqa: N801
        def condition(self, belief):
            exact = super().condition(belief)
            return Gaussian(exact.mean, 1.01 * belief.variance)


class MoreThanCertain(Good):
    class bound(KnownSum):  # noqa: N801
        def condition(self, belief):
            exact = super().condition(belief)
            return Gaussian(exact.mean, exact.variance, 10 * exact.factor)


class Away(Near):
    def condition(self, belief):
        exact = KnownSum.condition(self, belief)
        return Gaussian(belief.mean - (exact.mean - belief.mean), belief.variance)


class Repelled(Good):
    bound = Away


@pytest.mark.parametrize(
    ("faulty", "exact", "message"),
    [
        (NoAt, True, "a constraint has `needs` and `at(values)`"),
        (NoNeeds, True, "`needs` must be a frozenset, got NoneType"),
        (Misspelt, True, "`needs` names 'targets', which is not in the vocabulary"),
        (NoCondition, True, "what `at` gives has no `condition`"),
        (NoResidual, True, "what `at` gives has no `residual`"),
        (MeanResidual, True, "`residual` must have the batch of 4 first, got shape ()"),
        (ResidualByEntry, True, "`residual` must have the batch of 4 first, got shape (2,)"),
        (MeanAlone, True, "`condition` must give a Gaussian, got Tensor"),
        (Soft, True, "conditioning leaves a residual of "),
        (Repelled, False, "conditioning leaves a residual of "),
        (LessCertain, True, "conditioning makes a belief less certain"),
        (MoreThanCertain, True, "conditioning gives a negative variance"),
    ],
)
def test_a_faulty_constraint_is_told_what_is_wrong(registered, refuses, faulty, exact, message):
    refuses(message, check_constraint, registered("constraints", faulty), "toy/it", exact=exact)


def test_values_of_ones_own_replace_the_examples(registered):
    values = {"target": torch.ones(4, 1, dtype=torch.float64)}
    check_constraint(registered("constraints", OfTheTarget), "toy/it", values=values)
