"""Conformance of losses."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import Clock, Gaussian, Loss, StepContext, Term
from heatbath.core.errors import ConformanceError
from heatbath.core.host import Host
from heatbath.core.testing.examples import BATCH, build, example_values
from heatbath.core.testing.expect import check_needs, check_state, expect, global_generators_untouched, same

PER_SAMPLE = frozenset({"inputs", "prediction", "target", "index", "weight", "mask"})


def check_loss(host: Host, name: str, *, values: Mapping[str, Any] | None = None, **options: Any) -> None:
    """Check a registered loss against its contract, on random values.

    Args:
        host: the plugins.
        name: as registered.
        values: what it is to see, where the examples of `example_values` do not fit it.
        options: its own.

    Raises:
        ConformanceError: saying what is wrong.
    """
    loss = build(host, "losses", name, **options)
    expect(isinstance(loss, Loss), f"{name}: a loss has `needs`, `reduced` and `__call__(context)`")
    check_needs(name, loss)
    expect(isinstance(loss.reduced, bool), f"{name}: `reduced` must be True or False, got {loss.reduced!r}")
    given = {**example_values(loss.needs), **(values or {})}
    with global_generators_untouched(name, "the loss"):
        term = _call(name, loss, given)
    _check_term(name, loss, term, given)
    _check_gradient(name, term, given)
    expect(same(_call(name, loss, given).value, term.value), f"{name}: two calls on equal values differ")
    if not loss.reduced and loss.needs <= PER_SAMPLE and not values:
        _check_samples(name, loss, given, term)
    check_state(name, loss, build(host, "losses", name, **options))


def _call(name: str, loss: Loss, given: Mapping[str, Any]) -> Term:
    before = {key: deepcopy(value) for key, value in given.items() if isinstance(value, Tensor) and value.is_leaf}
    context = StepContext(Clock(3, 10), given, generator=torch.Generator().manual_seed(1))
    try:
        term = loss(context.only(loss.needs, context.generator))
    except KeyError as error:
        raise ConformanceError(f"{name}: {error.args[0]}") from error
    for key, value in before.items():
        expect(same(value.detach(), given[key].detach()), f"{name}: changes {key!r} in place")
    return term


def _check_term(name: str, loss: Loss, term: Any, given: Mapping[str, Any]) -> None:
    expect(isinstance(term, Term), f"{name}: expected a Term, got {type(term).__name__}")
    expect(isinstance(term.value, Tensor), f"{name}: `value` must be a tensor, got {type(term.value).__name__}")
    sizes = [len(given[key]) for key in ("prediction", "target", "inputs") if key in loss.needs]
    shape = () if loss.reduced else (sizes[0] if sizes else BATCH,)
    got = tuple(term.value.shape)
    expect(got == shape, f"{name}: `value` has shape {got}, expected {shape} for reduced = {loss.reduced}")
    expect(term.value.is_floating_point(), f"{name}: `value` must be floating point, got {term.value.dtype}")
    expect(bool(term.value.isfinite().all()), f"{name}: `value` is not finite on ordinary values")
    for key, item in term.diagnostics.items():
        fine = isinstance(item, Tensor) and item.dim() == 0 and not item.requires_grad
        expect(fine, f"{name}: the diagnostic {key!r} must be a detached 0-d tensor")


def _check_gradient(name: str, term: Term, given: Mapping[str, Any]) -> None:
    leaves = []
    for value in given.values():
        parts = value.parameters() if isinstance(value, torch.nn.Module) else [value]
        parts = [value.mean, value.variance] if isinstance(value, Gaussian) else parts
        leaves += [part for part in parts if isinstance(part, Tensor) and part.requires_grad]
    if not leaves:
        return
    expect(term.value.requires_grad, f"{name}: no gradient flows to anything that it sees")
    found = torch.autograd.grad(term.value.sum(), leaves, allow_unused=True, retain_graph=True)
    expect(any(g is not None for g in found), f"{name}: no gradient flows to anything that it sees")
    expect(all(bool(g.isfinite().all()) for g in found if g is not None), f"{name}: a gradient is not finite")


def _check_samples(name: str, loss: Loss, given: Mapping[str, Any], term: Term) -> None:
    some = torch.tensor([BATCH - 1, 0])  # others, and in another order
    alone = _call(name, loss, {key: value.detach()[some] for key, value in given.items()})
    close = torch.allclose(alone.value, term.value.detach()[some], rtol=1e-9, atol=1e-12)
    expect(close, f"{name}: the loss of a sample depends on the others; set `reduced`, and return their mean")
