"""Fields at random points: contexts that a model is given, targets that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from heatbath.envs.conservation.law import Law


@dataclass(frozen=True)
class Fields:
    """Values on a tensor grid for each field, float64.

    Attributes:
        parameter: shape `(fields,)`.
        t: shape `(fields, times)`, rising.
        x: shape `(fields, points)`, rising.
        u: shape `(fields, times, points)`.
    """

    parameter: Tensor
    t: Tensor
    x: Tensor
    u: Tensor


def parameters(law: Law, count: int, generator: Generator) -> Tensor:
    """Uniform draws from the law's training range, shape `(count,)`, on the generator's device."""
    low, high = law.training
    return low + (high - low) * _uniform((count,), generator)


def contexts(law: Law, parameter: Tensor, generator: Generator, times: int = 10, points: int = 10) -> Fields:
    """Times one in each of equal bins of [0, end], places sorted uniform draws.

    Args:
        law: gives the values.
        parameter: shape `(fields,)`.
        generator: on the parameter's device.
        times: how many.
        points: how many.

    Reference:
        Hansen et al., ICML 2023, appendix; the counts are the paper's.
    """
    bins = torch.arange(times, device=generator.device) + _uniform((len(parameter), times), generator)
    return _fields(law, parameter, bins / times * law.end, _places(law, len(parameter), points, generator))


def targets(law: Law, parameter: Tensor, generator: Generator, times: int = 10, points: int = 10) -> Fields:
    """Times and places sorted uniform draws; arguments as for `contexts`."""
    t = law.end * _uniform((len(parameter), times), generator).sort(-1).values
    return _fields(law, parameter, t, _places(law, len(parameter), points, generator))


def slices(law: Law, parameter: Tensor, generator: Generator, points: int) -> Fields:
    """One random time a field, and places one in each of equal bins, the ends of the domain among them.

    For models that are trained through a constraint: the quadrature over the places is that of the whole domain.
    """
    t = law.end * _uniform((len(parameter), 1), generator)
    left, right = law.domain
    inner = torch.arange(points - 2, device=generator.device) + _uniform((len(parameter), points - 2), generator)
    share = torch.nn.functional.pad(torch.nn.functional.pad(inner / (points - 2), (1, 0)), (0, 1), value=1.0)
    return _fields(law, parameter, t, left + (right - left) * share)


def grid(law: Law, points: int, device: torch.device | str = "cpu") -> Tensor:
    """Equal distances over the domain, with both ends, shape `(points,)`, float64."""
    return torch.linspace(*law.domain, points, dtype=torch.float64, device=device)


def _fields(law: Law, parameter: Tensor, t: Tensor, x: Tensor) -> Fields:
    u = law.solution(parameter[:, None, None], t.unsqueeze(2), x.unsqueeze(1), check=False)
    return Fields(parameter.double(), t, x, u)


def _places(law: Law, fields: int, points: int, generator: Generator) -> Tensor:
    left, right = law.domain
    return left + (right - left) * _uniform((fields, points), generator).sort(-1).values


def _uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
