"""The Triton kernels: in Triton's interpreter on the CPU, and on a CUDA device where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from heatbath.core.contracts import Recurrence
from heatbath.solvers.recurrence.compiled import CompiledScan, forced_scan
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.scan import Scan
from heatbath.solvers.recurrence.shallow import ShallowStep

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="the package triton is not installed")
CASES = [
    # M, L, T, batch, alpha ("partial": one per unit), clipped
    (3, 20, 6, 4, 0.3, True),
    (1, 1, 1, 1, None, False),
    (5, 33, 4, 3, "partial", True),
    (4, 40, 3, 2, 1.0, False),
    (16, 700, 3, 2, 0.2, True),
]


def deviation(device: str, case: tuple, dtype: torch.dtype, with_drive: bool) -> float:
    """Of states, proposals and gradients from the plain scan's, relative."""
    from heatbath.solvers.recurrence.triton_scan import TritonScan

    M, L, T, batch, alpha, clipped = case
    generator = torch.Generator().manual_seed(L)

    def draw(*shape: int, scale: float = 1.0) -> torch.Tensor:
        drawn = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        return drawn.to(device, dtype).requires_grad_()

    step = ShallowStep(
        draw(M, scale=0.5), draw(M, L, scale=0.3), draw(L, M, scale=0.3), draw(M), draw(L, scale=0.3), clipped
    )
    start, drive = draw(batch, M), draw(T, batch, M) if with_drive else None
    signal, by = draw(T, batch, M).detach(), draw(2, T, batch, M).detach()
    strength = None
    if alpha is not None:
        strength = torch.linspace(0, 0.5, M) if alpha == "partial" else torch.full((M,), alpha)
        strength = strength.to(start)
    leaves = [start, step.A, step.W1, step.W2, step.h1, step.h2, *([drive] if with_drive else [])]

    def run(value: torch.Tensor, proposal: torch.Tensor) -> list[torch.Tensor]:
        total = (value * by[0]).sum() + (proposal * by[1]).sum()
        return [value.detach(), proposal.detach(), *torch.autograd.grad(total, leaves)]

    transition = step if drive is None else (lambda z, added: step(z) + added)
    hook = None if strength is None else Forcing(strength, signal)
    plain = Scan(None, None).solve(
        Recurrence(transition, start, T, drive), record=frozenset({"proposal"}), on_step=hook
    )
    expected = run(plain.value, plain.trace["proposal"])
    found = run(*forced_scan(TritonScan(), step, start, T, strength, None if hook is None else signal, drive))
    pairs = zip(found, expected, strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


def compile_for_hopper() -> None:
    """Machine code for a device that need not be here."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from heatbath.solvers.recurrence import triton_kernels
    from heatbath.solvers.recurrence.triton_scan import tiling

    for M, L in ((3, 50), (16, 512), (16, 2000)):
        sizes = tiling(M, L)
        options = {name: sizes.pop(name) for name in ("num_warps", "enable_fp_fusion")}
        for kernel in (triton_kernels.forward, triton_kernels.adjoint):
            flags = {name: True for name in kernel.arg_names if name.isupper() and len(name) > 2 and name not in sizes}
            kinds = {**dict.fromkeys("TBML", "i32"), **dict.fromkeys((*sizes, *flags), "constexpr")}
            signature = {name: kinds.get(name, "*fp32") for name in kernel.arg_names}
            source = ASTSource(kernel, signature, constexprs={**sizes, **flags})
            assert "cubin" in triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm
    sys.stdout.write("compiled\n")


def main(device: str) -> None:
    """What the tests run, with Triton's interpreter or without."""
    for case in CASES:
        for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
            for with_drive in (False, True):
                off = deviation(device, case, dtype, with_drive)
                assert off < tolerance, (case, dtype, with_drive, off)
    sys.stdout.write("equal\n")


@needs_triton
def test_it_equals_the_scan_in_the_interpreter() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, __file__, "cpu"], capture_output=True, text=True, env=environment)
    assert done.stdout == "equal\n", done.stderr


@needs_triton
def test_it_compiles_for_a_device_that_is_not_here(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    command = [sys.executable, "-W", "error", __file__, "compile"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout == "compiled\n", done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@needs_triton
def test_it_equals_the_scan_on_the_device() -> None:
    main("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@needs_triton
def test_the_solver_takes_it_on_the_device(random_step: Callable[..., ShallowStep]) -> None:
    step = random_step(3, 50, True, torch.float32, torch.Generator().manual_seed(0))
    A, W1, W2, h1, h2 = (one.detach().cuda() for one in (step.A, step.W1, step.W2, step.h1, step.h2))
    problem = Recurrence(ShallowStep(A, W1, W2, h1, h2, True), torch.ones(16, 3, device="cuda"), 200)
    plain, fast = Scan(None, None).solve(problem).value, CompiledScan(None, None).solve(problem).value
    assert float((fast - plain).abs().max()) < 1e-5


if __name__ == "__main__":
    compile_for_hopper() if sys.argv[1] == "compile" else main(sys.argv[1])
