"""The emulated accelerator beside what CUDA is known to do, one row a behaviour, its source in the row.

Sources: *semantics* is "CUDA semantics" of the PyTorch documentation; *copies* is aten/src/ATen/native/cuda/Copy.cu
(`memcpy_and_sync` unless `non_blocking`) and NVIDIA's "API synchronization behavior" (pageable memory may wait); #62092
is the pull request that made `torch.cuda.set_sync_debug_mode`, with its list of what warns; other rows name the file of
aten/src/ATen/native.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import optimizer

from tests import accelerator as accelerator_module
from tests.accelerator import Accelerator, emulated
from tests.emulation import dispatch


class Things:
    """What the rows are about, made before anything is counted."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.x = torch.arange(12.0, device=device).reshape(4, 3) - 5
        self.square = torch.eye(3, device=device).expand(2, 3, 3) * 2
        self.index = torch.tensor([2, 0], device=device)
        self.mask = self.x > 0
        self.host = torch.ones(4, 3)
        self.scalar = torch.tensor(2.0)
        self.buffer = torch.empty(4, 3, device=device)


# What the host waits for: (name, source, what is done, launches, synchronisations, uploads)

Row = tuple[str, str, Callable[[Things], Any], int, int, int]

READS: list[Row] = [
    ("item", "semantics", lambda t: t.x[0, 0].item(), 0, 1, 0),
    ("float", "semantics", lambda t: float(t.x[0, 0]), 0, 1, 0),
    ("int", "semantics", lambda t: int(t.x[0, 0]), 0, 1, 0),
    ("bool", "#62092", lambda t: bool(t.x[0, 0]), 0, 1, 0),
    ("tolist", "semantics", lambda t: t.x.tolist(), 0, 1, 0),
    ("cpu", "copies", lambda t: t.x.cpu(), 0, 1, 0),
    ("to cpu", "copies", lambda t: t.x.to("cpu"), 0, 1, 0),
    ("to cpu without waiting", "copies", lambda t: t.x.to("cpu", non_blocking=True), 0, 0, 0),
    ("to cpu as another type", "copies", lambda t: t.x.to("cpu", torch.float64), 1, 1, 0),
    ("copy_ to the host", "copies", lambda t: t.host.copy_(t.x), 0, 1, 0),
    ("print", "torch/_tensor_str.py reads values", lambda t: repr(t.x), 0, 1, 0),
    ("equal", "cuda/Equal.cpp: eq, all, item", lambda t: torch.equal(t.x, t.buffer), 2, 1, 0),
    ("allclose", "TensorCompare.cpp: isclose().all().item()", lambda t: torch.allclose(t.index, t.index), 14, 1, 0),
    ("number in tensor", "torch/_tensor.py: (== x).any().item()", lambda t: 1.0 in t.x, 2, 1, 0),
    ("mask as index", "TensorAdvancedIndexing.cpp: nonzero", lambda t: t.x[t.mask], 2, 1, 0),
    ("two masks as index", "one nonzero each", lambda t: t.square[t.mask[:2, 0], t.mask[0]], 3, 2, 0),
    ("tensor put by mask", "#62092", lambda t: t.x.__setitem__(t.mask, t.x[0, 0]), 2, 1, 0),
    ("nonzero", "#62092", lambda t: t.x.nonzero(), 1, 1, 0),
    ("where of one argument", "nonzero", lambda t: torch.where(t.mask), 1, 1, 0),
    ("argwhere", "nonzero", lambda t: torch.argwhere(t.x), 1, 1, 0),
    ("masked_select", "cuda/IndexKernel.cpp: index by a mask", lambda t: t.x.masked_select(t.mask), 1, 1, 0),
    ("unique", "cuda/Unique.cu: the length of the answer", lambda t: torch.unique(t.index), 1, 1, 0),
    ("unique_consecutive", "as unique", lambda t: torch.unique_consecutive(t.index), 1, 1, 0),
    ("bincount", "cuda/SummaryOps.cu: min and max", lambda t: torch.bincount(t.index, minlength=5), 4, 2, 0),
    ("multinomial", "#62092", lambda t: torch.multinomial(t.x.abs(), 2), 2, 1, 0),
    (
        "repeats of a tensor",
        "Repeat.cpp: their sum, their sign",
        lambda t: t.x[:2].repeat_interleave(t.index, 0),
        5,
        2,
        0,
    ),
    (
        "repeats of known sum",
        "documentation: output_size avoids it",
        lambda t: t.x[:2].repeat_interleave(t.index, 0, output_size=2),
        3,
        0,
        0,
    ),
    ("index of 0 dimensions", "python_variable_indexing.cpp: item", lambda t: t.x[t.index[0]], 0, 1, 0),
    ("synchronize", "semantics", lambda t: torch.get_device_module(t.device).synchronize(), 0, 1, 0),
    ("cholesky", "documentation: synchronises; linalg.cholesky_ex", lambda t: torch.linalg.cholesky(t.square), 2, 1, 0),
    ("solve", "documentation: synchronises", lambda t: torch.linalg.solve(t.square, t.square), 2, 1, 0),
    ("inv", "documentation: synchronises", lambda t: torch.linalg.inv(t.square), 2, 1, 0),
    ("eigh", "documentation: synchronises", lambda t: torch.linalg.eigh(t.square), 1, 1, 0),
    ("eigvalsh", "documentation: synchronises", lambda t: torch.linalg.eigvalsh(t.square), 1, 1, 0),
    ("svd", "documentation: synchronises", lambda t: torch.linalg.svd(t.square), 1, 1, 0),
    ("eigvals", "documentation: synchronises", lambda t: torch.linalg.eigvals(t.square), 1, 1, 0),
    ("lu_factor", "documentation: synchronises", lambda t: torch.linalg.lu_factor(t.square), 2, 1, 0),
]

UPLOADS: list[Row] = [
    ("to the device", "copies", lambda t: t.host.to(t.device), 0, 1, 1),
    ("pageable without waiting", "copies", lambda t: t.host.to(t.device, non_blocking=True), 0, 1, 1),
    (
        "pinned without waiting",
        "semantics: use pinned memory buffers",
        lambda t: t.host.pin_memory().to(t.device, non_blocking=True),
        0,
        0,
        1,
    ),
    ("pinned", "copies", lambda t: t.host.pin_memory().to(t.device), 0, 1, 1),
    ("copy_", "copies", lambda t: t.x.copy_(t.host), 0, 1, 1),
    (
        "tensor of a list",
        "tensor_new.cpp: made on the CPU, then .to",
        lambda t: torch.tensor([1.0], device=t.device),
        0,
        1,
        1,
    ),
    ("index of a list", "python_variable_indexing.cpp", lambda t: t.x[:, [0, 2]], 1, 1, 1),
    ("number put by index", "value.to(device)", lambda t: t.x.__setitem__(t.index, 1.0), 1, 1, 1),
    ("number put in one place", "copy_ of equal shapes", lambda t: t.x.__setitem__((0, 0), 1.0), 0, 1, 1),
]

WAITLESS: list[Row] = [
    ("arithmetic", "semantics: asynchronous", lambda t: t.x + t.x, 1, 0, 0),
    ("a number", "it travels with the launch", lambda t: 1 - 2 * t.x / 3, 3, 0, 0),
    ("a CPU tensor of no dimensions", "semantics: allowed", lambda t: t.x * t.scalar, 1, 0, 0),
    ("in place", "one kernel", lambda t: t.x.add_(1).mul_(2), 2, 0, 0),
    ("out=", "one kernel", lambda t: torch.mul(t.x, t.x, out=t.buffer), 1, 0, 0),
    ("number put by mask", "canDispatchToMaskedFill", lambda t: t.x.__setitem__(t.mask, 1.0), 1, 0, 0),
    ("number put in a row", "fill_", lambda t: t.x.__setitem__(1, 1.0), 1, 0, 0),
    ("where of three arguments", "one kernel", lambda t: torch.where(t.mask, t.x, 0.0), 2, 0, 0),
    ("masked_fill", "one kernel", lambda t: t.x.masked_fill_(t.mask, 0.0), 1, 0, 0),
    ("index by a tensor", "one kernel", lambda t: t.x[t.index], 1, 0, 0),
    ("index_select", "one kernel", lambda t: t.x.index_select(0, t.index), 1, 0, 0),
    ("gather", "one kernel", lambda t: t.x[:2].gather(1, t.index[:, None]), 1, 0, 0),
    ("scatter_add_", "one kernel", lambda t: t.x.scatter_add_(1, t.index[:, None], t.buffer), 1, 0, 0),
    ("index_add_", "one kernel", lambda t: t.x.index_add_(0, t.index, t.buffer[:2]), 1, 0, 0),
    ("searchsorted", "one kernel", lambda t: torch.searchsorted(t.x[0], t.x), 1, 0, 0),
    ("sort", "a library", lambda t: t.x.sort(), 1, 0, 0),
    ("cumsum", "a library", lambda t: t.x.cumsum(0), 1, 0, 0),
    ("all", "a reduction stays on the device", lambda t: t.mask.all(), 1, 0, 0),
    ("qr", "documentation names no synchronisation", lambda t: torch.linalg.qr(t.square), 1, 0, 0),
    ("cholesky_ex", "documentation: avoids it", lambda t: torch.linalg.cholesky_ex(t.square), 1, 0, 0),
    ("solve_ex", "documentation: avoids it", lambda t: torch.linalg.solve_ex(t.square, t.square), 1, 0, 0),
    ("det", "by lu_factor_ex", lambda t: torch.linalg.det(t.square), 1, 0, 0),
    ("fft", "a library", lambda t: torch.fft.irfft(torch.fft.rfft(t.x)), 2, 0, 0),
    ("einsum", "bmm", lambda t: torch.einsum("bij,bjk->bik", t.square, t.square), 1, 0, 0),
    ("stack", "cat", lambda t: torch.stack([t.x, t.x]), 1, 0, 0),
    ("clone", "copy_", lambda t: t.x.clone(), 1, 0, 0),
    ("another type", "copy_", lambda t: t.x.double(), 1, 0, 0),
    ("reshape of a transposed", "a copy", lambda t: t.x.T.reshape(12), 1, 0, 0),
    ("zeros", "fill", lambda t: torch.zeros(3, device=t.device), 1, 0, 0),
    ("full", "fill: how to make a number without an upload", lambda t: torch.full((), 3.0, device=t.device), 1, 0, 0),
    ("arange", "one kernel", lambda t: torch.arange(3, device=t.device), 1, 0, 0),
    ("randn", "one kernel", lambda t: torch.randn(3, device=t.device), 1, 0, 0),
    ("randperm", "no warning in #62092", lambda t: torch.randperm(9, device=t.device), 1, 0, 0),
    ("empty", "an allocation", lambda t: torch.empty(3, device=t.device), 0, 0, 0),
    ("len and shape", "on the host", lambda t: (len(t.x), t.x.shape, t.x.numel()), 0, 0, 0),
    (
        "views",
        "no kernel",
        lambda t: [
            t.x.view(3, 4),
            t.x.T,
            t.x.reshape(12),
            t.x[1:, 0],
            t.x[None],
            t.x.expand(2, 4, 3),
            t.x.detach(),
            t.x.squeeze(),
            t.x.unbind(),
            t.x.split(2),
            t.x.chunk(2),
            t.x.diagonal(),
            t.x.movedim(0, 1),
            t.x.unfold(0, 2, 1),
            t.x.flatten(),
            t.x.unsqueeze(0),
            t.x.swapaxes(0, 1),
            t.x.narrow(0, 0, 2),
            t.x.contiguous(),
            t.x.to(t.device),
        ],
        0,
        0,
        0,
    ),
]


def ids(rows: list[Row]) -> list[Any]:
    return [pytest.param(*row[2:], id=row[0]) for row in rows]


@pytest.mark.parametrize(("act", "launches", "syncs", "uploads"), ids([*READS, *UPLOADS, *WAITLESS]))
def test_what_is_counted(
    accelerator: Accelerator, act: Callable[[Things], Any], launches: int, syncs: int, uploads: int
) -> None:
    things = Things(accelerator.device)
    with accelerator.counting() as counts:
        act(things)
    assert (counts.launches, counts.syncs, counts.uploads) == (launches, syncs, uploads), counts


# What CUDA refuses

REFUSED: list[tuple[str, str, Callable[[Things], Any], type[Exception], str]] = [
    ("a CPU tensor", "semantics: cross-device", lambda t: t.x + t.host, RuntimeError, "same device"),
    ("a CPU matrix", "semantics", lambda t: t.x @ t.host.T, RuntimeError, "same device"),
    ("a CPU tensor to stack", "cat", lambda t: torch.stack([t.x[0, 0], t.scalar]), RuntimeError, "same device"),
    ("in place on the CPU", "semantics", lambda t: t.scalar.add_(t.x[0, 0]), RuntimeError, "same device"),
    ("out= on the CPU", "semantics", lambda t: torch.mul(t.x, t.x, out=t.host), RuntimeError, "same device"),
    ("a CPU index to gather", "gather", lambda t: t.x.gather(1, torch.zeros(4, 1).long()), RuntimeError, "same device"),
    ("indexing a CPU tensor", "index", lambda t: t.host[t.index], RuntimeError, "same device"),
    (
        "a CPU generator in a factory",
        "semantics: generators are of one device",
        lambda t: torch.randint(9, (2,), generator=torch.Generator(), device=t.device),
        RuntimeError,
        "device type for generator",
    ),
    (
        "a CPU generator in place",
        "semantics",
        lambda t: t.x.normal_(generator=torch.Generator()),
        RuntimeError,
        "device type for generator",
    ),
    (
        "a device's generator on the CPU",
        "semantics",
        lambda t: torch.rand(3, generator=torch.Generator(device=t.device)),
        RuntimeError,
        "device type for generator",
    ),
    ("numpy", "semantics", lambda t: t.x.numpy(), TypeError, "cpu"),
    ("numpy.asarray", "semantics", lambda t: np.asarray(t.x), TypeError, "cpu"),
    ("pinning", "documentation: dense CPU tensors", lambda t: t.x.pin_memory(), RuntimeError, "pin"),
]


@pytest.mark.parametrize(("act", "error", "says"), [pytest.param(*row[2:], id=row[0]) for row in REFUSED])
def test_what_is_refused(
    accelerator: Accelerator, act: Callable[[Things], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        act(Things(accelerator.device))


def test_a_mismatch_in_a_backward_pass_is_refused_too(accelerator: Accelerator) -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient + torch.ones(3)

    x = torch.ones(3, device=accelerator.device, requires_grad=True)
    with pytest.raises(RuntimeError, match="same device"):
        Wrong.apply(x).sum().backward()


def test_an_error_inside_an_operation_leaves_the_backward_pass(
    accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = torch.ones(3, device=accelerator.device, requires_grad=True).exp().sum()
    run = dispatch._dispatch

    def failing(operation: Any, *rest: Any) -> Any:
        if "mul" in str(operation):
            raise ValueError("from within")
        return run(operation, *rest)

    monkeypatch.setattr(dispatch, "_dispatch", failing)
    with pytest.raises(ValueError, match="from within"):
        y.backward()


# Random numbers


def test_generators_of_the_device_draw_reproducibly_and_independently(accelerator: Accelerator) -> None:
    def draw(generator: torch.Generator) -> Any:
        size = (5,)
        return torch.randint(99, size, generator=generator, device=accelerator.device).tolist()

    one, two = accelerator.generator(3), torch.Generator(device=accelerator.device).manual_seed(3)
    assert one.device == accelerator.device
    assert draw(one) == draw(two)
    state = one.get_state()
    again = draw(one)
    one.set_state(state)
    assert draw(one) == again
    assert isinstance(one, torch.Generator)
    assert isinstance(torch.Generator(), torch.Generator)


def test_draws_without_a_generator_have_a_stream_of_the_device(accelerator: Accelerator) -> None:
    torch.manual_seed(5)  # seeds every device, as it seeds CUDA
    device, host = torch.randn(3, device=accelerator.device).tolist(), torch.randn(3).tolist()
    torch.manual_seed(5)
    torch.randn(7)
    assert torch.randn(3, device=accelerator.device).tolist() == device
    torch.manual_seed(5)
    torch.randn(7, device=accelerator.device)
    assert torch.randn(3).tolist() == host


# Modules, gradients and optimisers: the values of the CPU, the launches of CUDA


def both(accelerator: Accelerator, make: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    on_cpu = make()
    return on_cpu, copy.deepcopy(on_cpu).to(accelerator.device)


MODULES: list[tuple[str, Callable[[], nn.Module], tuple[int, ...], int]] = [
    ("linear", lambda: nn.Linear(3, 2), (4, 3), 1),
    ("linear of a sequence", lambda: nn.Linear(3, 2), (5, 4, 3), 1),
    ("tanh network", lambda: nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)), (4, 3), 3),
    ("gru cell", lambda: nn.GRUCell(3, 2), (4, 3), 4),  # zeros, two products, one fused kernel
    ("lstm cell", lambda: nn.LSTMCell(3, 2), (4, 3), 4),
    ("layer norm", lambda: nn.LayerNorm(3), (4, 3), 1),
    ("convolution", lambda: nn.Conv1d(3, 2, 2), (4, 3, 5), 1),
    ("embedding bag by hand", lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 2), nn.GELU()), (4, 2, 3), 2),
]


@pytest.mark.parametrize(("make", "shape", "launches"), [pytest.param(*row[1:], id=row[0]) for row in MODULES])
def test_modules_give_the_values_of_the_cpu(
    accelerator: Accelerator, make: Callable[[], nn.Module], shape: tuple[int, ...], launches: int
) -> None:
    on_cpu, on_device = both(accelerator, make)
    x = torch.randn(shape)
    x_device = x.to(accelerator.device)

    def loss(out: Any) -> Tensor:
        value: Tensor = (out[0] if isinstance(out, tuple) else out).square().sum()
        return value

    expected = loss(on_cpu(x))
    expected.backward()
    with accelerator.counting() as counts:
        out = on_device(x_device)
    assert (counts.launches, counts.syncs) == (launches, 0), counts
    loss(out).backward()
    torch.testing.assert_close(loss(out).detach().cpu(), expected.detach())
    for one, two in zip(on_cpu.parameters(), on_device.parameters(), strict=True):
        assert two.grad is not None
        torch.testing.assert_close(two.grad.cpu(), one.grad)


@pytest.mark.parametrize("make", [lambda: nn.LSTM(3, 2), lambda: nn.GRU(3, 2)], ids=["lstm", "gru"])
def test_recurrent_layers_run_cell_by_cell(accelerator: Accelerator, make: Callable[[], nn.Module]) -> None:
    on_cpu, on_device = both(accelerator, make)
    x = torch.randn(5, 4, 3)
    torch.testing.assert_close(on_device(x.to(accelerator.device))[0].cpu(), on_cpu(x)[0])


OPTIMISERS: list[tuple[str, Callable[[Any], torch.optim.Optimizer], int]] = [
    ("sgd", lambda p: torch.optim.SGD(p, lr=0.1), 1),
    ("sgd with momentum", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), 3),
    ("adam", lambda p: torch.optim.Adam(p, lr=0.1), 7),
    ("adamw", lambda p: torch.optim.AdamW(p, lr=0.1), 8),
    ("radam", lambda p: torch.optim.RAdam(p, lr=0.1), 9),
    ("fused adam", lambda p: torch.optim.Adam(p, lr=0.1, fused=True), 2),  # its step count is on the device
]


@pytest.mark.parametrize(("make", "launches"), [pytest.param(*row[1:], id=row[0]) for row in OPTIMISERS])
def test_optimisers_take_their_foreach_way(
    accelerator: Accelerator, make: Callable[[Any], torch.optim.Optimizer], launches: int
) -> None:
    """torch.optim documentation: on CUDA `foreach` is the default, so that launches do not grow with the parameters."""
    on_cpu, on_device = both(accelerator, lambda: nn.Sequential(*(nn.Linear(3, 3) for _ in range(4))))
    optimisers = make(on_cpu.parameters()), make(on_device.parameters())
    x = torch.randn(4, 3)
    x_device = x.to(accelerator.device)
    for _ in range(7):
        for model, optimiser, batch in zip((on_cpu, on_device), optimisers, (x, x_device), strict=True):
            optimiser.zero_grad()
            model(batch).square().mean().backward()
            with accelerator.counting() as counts:
                optimiser.step()
    assert (counts.launches, counts.syncs, counts.uploads) == (launches, 0, 0), counts
    for one, two in zip(on_cpu.parameters(), on_device.parameters(), strict=True):
        torch.testing.assert_close(two.detach().cpu(), one.detach())


def test_clipping_gradients_waits_for_nothing(accelerator: Accelerator) -> None:
    model = nn.Linear(3, 2, device=accelerator.device)
    model(torch.ones(1, 3, device=accelerator.device)).sum().backward()
    with accelerator.counting() as counts:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert counts.syncs == 0, counts


def test_function_transforms_run(accelerator: Accelerator) -> None:
    def f(z: Tensor) -> Tensor:
        return torch.tanh(z).square()

    z = torch.randn(4, 3)
    jacobian = torch.func.vmap(torch.func.jacrev(f))
    with accelerator.counting() as counts:
        found = jacobian(z.to(accelerator.device))
    torch.testing.assert_close(found.cpu(), jacobian(z))
    assert counts.syncs == 1, counts  # the upload of z


def test_a_second_derivative(accelerator: Accelerator) -> None:
    x = torch.ones(3, device=accelerator.device, requires_grad=True)
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    first.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [6.0, 6.0, 6.0]


def test_modules_are_copied_saved_and_loaded(accelerator: Accelerator) -> None:
    model = nn.Linear(3, 2, device=accelerator.device)
    twin = copy.deepcopy(model)
    assert isinstance(twin.weight, nn.Parameter)
    assert twin.weight.device == accelerator.device
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    state = torch.load(file, map_location="cpu", weights_only=True)
    assert state["weight"].device.type == "cpu"
    with torch.no_grad():
        twin.weight.add_(1)
    twin.load_state_dict(state)
    assert torch.equal(twin.weight, model.weight)


# The instrument itself


def test_sections_may_be_nested_and_say_where_the_host_waited(accelerator: Accelerator) -> None:
    x = torch.ones(3, device=accelerator.device)
    with accelerator.counting() as outer:
        x + 1
        with accelerator.counting() as inner:
            (x * 2).sum().item()
    assert (outer.launches, inner.launches, outer.syncs) == (3, 2, 1)
    assert inner.launched == {"mul": 1, "sum": 1}
    assert inner.synchronised == {"_local_scalar_dense": 1}
    (place,) = inner.places
    assert "test_accelerator.py:" in place
    assert str(inner).startswith("2 launches (1 mul, 1 sum), 1 synchronisation (1 _local_scalar_dense), 0 uploads")


def test_nothing_is_left_behind() -> None:
    before, supported = torch.Generator, list(optimizer._foreach_supported_types)
    with emulated():
        pass
    assert torch.Generator is before
    assert optimizer._foreach_supported_types == supported
    with pytest.raises(RuntimeError):
        torch.Generator(device="emu")


def test_another_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator_module, "MADE_FOR", "1.0")
    with pytest.raises(RuntimeError, match=r"made for torch 1\.0, this is 2"), emulated():
        pass


def test_a_shape_changed_in_place_is_refused(accelerator: Accelerator) -> None:
    with pytest.raises(NotImplementedError, match="shape in place"):
        torch.ones(2, 3, device=accelerator.device).transpose_(0, 1)
