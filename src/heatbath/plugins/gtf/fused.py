"""Optimiser steps by the compiled kernel, many in one call, where a run asks for nothing that it does not know."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from heatbath.core.build import Objective
from heatbath.core.choices import Slots
from heatbath.core.contracts import Clock, Schedule
from heatbath.core.errors import NotFinite
from heatbath.plugins.gtf.observation import Affine, Identity, LatentModel
from heatbath.plugins.gtf.training import Piece, Windows
from heatbath.solvers.recurrence.kernels import kernels
from heatbath.solvers.recurrence.layout import Layout
from heatbath.solvers.recurrence.shallow import as_shallow
from heatbath.solvers.recurrence.training import FusedTrainer

FIT, PENALTY, CONDITION = "mse", "gtf.l2", "gtf.observation"
"""The losses that the kernel knows, by their registered names."""


class KernelTrainer:
    """The steps of `AutogradTrainer` in a compiled call: equal to rounding, some hundred times faster.

    The model's parameters live in one flat vector from now on, which the kernel changes. `kernel_trainer` builds it.

    Args:
        layout: of that vector.
        parameters: the model's, by the names of the layout.
        names: of these parameters in the model, by the names of the layout.
        windows: what is trained on.
        slots: the slot of each loss that there is, by its registered name.
        weights: the schedules of the losses, by slot.
        interval: steps between two forcings.
    """

    fused = True

    def __init__(
        self,
        layout: Layout,
        parameters: dict[str, nn.Parameter],
        names: dict[str, str],
        windows: Windows,
        slots: dict[str, str],
        weights: dict[str, Schedule],
        interval: int,
    ) -> None:
        theta = layout.flatten(parameters)
        layout.tie(parameters, theta)
        self.layout, self.names, self.slots, self.weights = layout, names, slots, weights
        self.kernel = FusedTrainer(layout, theta, windows.series, window=windows.length, interval=interval)

    def advance(self, piece: Piece) -> dict[str, Tensor]:
        steps = len(piece.starts)
        clocks = [Clock(piece.clock.step + index, piece.clock.total) for index in range(steps)]

        def weight(name: str) -> Tensor:
            if name not in self.slots:
                return torch.zeros(steps, dtype=torch.float64)
            schedule = self.weights[self.slots[name]]
            return torch.tensor([schedule.value(clock) for clock in clocks], dtype=torch.float64)

        l2, condition = weight(PENALTY), weight(CONDITION)
        alpha = torch.tensor(piece.alpha, dtype=torch.float64)
        found = self.kernel.run(piece.starts, piece.learning_rate, alpha, l2, condition)
        parts = {FIT: found.error, PENALTY: found.penalty, CONDITION: found.condition}
        if (completed := int(found.completed)) < steps:
            values = {slot: float(parts[name][completed]) for name, slot in self.slots.items()}
            bad = ", ".join(f"loss/{slot} is {value}" for slot, value in values.items() if not math.isfinite(value))
            raise NotFinite(f"step {piece.clock.step + completed + 1}: {bad or 'the gradient is not finite'}")
        total = found.error + l2 * found.penalty + condition * found.condition
        named = {f"loss/{slot}": parts[name].sum() for name, slot in self.slots.items()}
        return {"loss": total.sum(), **named}

    def _moments(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Views of RAdam's running means, by the model's names."""
        means, squares = self.layout.views(self.kernel.mean[0]), self.layout.views(self.kernel.variance[0])
        return {self.names[name]: (means[name], squares[name]) for name in means}

    def state_dict(self) -> dict[str, Any]:
        done = int(self.kernel.done)
        kept = {name: (done, mean.clone(), square.clone()) for name, (mean, square) in self._moments().items()}
        return {"moments": kept if done else {}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        done = 0
        for name, own in self._moments().items():
            if name in state["moments"]:
                done, *averages = state["moments"][name]
                for tensor, kept in zip(own, averages, strict=True):
                    tensor.copy_(kept)
        self.kernel.done.fill_(done)


def refusal(model: LatentModel, windows: Windows, losses: Slots) -> str | None:
    """Why the compiled trainer cannot take these steps, or None where it can."""
    slots, parameters, series = _slots(losses), _parameters(model), windows.series
    if series.device.type != "cpu" or kernels(series.dtype) is None:
        return f"no kernel was built for {series.dtype} on {series.device.type}"
    if parameters is None:
        return f"it knows the shallow PLRNN, not {type(model.dynamics).__name__}"
    if windows.inputs is not None:
        return "it knows no external inputs"
    if slots is None or (CONDITION in slots and "B" not in parameters):
        return f"it knows the losses {FIT} of weight 1, {PENALTY} and, with an affine readout, {CONDITION}"
    return None


def kernel_trainer(
    model: LatentModel, windows: Windows, objective: Objective, losses: Slots, interval: int
) -> KernelTrainer:
    """The compiled trainer, where there is no `refusal`.

    It knows a shallow step whose weights are the model's own parameters, both observations of this plugin, the losses
    `mse` at weight 1, `gtf.l2` and `gtf.observation`, no external inputs, float32 and float64 on the CPU.
    """
    slots, parameters = _slots(losses), _parameters(model)
    assert slots is not None
    assert parameters is not None
    (M, L), N = parameters["W1"].shape, windows.series.shape[1]
    layout = Layout(M, L, observed=N, clipped=model.shallow().clipped, affine="B" in parameters)
    weights = {slot: schedule for slot, (_, schedule) in objective.terms.items()}
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    names = {name: known[id(parameter)] for name, parameter in parameters.items()}
    return KernelTrainer(layout, parameters, names, windows, slots, weights, interval)


def _slots(losses: Slots) -> dict[str, str] | None:
    """The slots of the losses by registered name; None unless each is known, stands once, and the fit has weight 1."""
    chosen = {slot: choice for slot, choice in losses.picks.items() if choice.name != "none"}
    slots = {choice.name: slot for slot, choice in chosen.items()}
    if len(slots) < len(chosen) or not {FIT} <= slots.keys() <= {FIT, PENALTY, CONDITION}:
        return None
    weight = chosen[slots[FIT]].weight
    unit = weight is None or (weight.name == "constant" and getattr(weight.options, "level", None) == 1.0)
    return slots if unit else None


def _parameters(model: LatentModel) -> dict[str, nn.Parameter] | None:
    """The model's parameters by the names of a `Layout`; None where there are others."""
    step = as_shallow(model)
    if step is None or step.C is not None:
        return None
    tensors = {"A": step.A, "W1": step.W1, "W2": step.W2, "h1": step.h1, "h2": step.h2}
    observation = model.observation
    if type(observation) is Affine:
        tensors["B"] = observation.B
    elif type(observation) is Identity:
        tensors |= {} if observation.guess is None else {"guess": observation.guess}
    own = {id(parameter) for parameter in model.parameters()}
    if {id(tensor) for tensor in tensors.values()} != own:
        return None
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, nn.Parameter)}
