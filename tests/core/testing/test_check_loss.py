"""`check_loss` passes good losses and names what is wrong with each faulty one."""

import pytest
import torch

from heatbath.core.contracts import Term
from heatbath.testing import check_loss


class Good:
    """Squared error, with a diagnostic and a state."""

    needs = frozenset({"prediction", "target"})
    reduced = False

    def __init__(self, options, setup):
        self.scale = torch.ones(())

    def __call__(self, context):
        error = context["prediction"] - context["target"]
        return Term(self.scale * error.square().flatten(1).mean(1), {"largest": error.detach().abs().max()})

    def state_dict(self):
        return {"scale": self.scale}

    def load_state_dict(self, state):
        self.scale = state["scale"]


class Reduced(Good):
    reduced = True

    def __call__(self, context):
        return Term(super().__call__(context).value.mean())


class Drawing(Good):
    """Draws from the generator that it is given."""

    def __call__(self, context):
        return Term(super().__call__(context).value * torch.rand((), generator=context.generator))


class OfTheModel(Good):
    needs = frozenset({"model"})
    reduced = True

    def __call__(self, context):
        return Term(sum(p.square().sum() for p in context["model"].parameters()))


class OfTheBelief(Good):
    needs = frozenset({"belief", "constraint"})

    def __call__(self, context):
        return Term(context["constraint"].residual(context["belief"].mean).square())


class OfTheSolution(Good):
    needs = frozenset({"solution:error", "fact:scale"})
    reduced = True

    def __call__(self, context):
        return Term(context["fact:scale"] * context["solution:error"].mean())


class OfTheInputs(Good):
    """Sees nothing that carries a gradient."""

    needs = frozenset({"inputs", "mask", "weight", "index"})

    def __call__(self, context):
        return Term((context["inputs"] * context["mask"]).flatten(1).sum(1) * context["weight"])


@pytest.mark.parametrize("good", [Good, Reduced, Drawing, OfTheModel, OfTheBelief, OfTheSolution, OfTheInputs])
def test_a_good_loss_passes(registered, good):
    check_loss(registered("losses", good), "toy/it")


class NoReduced:
    needs = frozenset()

    def __init__(self, options, setup): ...

    def __call__(self, context): ...


class SetOfNeeds(Good):
    needs = {"prediction"}  # noqa: RUF012


class NoNeeds(Good):
    needs = None


class Misspelt(Good):
    needs = frozenset({"prediction", "preds"})


class ReducedText(Good):
    reduced = "mean"


class Undeclared(Good):
    needs = frozenset({"prediction"})


class InPlace(Good):
    def __call__(self, context):
        context["target"].add_(1.0)
        return super().__call__(context)


class GlobalTorch(Good):
    def __call__(self, context):
        return Term(super().__call__(context).value + torch.rand(4))


class Bare(Good):
    def __call__(self, context):
        return super().__call__(context).value


class Number(Good):
    def __call__(self, context):
        return Term(0.5)


class Scalar(Good):
    def __call__(self, context):
        return Term(super().__call__(context).value.mean())


class PerEntry(Good):
    def __call__(self, context):
        return Term((context["prediction"] - context["target"]).square())


class ReducedNot(Good):
    reduced = True


class Whole(Good):
    def __call__(self, context):
        return Term(super().__call__(context).value.long())


class NotANumber(Good):
    def __call__(self, context):
        return Term(super().__call__(context).value * torch.nan)


class DiagnosticNumber(Good):
    def __call__(self, context):
        return Term(super().__call__(context).value, {"largest": 1.0})


class DiagnosticVector(Good):
    def __call__(self, context):
        value = super().__call__(context).value
        return Term(value, {"largest": value.detach()})


class DiagnosticAttached(Good):
    def __call__(self, context):
        value = super().__call__(context).value
        return Term(value, {"largest": value.max()})


class Detached(Good):
    def __call__(self, context):
        return Term(super().__call__(context).value.detach())


class GradientElsewhere(Good):
    """Has a gradient, but only to its own weight."""

    def __call__(self, context):
        own = torch.ones((), requires_grad=True)
        return Term(own * super().__call__(context).value.detach())


class InfiniteGradient(Good):
    def __call__(self, context):
        error = (context["prediction"] - context["prediction"].detach()).square().flatten(1).sum(1)
        return Term(error.sqrt())


class Moody(Good):
    calls = 0

    def __call__(self, context):
        self.calls += 1
        return Term(self.calls * super().__call__(context).value)


class Compares(Good):
    """Subtracts the mean over the batch."""

    def __call__(self, context):
        value = super().__call__(context).value
        return Term(value - value.mean())


class OnlySaves(Good):
    load_state_dict = property()


class SavesCode(Good):
    def state_dict(self):
        return {"scale": self}


class Doubles(Good):
    def load_state_dict(self, state):
        self.scale = 2 * state["scale"]


class Turns(Good):
    """Weighs samples by their place."""

    def __call__(self, context):
        value = super().__call__(context).value
        return Term(value * torch.arange(len(value)))


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (NoReduced, "toy/it: a loss has `needs`, `reduced` and `__call__(context)`"),
        (SetOfNeeds, "`needs` must be a frozenset, got set"),
        (NoNeeds, "`needs` must be a frozenset, got NoneType"),
        (Misspelt, "`needs` names 'preds', which is not in the vocabulary"),
        (ReducedText, "`reduced` must be True or False, got 'mean'"),
        (Undeclared, "'target' is not among ['prediction']; declare it in `needs`"),
        (InPlace, "changes 'target' in place"),
        (GlobalTorch, "the loss draws from a global random generator; use the one that is passed"),
        (Bare, "expected a Term, got Tensor"),
        (Number, "`value` must be a tensor, got float"),
        (Scalar, "`value` has shape (), expected (4,) for reduced = False"),
        (PerEntry, "`value` has shape (4, 6, 3), expected (4,) for reduced = False"),
        (ReducedNot, "`value` has shape (4,), expected () for reduced = True"),
        (Whole, "`value` must be floating point, got torch.int64"),
        (NotANumber, "`value` is not finite on ordinary values"),
        (DiagnosticNumber, "the diagnostic 'largest' must be a detached 0-d tensor"),
        (DiagnosticVector, "the diagnostic 'largest' must be a detached 0-d tensor"),
        (DiagnosticAttached, "the diagnostic 'largest' must be a detached 0-d tensor"),
        (Detached, "no gradient flows to anything that it sees"),
        (GradientElsewhere, "no gradient flows to anything that it sees"),
        (InfiniteGradient, "a gradient is not finite"),
        (Moody, "two calls on equal values differ"),
        (Compares, "the loss of a sample depends on the others; set `reduced`, and return their mean"),
        (OnlySaves, "`state_dict` and `load_state_dict` come together"),
        (SavesCode, "`state_dict` must hold tensors and plain Python only"),
        (Turns, "the loss of a sample depends on the others; set `reduced`, and return their mean"),
        (Doubles, "the state changes on its way through a checkpoint"),
    ],
)
def test_a_faulty_loss_is_told_what_is_wrong(registered, refuses, faulty, message):
    refuses(message, check_loss, registered("losses", faulty), "toy/it")


def test_values_of_ones_own_replace_the_examples(registered, refuses):
    values = {"prediction": torch.zeros(2, 5, requires_grad=True), "target": torch.ones(2, 5)}
    host = registered("losses", Good)
    check_loss(host, "toy/it", values=values)
    refuses(
        "`value` is not finite", check_loss, host, "toy/it", values={**values, "target": torch.full((2, 5), torch.inf)}
    )
