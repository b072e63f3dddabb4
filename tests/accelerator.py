"""An accelerator emulated on the CPU, so that machines without a GPU can test what a GPU would be asked to do.

    def test_the_step_waits_for_nothing(accelerator):
        x = torch.randn(8, 3, device=accelerator.device)
        with accelerator.counting() as step:
            y = torch.relu(x @ x.T).sum()
        assert (step.launches, step.syncs, step.uploads) == (3, 0, 0), step

The fixture `accelerator` is `emulated()`; outside pytest say `with emulated() as accelerator: ...`. Tensors of it claim
to live on `emu:0` while a CPU tensor inside does the work, so results have the CPU's bits. Everything else about them
is what a CUDA tensor shows to a program: a CPU tensor of one or more dimensions that meets one raises, and so does a
generator of the other device, `numpy()`, and arithmetic in place on a CPU tensor.

What is counted, and `by name` in a `Counter` beside each number:

launches (`launched`)
    Kernels. An operation that CUDA has a kernel for is one; one that torch composes of others (`stack`, `zeros`,
    `add` of a number, the backward of `select`) counts what it is composed of. Views (`view`, `reshape` without a
    copy, `transpose`, `expand`, `select`, slices, `detach`, `unbind`) and allocations (`empty`) launch nothing.
    `_foreach_*` is one. A *library operation* (`LIBRARY`: sorts, QR and other decompositions, Fourier transforms,
    convolutions, `unique`) counts one too, although cuSOLVER, cuFFT, cuDNN or CUB start several kernels for it, and
    cuSOLVER often several for each matrix of a batch: look into `launched` and think.
syncs (`synchronised`, and `places`, the lines of code that caused them)
    The host waits until the device is done: `item()`, `float()`, `bool()`, `tolist()`, `cpu()`, `torch.equal`, an
    index that is a mask, `nonzero`, `masked_select`, `unique`, `bincount`, the checked decompositions (`solve`, `inv`,
    `cholesky`, `eigh`, `svd`; those that end in `_ex`, `qr`, `det` and `slogdet` do not), `print`. So do copies
    from the host, unless they are `non_blocking` and from pinned memory, and `torch.tensor(..., device=...)` is one.
uploads (`uploaded`)
    Copies from the host, waiting or not. A CPU tensor of no dimensions in arithmetic is none: it goes with the launch.

Random numbers: `accelerator.generator(seed)`, or `torch.Generator(device="emu")`, which works inside `emulated()`; a
draw without a generator takes the device's default one, which `torch.manual_seed` and `torch.emu.manual_seed` seed.

Where torch asks "is this CUDA?", the emulation answers as CUDA would if it can: optimisers take their `foreach` way,
GRU and LSTM cells are the fused kernels, numbers that are assigned stay on the host. It cannot for these: `nn.LSTM` and
`nn.GRU` run cell by cell where CUDA has cuDNN's one call; dropout is three launches instead of one; attention is the
composed one; operations on no elements, which CUDA does not launch, count. Each errs towards more launches, none to
fewer synchronisations. In-place changes of a tensor's shape (`resize_`, `transpose_`) raise. `torch.compile`, streams,
events and graphs are not there. A copy to the host with `non_blocking=True` does not wait, as on CUDA; that the program
waits before it reads the copy is not checked.

It rests on private parts of torch (`_setup_privateuseone_for_python_backend`, kernels by dispatch key) and is made for
torch 2.13: on another version `emulated()` raises, and the fixture skips with the reason.
`tests/test_accelerator.py` holds it against what CUDA is known to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import torch
from torch.optim import optimizer
from torch.utils import _foreach_utils

from tests.emulation.backend import install
from tests.emulation.counts import Counts, section
from tests.emulation.dispatch import Mode, raising_through_backward
from tests.emulation.tensors import TYPE, AnyGenerator, EmulatedGenerator, EmulatedTensor

MADE_FOR = "2.13"


class Accelerator(Counts):
    """The emulated device, and the counts since `emulated()` began."""

    device = property(lambda self: torch.device(TYPE, 0))

    def generator(self, seed: int = 0) -> torch.Generator:
        """A generator on the device."""
        return EmulatedGenerator().manual_seed(seed)

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """The counts of a section alone; they may be nested."""
        with section(Counts()) as counts:
            yield counts


def unsupported() -> str | None:
    """Why there is no emulation with the torch at hand, or None."""
    found = ".".join(torch.__version__.split(".")[:2])
    return None if found == MADE_FOR else f"the emulated accelerator is made for torch {MADE_FOR}, this is {found}"


@contextmanager
def emulated() -> Iterator[Accelerator]:
    """The emulated accelerator, for a while.

    Raises:
        RuntimeError: on a version of torch that it is not made for.

    >>> with emulated() as accelerator:
    ...     x = torch.ones(2, 3, device=accelerator.device)
    ...     print(x.device, float((2 * x).sum()))
    ...     print(accelerator)  # doctest: +ELLIPSIS
    emu:0 12.0
    3 launches (1 fill_, 1 mul, 1 sum), 1 synchronisation (1 _local_scalar_dense), 0 uploads
      waits: 1 at _local_scalar_dense: ...
    """
    if reason := unsupported():
        raise RuntimeError(reason)
    install()
    with ExitStack() as undo:
        for types in (optimizer._foreach_supported_types, _foreach_utils._foreach_supported_types):
            types.append(EmulatedTensor)
            undo.callback(types.remove, EmulatedTensor)
        undo.callback(setattr, torch, "Generator", torch.Generator)
        torch.Generator = AnyGenerator
        undo.enter_context(Mode())
        undo.enter_context(raising_through_backward())
        undo.enter_context(torch.autograd.set_multithreading_enabled(False))  # so that `places` names the line
        yield undo.enter_context(section(Accelerator()))


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    """`emulated()`; skipped, with the reason, on a version of torch that it is not made for."""
    if reason := unsupported():
        pytest.skip(reason)
    with emulated() as device:
        yield device
