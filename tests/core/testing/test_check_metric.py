"""`check_metric` passes good metrics and names what is wrong with each faulty one."""

import pytest
import torch

from heatbath.testing import check_metric


class Good:
    needs = frozenset({"prediction", "target"})

    def __init__(self, options, setup):
        self.reset()

    def reset(self):
        self.total, self.count = 0.0, 0

    def update(self, context):
        self.total += float((context["prediction"] - context["target"]).square().mean())
        self.count += 1

    def compute(self):
        return self.total / self.count


class Several(Good):
    def compute(self):
        return {"mean": self.total / self.count, "count": self.count}


class Drawing(Good):
    def update(self, context):
        super().update(context)
        self.total += float(torch.rand((), generator=context.generator))


class Infinite(Good):
    """A measure may well be NaN."""

    def compute(self):
        return float("nan")


@pytest.mark.parametrize("good", [Good, Several, Drawing, Infinite])
def test_a_good_metric_passes(registered, good):
    check_metric(registered("metrics", good), "toy/it")


class NoReset:
    needs = frozenset()

    def __init__(self, options, setup): ...

    def update(self, context): ...

    def compute(self): ...


class ListOfNeeds(Good):
    needs = ["prediction"]  # noqa: RUF012


class Misspelt(Good):
    needs = frozenset({"solution:"})


class ATensor(Good):
    def compute(self):
        return torch.tensor(self.total)


class TensorsByName(Good):
    def compute(self):
        return {"mean": torch.tensor(self.total)}


class Adds(Good):
    def reset(self):
        self.count = 0
        self.total = getattr(self, "total", 0.0)


class Global(Good):
    def update(self, context):
        super().update(context)
        torch.rand(())


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (NoReset, "a metric has `needs`, `update`, `compute` and `reset`"),
        (ListOfNeeds, "`needs` must be a frozenset, got list"),
        (Misspelt, "`needs` names 'solution:', which is not in the vocabulary"),
        (ATensor, "`compute` must give a number on the host, or several by name, got tensor("),
        (TensorsByName, "`compute` must give a number on the host, or several by name, got {'mean': tensor("),
        (Adds, "`reset` leaves something behind, or the metric is random"),
        (Global, "the metric draws from a global random generator; use the one that is passed"),
    ],
)
def test_a_faulty_metric_is_told_what_is_wrong(registered, refuses, faulty, message):
    refuses(message, check_metric, registered("metrics", faulty), "toy/it")


def test_values_of_ones_own_replace_the_examples(registered):
    values = {"prediction": torch.zeros(2), "target": torch.ones(2)}
    check_metric(registered("metrics", Good), "toy/it", values=values)
