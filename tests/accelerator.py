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
    Copies from the host, waiting or not. A CPU tensor of no dimensions in arithmetic is none: it travels with the launch.

Random numbers: `accelerator.generator(seed)`, or `torch.Generator(device="emu")`, which works inside `emulated()`; a
draw without a generator takes the device's default one, which `torch.manual_seed` and `torch.emu.manual_seed` seed.

Where torch asks "is this CUDA?", the emulation answers as CUDA would if it can: optimisers take their `foreach` way,
GRU and LSTM cells are the fused kernels, numbers that are assigned stay on the host. It cannot for these: `nn.LSTM` and
`nn.GRU` run cell by cell where CUDA has cuDNN's one call; dropout is three launches instead of one; attention is the
composed one; `torch.compile`, streams, events and graphs are not there. Each errs towards more launches, none towards
fewer synchronisations. Not emulated: kernels of size 0, which CUDA does not launch; in-place changes of a tensor's
shape (`resize_`, `transpose_`), which raise.

It rests on private parts of torch (`_setup_privateuseone_for_python_backend`, kernels by dispatch key) and is made for
torch 2.13: on another version `emulated()` raises, and the fixture skips with the reason.
`tests/test_accelerator.py` holds it against what CUDA is known to do.
"""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tests import fused_cells

MADE_FOR = "2.13"
TYPE = "emu"

SYNCHRONISING = {
    "_local_scalar_dense": 1,
    "nonzero": 1,
    "masked_select": 1,
    "equal": 1,
    "_unique2": 1,
    "unique_dim": 1,
    "unique_consecutive": 1,
    "unique_dim_consecutive": 1,
    "bincount": 2,  # the minimum is checked, the maximum sizes the answer
    "multinomial": 1,  # probabilities are checked
    "_linalg_eigh": 1,
    "_linalg_svd": 1,
    "linalg_eig": 1,
    "_linalg_eigvals": 1,
    "linalg_lstsq": 1,
    "linalg_matrix_exp": 1,
}
"""Operations during which CUDA's host waits, and how often; composed ones are found out by what they are made of."""

LIBRARY = frozenset(
    "sort topk kthvalue median mode _unique2 unique_dim unique_consecutive linalg_qr geqrf linalg_cholesky_ex "
    "_linalg_solve_ex linalg_inv_ex linalg_lu_factor_ex _linalg_eigh _linalg_svd _linalg_det _linalg_slogdet linalg_eig "
    "linalg_lstsq linalg_solve_triangular cholesky_solve _fft_r2c _fft_c2r _fft_c2c convolution".split()
)
"""Operations counted as one launch that a library makes of several."""

LEAVES = frozenset(
    "arange range linspace logspace eye tril_indices triu_indices full scalar_tensor convolution convolution_backward kthvalue "
    "linalg_lstsq native_layer_norm native_group_norm isin median mode native_dropout".split()
)
"""Composed on the CPU, or resizing what they are given; on CUDA they have kernels of their own."""

FREE = frozenset("_unsafe_view lift_fresh lift _reshape_alias detach_ is_same_size is_set_to _has_same_storage_numel".split())
"""No kernel, though the schema does not say that it is a view."""

KERNELS = {"_local_scalar_dense": 0, "equal": 2, "eye": 2}
"""Launches of an operation that are not one."""

_ALIASES = ("CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")
_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key


# What is counted


@dataclass
class Counts:
    """Launches, synchronisations and uploads of a section, each a `Counter` by the operation's name."""

    launched: Counter[str] = field(default_factory=Counter)
    synchronised: Counter[str] = field(default_factory=Counter)
    uploaded: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)

    @property
    def launches(self) -> int:
        return self.launched.total()

    @property
    def syncs(self) -> int:
        return self.synchronised.total()

    @property
    def uploads(self) -> int:
        return self.uploaded.total()

    def copied(self) -> Counts:
        return Counts(*(Counter(counter) for counter in (self.launched, self.synchronised, self.uploaded, self.places)))

    def __str__(self) -> str:
        """What a failing assertion should show.

        >>> print(Counts(Counter(mm=2), Counter(nonzero=1)))
        2 launches (2 mm), 1 synchronisation (1 nonzero), 0 uploads
        """
        parts = []
        for word, counter in (
            ("launch", self.launched),
            ("synchronisation", self.synchronised),
            ("upload", self.uploaded),
        ):
            total = counter.total()
            plural = "" if total == 1 else "es" if word.endswith("ch") else "s"
            names = ", ".join(f"{count} {name}" for name, count in counter.most_common())
            parts.append(f"{total} {word}{plural}" + (f" ({names})" if names else ""))
        where = "".join(f"\n  waits: {count} at {place}" for place, count in self.places.most_common())
        return ", ".join(parts) + where


class Accelerator(Counts):
    """The emulated device, and the counts since `emulated()` began."""

    device = property(lambda self: torch.device(TYPE, 0))

    def generator(self, seed: int = 0) -> torch.Generator:
        """A generator on the device."""
        return EmulatedGenerator().manual_seed(seed)

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """The counts of a section alone; they may be nested."""
        counts = Counts()
        _open.append(counts)
        try:
            yield counts
        finally:
            _open[:] = [other for other in _open if other is not counts]


_open: list[Counts] = []


def _count(kind: str, name: str, times: int = 1) -> None:
    if times == 0:
        return
    for counts in _open:
        getattr(counts, kind)[name] += times
        if kind == "synchronised":
            counts.places[f"{name}: {_caller()}"] += times


def _caller() -> str:
    """The nearest line of code that is neither torch's nor this module's."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path != __file__ and "/torch/" not in path and not path.startswith("<"):
            return f"{Path(path).name}:{frame.f_lineno}"
        frame = frame.f_back
    return "unknown"


# Tensors and generators


class EmulatedTensor(Tensor):
    """A tensor that claims to be on the device; `inner` does the work."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> EmulatedTensor:
        wrapper = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device(TYPE, 0),
        )  # fmt: skip
        wrapper.inner = inner
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _dispatch(operation, args, kwargs or {})

    def __repr__(self) -> str:
        _count("synchronised", "print")
        return f"{self.inner!r} on {self.device}"

    def __setitem__(self, index: Any, value: Any) -> None:
        # CUDA keeps an assigned number on the host (THPVariable_setitem), which spares a masked fill its nonzero.
        if isinstance(value, bool | int | float | complex):
            value = torch.tensor(value, dtype=self.dtype)
        super().__setitem__(index, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> EmulatedTensor:
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        copied._is_param = getattr(self, "_is_param", False)
        return memo.setdefault(id(self), copied)

    def __reduce_ex__(self, protocol: int) -> Any:
        """Saved as the CPU tensor that `torch.save` would copy to the host."""
        _count("synchronised", "save")
        return self.inner.detach().clone().__reduce_ex__(protocol)

    def tolist(self) -> Any:
        _count("synchronised", "tolist")
        return self.inner.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"can't convert {self.device} tensor to numpy; use Tensor.cpu() first")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, EmulatedTensor) or value.shape != self.shape or value.dtype != self.dtype:
            raise NotImplementedError("the emulation sets `data` only to a tensor of its own, of one shape and type")
        self.inner = value.inner


_generators: weakref.WeakValueDictionary[int, EmulatedGenerator]


class EmulatedGenerator(torch.Generator):
    """A CPU generator that belongs to the device.

    torch hands a dispatched operation another Python object around the same C++ generator, so that it is known by its
    address.
    """

    def __init__(self) -> None:
        _generators[self._cdata] = self

    @property
    def device(self) -> torch.device:
        return torch.device(TYPE, 0)


_generators = weakref.WeakValueDictionary()


class _GeneratorType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, torch._C.Generator)

    def __call__(cls, device: Any = "cpu") -> torch.Generator:
        return EmulatedGenerator() if torch.device(device).type == TYPE else torch._C.Generator(device=device)


class _Generator(metaclass=_GeneratorType):
    """Stands for `torch.Generator` inside `emulated()`: torch lets no Python backend make a generator."""


# Running an operation


def _dispatch(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = operation._schema.name.removeprefix("aten::")
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    emulated = any(isinstance(tensor, EmulatedTensor) for tensor in tensors)
    device = kwargs.get("device")
    target = device.type if device is not None else TYPE if emulated else "cpu"
    _check_generator(args, kwargs, target)
    if name in ("is_pinned", "_pin_memory"):
        return _pinning(name, args[0])
    if not emulated and target != TYPE:
        return operation(*args, **kwargs)
    if name == "_to_copy":
        return _moved(*args, **kwargs)
    if name == "copy_":
        return _copied(*args, **kwargs)
    _check_devices(operation, name, args, kwargs, tensors)
    if name in ("_index_put_impl_", "index"):
        args = _indexing(name, *args)
    if (kernel := _composed(operation)) and operation not in _resizing:
        before = [counts.copied() for counts in _open]
        try:
            with _Mode():  # factories inside it would not be seen otherwise
                return operation._op_dk(kernel, *args, **kwargs)
        except _Resized:
            _resizing.add(operation)
            for counts, old in zip(_open, before, strict=True):
                vars(counts).update(vars(old))
    return _launch(operation, name, args, kwargs)


class _Resized(NotImplementedError):
    """An output that grew, as in `empty(0)` and an operation into it: a wrapper's shape is fixed."""


_resizing: set[Any] = set()
"""Composed operations in which that happens; they count one launch."""


@cache
def _composed(operation: Any) -> Any:
    """The dispatch key of the kernel that makes an operation of others, or None."""
    full, name = operation.name(), operation._schema.name.removeprefix("aten::")
    known = name in LEAVES or name in FREE or name.startswith(("_foreach_", "empty", "new_empty"))
    if known or operation.is_view or _has_kernel(full, "CPU") or name in fused_cells.KERNELS:
        return None
    found = next((alias for alias in _ALIASES if _has_kernel(full, alias)), None)
    return getattr(torch._C.DispatchKey, found) if found else None


def _launch(operation: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Count, compute on the inner tensors, and give back wrapped ones, the same where an operation is in place."""
    free = operation.is_view or name in FREE or name.startswith(("empty", "new_empty"))
    times = sum(args[-1]) if name == "convolution_backward" else 0 if free else KERNELS.get(name, 1)
    _count("launched", name, times)
    _count("synchronised", name, SYNCHRONISING.get(name, 0))
    wrappers = {id(leaf.inner): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, EmulatedTensor)}
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": torch.device("cpu"), "pin_memory": False}
    kernel: Callable[..., Any] = fused_cells.KERNELS.get(name, operation)
    out = kernel(*tree_map(_inner, _drawing(operation, args)), **tree_map(_inner, _drawing(operation, kwargs)))
    if operation._schema.is_mutable:
        for wrapper in wrappers.values():
            if wrapper.shape != wrapper.inner.shape or wrapper.stride() != wrapper.inner.stride():
                raise _Resized(f"{operation}: the emulation cannot change a tensor's shape in place")
    return tree_map(lambda leaf: _outer(leaf, wrappers), out)


def _inner(leaf: Any) -> Any:
    return leaf.inner if isinstance(leaf, EmulatedTensor) else leaf


def _outer(leaf: Any, wrappers: dict[int, EmulatedTensor]) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    return wrappers[id(leaf)] if id(leaf) in wrappers else EmulatedTensor(leaf)


# Random numbers


def _is_generator(leaf: Any) -> bool:
    return isinstance(leaf, torch._C.Generator)


def _check_generator(args: Any, kwargs: Any, target: str) -> None:
    for leaf in (*args, *kwargs.values()):
        if _is_generator(leaf):
            found = TYPE if leaf._cdata in _generators else "cpu"
            if found != target:
                raise RuntimeError(f"Expected a '{target}' device type for generator but found '{found}'")


def _drawing(operation: Any, given: Any) -> Any:
    """The device's default generator, where a draw was given none."""
    if not isinstance(given, dict) or given.get("generator") is not None:
        return given
    if any(argument.name == "generator" for argument in operation._schema.arguments):
        return {**given, "generator": Backend.generator()}
    return given


# Copies between host and device


def _waits(host: Tensor, non_blocking: bool) -> bool:
    """cudaMemcpyAsync may wait for pageable memory, and torch does for a copy that is not `non_blocking`."""
    return not (non_blocking and _pinned_by_id.get(id(host)) is host)


_pinned_by_id: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()


def _pinning(name: str, tensor: Tensor) -> Any:
    if name == "is_pinned":
        return _pinned_by_id.get(id(tensor)) is tensor
    if isinstance(tensor, EmulatedTensor):
        raise RuntimeError(f"cannot pin {tensor.device} memory: only dense CPU tensors can be pinned")
    pinned = tensor.clone()
    _pinned_by_id[id(pinned)] = pinned
    return pinned


def _upload(name: str, host: Tensor, non_blocking: bool) -> None:
    _count("uploaded", name)
    if _waits(host, non_blocking):
        _count("synchronised", f"{name} from the host")


def _moved(x: Tensor, *, dtype=None, device=None, non_blocking=False, memory_format=None, **_: Any) -> Tensor:
    """`to` and what is built on it."""
    to_host = device is not None and device.type == "cpu"
    kwargs = {} if memory_format is None else {"memory_format": memory_format}
    out = torch.ops.aten._to_copy.default(_inner(x), dtype=dtype, device=torch.device("cpu"), **kwargs)
    if not isinstance(x, EmulatedTensor):
        _upload("to", x, non_blocking)
        return EmulatedTensor(out)
    if not to_host:
        _count("launched", "_to_copy")
        return EmulatedTensor(out)
    if out.dtype != x.dtype or not x.inner.is_contiguous():
        _count("launched", "_to_copy")  # made ready on the device
    if not non_blocking:
        _count("synchronised", "to the host")
    return out


def _copied(destination: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    _inner(destination).copy_(_inner(source))
    match isinstance(destination, EmulatedTensor), isinstance(source, EmulatedTensor):
        case True, True:
            _count("launched", "copy_")
        case True, False:
            _upload("copy_", source, non_blocking)
        case _ if _waits(destination, non_blocking):
            _count("synchronised", "copy_ to the host")
    return destination


# What CUDA refuses


def _check_devices(operation: Any, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
    """A CPU tensor may meet a CUDA tensor where it has no dimensions, is no output and no member of a list."""

    def refuse(tensor: Tensor) -> None:
        if isinstance(tensor, Tensor) and not isinstance(tensor, EmulatedTensor):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {TYPE}:0 and cpu! "
                f"({operation} met a CPU tensor of shape {tuple(tensor.shape)})"
            )

    if not any(isinstance(tensor, EmulatedTensor) for tensor in tensors):
        return
    for tensor in tensors:
        if tensor.dim() > 0 or name in ("index_select", "gather", "scatter", "scatter_add", "mm", "bmm", "addmm"):
            refuse(tensor)
    for value, argument in zip(args, operation._schema.arguments, strict=False):
        if argument.is_write or name in ("cat", "stack"):
            for leaf in tree_leaves(value):
                refuse(leaf)
    if "out" in kwargs:
        refuse(kwargs["out"])


def _indexing(name: str, x: Tensor, indices: Any, *rest: Any) -> tuple[Any, ...]:
    """Masks become indices by `nonzero`, for which the host waits, unless a number is written: that is a masked fill."""
    masks = [index for index in indices if index is not None and index.dtype in (torch.bool, torch.uint8)]
    if name != "index":
        value, accumulate = rest[0], len(rest) > 1 and rest[1]
        number = not isinstance(value, EmulatedTensor)
        if number and not accumulate and len(masks) == sum(index is not None for index in indices) == 1:
            return x, indices, *rest
        if number:
            rest = (torch.ops.aten._to_copy.default(value, device=torch.device(TYPE, 0)), *rest[1:])
    _count("synchronised", f"{name} by a mask", len(masks))
    _count("launched", "nonzero", len(masks))
    return x, indices, *rest


# The backend


class Backend:
    """What `torch.emu` is: as far as `torch.manual_seed` and `torch.get_device_module` need it."""

    _default: list[EmulatedGenerator] = []  # noqa: RUF012

    @classmethod
    def generator(cls) -> EmulatedGenerator:
        if not cls._default:
            cls._default.append(EmulatedGenerator())
            cls._default[0].manual_seed(0)
        return cls._default[0]

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def is_available() -> bool:
        return bool(_open)

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @classmethod
    def manual_seed(cls, seed: int) -> None:
        cls.generator().manual_seed(seed)

    manual_seed_all = manual_seed

    @classmethod
    def get_rng_state(cls, device: Any = TYPE) -> Tensor:
        return cls.generator().get_state()

    @classmethod
    def set_rng_state(cls, state: Tensor, device: Any = TYPE) -> None:
        cls.generator().set_state(state)

    @staticmethod
    def synchronize(device: Any = None) -> None:
        _count("synchronised", "synchronize")


class _Mode(TorchDispatchMode):
    """Shows factories and operations on CPU tensors to the emulation, which no emulated tensor takes part in."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _dispatch(operation, args, kwargs or {})


@cache
def _install() -> torch.library.Library:
    """Once a process: torch lets a backend be named only once."""
    from torch.utils import backend_registration

    backend_registration._setup_privateuseone_for_python_backend(TYPE, backend_module=Backend)
    library = torch.library.Library("aten", "IMPL")

    # torch.tensor(..., device="emu") builds with dispatch modes off and comes here.

    def empty(size, *, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
        return EmulatedTensor(torch.empty(size, dtype=dtype, device="cpu"))

    def empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
        return EmulatedTensor(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))

    def copy_from(source, destination, non_blocking=False):
        return _copied(destination, source, non_blocking)

    for name, kernel in {"empty.memory_format": empty, "empty_strided": empty_strided, "_copy_from": copy_from}.items():
        library.impl(name, kernel, "PrivateUse1")
    return library


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
    emu:0 6.0
    3 launches (1 fill_, 1 mul, 1 sum), 1 synchronisation (1 _local_scalar_dense), 0 uploads
      waits: 1 at _local_scalar_dense: ...
    """
    if reason := unsupported():
        raise RuntimeError(reason)
    _install()
    from torch.optim import optimizer
    from torch.utils import _foreach_utils

    accelerator = Accelerator()
    lists = (optimizer._foreach_supported_types, _foreach_utils._foreach_supported_types)
    original = torch.Generator
    with ExitStack() as undo:
        for types in lists:
            types.append(EmulatedTensor)
            undo.callback(types.remove, EmulatedTensor)
        torch.Generator = _Generator
        undo.callback(setattr, torch, "Generator", original)
        _open.append(accelerator)
        undo.callback(lambda: _open.__setitem__(slice(None), [c for c in _open if c is not accelerator]))
        undo.enter_context(_Mode())
        undo.enter_context(torch.autograd.set_multithreading_enabled(False))  # so that `places` names the line
        yield accelerator


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    """`emulated()`; skipped, with the reason, on a version of torch that it is not made for."""
    if reason := unsupported():
        pytest.skip(reason)
    with emulated() as device:
        yield device
