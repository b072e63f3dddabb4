"""Generalized teacher forcing: compiled recurrences beside plain torch and torch.compile.

One run on one thread; CPU time, best of several. `deviation` is the largest relative difference of states and gradients
(of what 20 training steps change) from the torch loop in float64, so that the loop in float32 has one too:
where rounding moves a hidden unit across its kink, a derivative jumps, in torch as in the kernel. A training step is
windows, forced scan, gradient, L2 and RAdam, in torch as in the kernel; beside it stands how it compares with torch's
forward and backward pass alone.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heatbath.core.contracts import Recurrence
from heatbath.solvers.recurrence.compiled import CompiledScan
from heatbath.solvers.recurrence.forcing import Forcing
from heatbath.solvers.recurrence.kernels import INSTRUCTION_SETS, available, weights_of
from heatbath.solvers.recurrence.layout import Layout
from heatbath.solvers.recurrence.scan import Scan
from heatbath.solvers.recurrence.shallow import ShallowStep
from heatbath.solvers.recurrence.training import FusedTrainer, PlainTrainer

BATCH, ALPHA, L2, CHUNK = 16, 0.1, 1e-5, 25
RESULTS = Path(__file__).with_name("results") / "gtf.md"


@dataclass(frozen=True)
class Size:
    """A model and its windows; `scan` and `fused` are the speedups asked for on AVX-512."""

    layout: Layout
    window: int
    scan: float | None = None
    fused: float | None = None

    def __str__(self) -> str:
        readout = f" N={self.layout.N} affine" if self.layout.affine else ""
        return f"M={self.layout.latent} L={self.layout.hidden} T={self.window}{readout}"


SCANS = [
    Size(Layout(3, 50), 200, 45, 160),
    Size(Layout(3, 100), 200),
    Size(Layout(5, 250), 200, 15, 20),
    Size(Layout(16, 512), 50, 3.5, 4),
    Size(Layout(20, 200), 200),
]
READOUTS = [Size(Layout(5, 250, affine=True), 200), Size(Layout(16, 512, observed=64, affine=True), 50)]


@dataclass(frozen=True)
class Row:
    """A line of the table; times in seconds, `peer` is what the speedup is over."""

    size: str
    what: str
    seconds: float
    peer: float
    deviation: float | None = None
    note: str = ""

    def cells(self) -> list[str]:
        deviation = "" if self.deviation is None else f"{self.deviation:.0e}"
        ratio = f"{self.peer / self.seconds:.1f}x"
        return [self.size, self.what, f"{self.seconds * 1e3:.3f}", ratio, deviation, self.note]


def cpu_seconds(function: Callable[[], Any], budget: float, least: int = 3) -> float:
    """Best of the calls that fit into a budget of CPU seconds."""
    function()
    best, spent, calls = float("inf"), 0.0, 0
    while calls < least or spent < budget:
        begin = time.process_time()
        function()
        took = time.process_time() - begin
        best, spent, calls = min(best, took), spent + took, calls + 1
    return best


def parameters(layout: Layout) -> Tensor:
    """A contracting model, float64; its readout is well conditioned."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.empty(layout.size, dtype=torch.float64)
    for name, view in layout.views(theta).items():
        bound = 0.1 if view.dim() == 1 else view.shape[-1] ** -0.5
        view.uniform_(-bound, bound, generator=generator)
        if name == "A":
            view.uniform_(0.5, 0.9, generator=generator)
        if name == "B":
            U, _, V = torch.linalg.svd(view, full_matrices=False)
            view.copy_(U @ torch.linspace(1.5, 0.5, U.shape[1], dtype=view.dtype).diag() @ V)
    return theta


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).abs().max() / expected.double().abs().max())


# Forward and backward


def posed(size: Size, dtype: torch.dtype) -> tuple[Recurrence, Tensor]:
    layout, generator = size.layout, torch.Generator().manual_seed(1)
    views = layout.views(parameters(layout).to(dtype))
    A, W1, W2, h1, h2 = (views[name].clone().requires_grad_() for name in ("A", "W1", "W2", "h1", "h2"))
    shape = (size.window + 1, BATCH, layout.latent)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return Recurrence(ShallowStep(A, W1, W2, h1, h2, layout.clipped), x[0], size.window), x[1:]


def forward_and_backward(solver: Scan | CompiledScan, problem: Recurrence, x: Tensor) -> Tensor:
    solution = solver.solve(problem, record=frozenset({"proposal"}), on_step=Forcing(ALPHA, x))
    states: Tensor = solution.trace["proposal"]
    (states - x).square().mean().backward()
    return states


def outcome(solver: Scan | CompiledScan, problem: Recurrence, x: Tensor) -> tuple[Tensor, Tensor]:
    weights = weights_of(problem.transition)
    for weight in weights:
        weight.grad = None
    states = forward_and_backward(solver, problem, x).detach()
    return states, torch.cat([weight.grad.flatten() for weight in weights])


def scan_rows(size: Size, budget: float, compile_too: bool) -> list[Row]:
    exact = outcome(Scan(None, None), *posed(size, torch.float64))
    rows, peers = [], {}
    for dtype in (torch.float32, torch.float64):
        problem, x = posed(size, dtype)
        name = str(dtype).removeprefix("torch.")

        def row(what: str, solver: Any, note: str = "", peer: float | None = None) -> Row:
            seconds = cpu_seconds(lambda: forward_and_backward(solver, problem, x), budget)  # noqa: B023
            found = outcome(solver, problem, x)  # noqa: B023
            off = max(relative(one, other) for one, other in zip(found, exact, strict=True))
            return Row(str(size), f"scan, {what}, {name}", seconds, peer or seconds, off, note)  # noqa: B023

        rows.append(row("torch loop", Scan(None, None)))
        peers[dtype] = rows[-1].seconds
        if compile_too and dtype == torch.float32:
            solver = CompiledByTorch(size.window)
            with tempfile.TemporaryDirectory() as folder:  # or an earlier run would have compiled for this one
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
                begin = sum(os.times()[:4])  # with the compilers that it starts
                forward_and_backward(solver, problem, x)
                took = sum(os.times()[:4]) - begin
            rows.append(row("torch.compile", solver, f"compiled in {took:.0f} s", peers[dtype]))
        for instruction_set in reversed(available()):
            if dtype == torch.float64 and instruction_set != available()[-1]:
                continue
            solver = CompiledScan(None, None, instruction_set)
            asked = size.scan if dtype == torch.float32 and instruction_set == INSTRUCTION_SETS[-1] else None
            rows.append(row(instruction_set, solver, f"asked for {asked}x" if asked else "", peers[dtype]))
    return rows


class CompiledByTorch(Scan):
    """`Scan` unrolled in chunks that torch.compile fuses; higher-order `scan` is slower, or fails to compile."""

    def __init__(self, window: int) -> None:
        def chunk(z: Tensor, signal: Tensor, A: Tensor, W1: Tensor, W2: Tensor, h1: Tensor, h2: Tensor) -> Any:
            step, proposals = ShallowStep(A, W1, W2, h1, h2, True), []
            for index in range(len(signal)):
                proposals.append(step(z))
                z = torch.lerp(proposals[-1], signal[index], ALPHA)
            return z, torch.stack(proposals)

        self._chunk, self._sizes = torch.compile(chunk, dynamic=False), min(CHUNK, window)

    def solve(self, problem: Recurrence, *, on_step: Any, **others: Any) -> Any:
        z, proposals = problem.initial_state, []
        for part in on_step.signal.split(self._sizes):
            z, found = self._chunk(z, part, *weights_of(problem.transition))
            proposals.append(found)
        return replace(super().solve(replace(problem, length=0)), trace={"proposal": torch.cat(proposals)})


# Whole training steps


def training_rows(size: Size, budget: float, scan: float | None) -> list[Row]:
    layout = size.layout
    generator = torch.Generator().manual_seed(2)
    points = 5000
    series = torch.randn(points, layout.N, generator=generator, dtype=torch.float64)
    starts = torch.randint(0, points - size.window, (20, BATCH), generator=generator)

    def trainer(kind: type, dtype: torch.dtype, **how: Any) -> Any:
        return kind(layout, parameters(layout).to(dtype), series.to(dtype), window=size.window, **how)

    def step(one: Any, count: int) -> Callable[[], Any]:
        return lambda: one.run(starts[:count], 1e-3, ALPHA, L2)

    def change(one: Any) -> Tensor:
        one.run(starts, 1e-3, ALPHA, L2)
        moved: Tensor = one.theta.double() - parameters(layout)
        return moved

    exact = change(trainer(PlainTrainer, torch.float64))
    rows = []
    for dtype in (torch.float32, torch.float64):
        name = str(dtype).removeprefix("torch.")
        plain = trainer(PlainTrainer, dtype)
        off = relative(change(plain), exact)
        peer = cpu_seconds(step(plain, 5), budget) / 5
        rows.append(Row(str(size), f"training step, torch loop, {name}", peer, peer, off))
        for instruction_set in reversed(available()):
            if dtype == torch.float64 and instruction_set != available()[-1]:
                continue
            fused = trainer(FusedTrainer, dtype, instruction_set=instruction_set)
            off = relative(change(fused), exact)
            seconds = cpu_seconds(step(fused, 20), budget) / 20
            asked = size.fused if dtype == torch.float32 and instruction_set == INSTRUCTION_SETS[-1] else None
            note = f"asked for {asked}x; " if asked else ""
            if scan is not None and dtype == torch.float32:
                note += f"{scan / seconds:.1f}x its scan alone"
            rows.append(Row(str(size), f"training step, {instruction_set}, {name}", seconds, peer, off, note))
    return rows


# Free runs


def free_run_rows(layout: Layout, budget: float, steps: int = 125_000, part: int = 2_500) -> list[Row]:
    step, rows = layout.step(parameters(layout).float()), []
    start = torch.full((1, layout.latent), 0.1)
    size = f"M={layout.latent} L={layout.hidden}"
    with torch.no_grad():
        peer = cpu_seconds(lambda: Scan(None, None).solve(Recurrence(step, start, part)), budget) * steps / part
        rows.append(Row(size, "free run of 125 000 steps, torch loop", peer, peer, None, f"from {part} steps"))
        for instruction_set in reversed(available()):
            solver = CompiledScan(None, None, instruction_set)
            seconds = cpu_seconds(lambda: solver.solve(Recurrence(step, start, steps)), budget)  # noqa: B023
            off = relative(*(one.solve(Recurrence(step, start, 500)).value for one in (solver, Scan(None, None))))
            asked = "asked for 300 ms" if layout.latent == 3 and instruction_set == INSTRUCTION_SETS[-1] else ""
            rows.append(Row(size, f"free run of 125 000 steps, {instruction_set}", seconds, peer, off, asked))
    return rows


# The table


def machine() -> str:
    """CPU model, torch, date."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    today = dt.datetime.now(dt.UTC).date()
    best = available()[-1] if available() else "no kernel built"
    return f"{model} ({best}), one thread, torch {torch.__version__}, Python {platform.python_version()}, {today}"


def table(rows: list[Row]) -> str:
    head = ["size", "what", "CPU ms", "speedup", "deviation", ""]
    cells = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true", help="also torch.compile at M=3 L=50 (minutes to compile)")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a look")
    parser.add_argument("--write", action="store_true", help=f"write the table to benchmarks/results/{RESULTS.name}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    budget = 0.2 if arguments.quick else 1.5
    rows: list[Row] = []
    for size in SCANS:
        rows += scan_rows(size, budget, arguments.compile and size is SCANS[0])
    for size in (*SCANS, *READOUTS):
        scans = [row.seconds for row in rows if row.size == str(size) and "torch loop, float32" in row.what]
        rows += training_rows(size, budget, scans[0] if scans else None)
    for layout in (Layout(3, 100), Layout(16, 512)):
        rows += free_run_rows(layout, budget)
    page = f"{machine()}; batch {BATCH}, clipped, alpha {ALPHA}.\n\n{table(rows)}"
    print(page)
    if arguments.write:
        RESULTS.parent.mkdir(exist_ok=True)
        command = "python benchmarks/gtf.py" + (" --compile" if arguments.compile else "")
        RESULTS.write_text(
            f"# Generalized teacher forcing\n\n`{command} --write`. {__doc__.split(chr(10), 2)[2]}\n{page}\n"
        )


if __name__ == "__main__":
    main()
