"""Components built outside a run, and values for them to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heatbath.core.build import Setup
from heatbath.core.choices import Pick
from heatbath.core.config import resolve
from heatbath.core.contracts import Gaussian
from heatbath.core.host import Host
from heatbath.core.streams import Streams

BATCH, TIME, DIM, STEPS = 4, 6, 3, 5


def build(
    host: Host, kind: str, name: str, *, facts: Mapping[str, Any] | None = None, seed: int = 0, **options: Any
) -> Any:
    """A component as an experiment would build it, needs unchecked.

    Args:
        host: the plugins.
        kind: its table, such as `losses`.
        name: as registered.
        facts: what its problem would tell it.
        seed: of its random stream.
        options: its own.

    >>> build(Host().load(), "schedules", "constant", level=0.3).level
    0.3
    """
    choice = resolve(host, Pick(kind, name, options))
    setup = Setup(host, Streams(seed), "it")
    with setup.streams.scoped("it/build"):
        return host.target(kind, name)(choice.options, setup, **(facts or {}))


@dataclass(frozen=True)
class KnownSum:
    """The sum of each sample is known; a constraint for examples."""

    total: Tensor

    def residual(self, y: Tensor) -> Tensor:
        return y.flatten(1).sum(1) - self.total

    def condition(self, belief: Gaussian) -> Gaussian:
        share = belief.variance / belief.variance.sum(1, keepdim=True)
        mean = belief.mean - share * self.residual(belief.mean).unsqueeze(1)
        factor = belief.variance / belief.variance.sum(1, keepdim=True).sqrt()
        return Gaussian(mean, belief.variance, factor.unsqueeze(2))


def example_values(needs: Iterable[str], seed: int = 0) -> dict[str, Any]:
    """Random values under the names of the vocabulary: 4 samples, 6 times, 3 variables, float64, most with gradients.

    >>> sorted(example_values({"prediction", "target"}))
    ['prediction', 'target']
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    known: dict[str, Any] = {
        "inputs": draw(BATCH, TIME, DIM),
        "prediction": draw(BATCH, TIME, DIM).requires_grad_(),
        "target": draw(BATCH, TIME, DIM),
        "belief": Gaussian(draw(BATCH, TIME * DIM).requires_grad_(), draw(BATCH, TIME * DIM).exp().requires_grad_()),
        "index": torch.arange(BATCH),
        "weight": draw(BATCH).exp(),
        "mask": draw(BATCH, TIME, DIM) > -1,
        "constraint": KnownSum(draw(BATCH)),
    }
    values: dict[str, Any] = {}
    for name in needs:
        if name == "model":
            model = torch.nn.Linear(DIM, DIM, dtype=torch.float64)
            for parameter in model.parameters():
                parameter.data.copy_(draw(*parameter.shape))
            values[name] = model
        elif name in known:
            values[name] = known[name]
        elif name.startswith("solution:"):
            values[name] = draw(STEPS, BATCH).exp().requires_grad_()
        else:
            values[name] = draw().exp()
    return values
