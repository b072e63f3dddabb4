"""Fields at random points: contexts that a model is given, targets that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from heatbath.core.errors import InvalidInput
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


def contexts(
    law: Law, parameter: Tensor, generator: Generator, times: int = 10, points: int = 10, *, check: bool = True
) -> Fields:
    """Times one in each of equal bins of [0, end], places sorted uniform draws.

    Args:
        law: gives the values.
        parameter: shape `(fields,)`.
        generator: on the parameter's device.
        times: how many.
        points: how many.
        check: whether the law holds for these parameters to its end, which reads from the device.

    Raises:
        InvalidInput: for counts below 1 or a parameter of another shape; with `check`, for one that is out of range.

    Reference:
        Hansen et al., ICML 2023, appendix; the counts are the paper's.
    """
    _ensure_drawable(law, parameter, check, times=times, points=points)
    bins = torch.arange(times, device=generator.device) + _uniform((len(parameter), times), generator)
    return _fields(law, parameter, bins / times * law.end, _places(law, len(parameter), points, generator))


def targets(
    law: Law, parameter: Tensor, generator: Generator, times: int = 10, points: int = 10, *, check: bool = True
) -> Fields:
    """Times and places sorted uniform draws; arguments and errors as for `contexts`."""
    _ensure_drawable(law, parameter, check, times=times, points=points)
    t = law.end * _uniform((len(parameter), times), generator).sort(-1).values
    return _fields(law, parameter, t, _places(law, len(parameter), points, generator))


def slices(law: Law, parameter: Tensor, generator: Generator, points: int, *, check: bool = True) -> Fields:
    """One random time a field, and places one in each of equal bins, the ends of the domain among them.

    For models that are trained through a constraint: the quadrature over the places is that of the whole domain. At
    least 3 points; other arguments and errors as for `contexts`.
    """
    _ensure_drawable(law, parameter, check, points=points - 2)
    t = law.end * _uniform((len(parameter), 1), generator)
    left, right = law.domain
    inner = torch.arange(points - 2, device=generator.device) + _uniform((len(parameter), points - 2), generator)
    share = torch.nn.functional.pad(torch.nn.functional.pad(inner / (points - 2), (1, 0)), (0, 1), value=1.0)
    return _fields(law, parameter, t, left + (right - left) * share)


def grid(law: Law, points: int, device: torch.device | str = "cpu") -> Tensor:
    """Equal distances over the domain, with both ends, shape `(points,)`, float64."""
    return torch.linspace(*law.domain, points, dtype=torch.float64, device=device)


def _ensure_drawable(law: Law, parameter: Tensor, check: bool, **counts: int) -> None:
    """Raises for counts below 1 and, with `check`, where the law does not hold to its end."""
    if not isinstance(parameter, Tensor) or parameter.dim() != 1:
        got = tuple(parameter.shape) if isinstance(parameter, Tensor) else type(parameter).__name__
        raise InvalidInput(f"`parameter` must be a tensor of shape (fields,), got {got}")
    for name, count in counts.items():
        if count < 1:
            raise InvalidInput(f"too few `{name}`: {1 - count} more are the least")
    if check:
        law.mass(parameter, torch.full((), law.end, dtype=torch.float64, device=parameter.device))


def _fields(law: Law, parameter: Tensor, t: Tensor, x: Tensor) -> Fields:
    u = law.solution(parameter[:, None, None], t.unsqueeze(2), x.unsqueeze(1), check=False)
    return Fields(parameter.double(), t, x, u)


def _places(law: Law, fields: int, points: int, generator: Generator) -> Tensor:
    left, right = law.domain
    return left + (right - left) * _uniform((fields, points), generator).sort(-1).values


def _uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
