"""Conditioning on a known mass, side by side with dense algebra, a KKT solve and a differentiable optimiser.

    python benchmarks/conservation.py --write

CPU seconds on one thread, the peers taken in turns so that a disturbance meets all; medians, and ratios to ours. Each
peer computes what it can: the KKT solve and cvxpylayers give the mean only, ours and the dense algebra variances as
well. `violation` is the largest |w . mean - b| over the batch, each in the precision that the peer works in.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from heatbath.solvers.gaussian import Diagonal, DiagonalPlusLowRank, LinearConstraint, condition
from heatbath.solvers.gaussian.quadrature import trapezoid
from heatbath.solvers.gaussian.solver import dense_condition

RESULTS = Path(__file__).with_name("results") / "conservation.md"
LARGE = 1_000_000
SPAN = 0.02
"""CPU seconds that a measurement lasts at least."""


def fields(count: int, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means, variances, masses of `count` fields, and their grid."""
    generator = torch.Generator().manual_seed(0)
    mean, spread = torch.rand(2, count, n, generator=generator, dtype=torch.float64)
    mass = torch.rand(count, generator=generator, dtype=torch.float64)
    return mean, (0.02 + 0.1 * spread).square(), mass, torch.linspace(0, 1, n, dtype=torch.float64)


def timed(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, taken in turns; what is quick is repeated within a turn for some milliseconds."""
    repeats = {}
    for name, work in works.items():
        start = time.process_time()
        work()
        repeats[name] = 1 + int(SPAN / max(time.process_time() - start, 1e-6))
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                work()
            spent[name].append((time.process_time() - start) / repeats[name])
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def against_dense(rounds: int, n: int = 201, rank: int = 20) -> None:
    """Mean and variances of a field of nt times n points, one mass a time."""
    print(f"| one field, {n} points | ours, ms | batched dense, ms | ratio |\n|---|---|---|---|")
    for nt in (1, 20, 201):
        mean, d, mass, x = fields(nt, n)
        factor = 0.01 * torch.randn(nt, n, rank, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        known, rows = LinearConstraint.quadrature(x, mass), trapezoid(x).unsqueeze(0)
        for form, law in (("diagonal", Diagonal(d)), (f"diagonal + rank {rank}", DiagonalPlusLowRank(d, factor))):
            low_rank = factor if form != "diagonal" else None

            def ours(mean=mean, law=law, known=known):
                posterior = condition(mean, law, known)
                return posterior.mean, posterior.variance

            def dense(mean=mean, d=d, low_rank=low_rank, rows=rows, mass=mass):
                sigma = torch.diag_embed(d)
                if low_rank is not None:
                    sigma = sigma + low_rank @ low_rank.mT
                right, matrix, _ = dense_condition(mean, sigma, rows, mass.unsqueeze(-1), sigma.new_zeros(()))
                return right, matrix.diagonal(dim1=-2, dim2=-1)

            for a, b in zip(ours(), dense(), strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
            found = timed({"ours": ours, "dense": dense}, rounds)
            ratio = found["dense"] / found["ours"]
            print(f"| nt = {nt}, {form} | {1e3 * found['ours']:.3f} | {1e3 * found['dense']:.1f} | {ratio:.0f} |")


def against_optimisers(rounds: int, count: int = 128, n: int = 201) -> None:
    """The mean of a batch of fields with known masses."""
    mean, d, mass, x = fields(count, n)
    w = trapezoid(x)
    known = LinearConstraint.quadrature(x, mass)

    def ours() -> Tensor:
        return condition(mean, Diagonal(d), known).mean

    def kkt() -> Tensor:
        system = torch.zeros(count, n + 1, n + 1, dtype=torch.float64)
        system[:, :n, :n] = torch.diag_embed(1 / d)
        system[:, :n, n] = system[:, n, :n] = w
        return torch.linalg.solve(system, torch.cat([mean / d, mass.unsqueeze(1)], 1))[:, :n]

    works: dict[str, Callable[[], Tensor]] = {"ours": ours, "KKT solve, batched": kkt}
    try:
        layer = convex_layer(mean, d, w, mass)
        works["cvxpylayers, its default"] = layer
        works["cvxpylayers, Clarabel"] = lambda: layer("Clarabel")
    except ImportError as missing:
        print(f"\ncvxpylayers is left out: {missing}")
    found = timed(works, rounds)
    print(f"\n| {count} fields of {n} points | CPU ms | ratio | violation |\n|---|---|---|---|")
    for name, work in works.items():
        violation = float(known.residual(work()).abs().max())
        print(f"| {name} | {1e3 * found[name]:.3f} | {found[name] / found['ours']:.0f} | {violation:.1e} |")


def convex_layer(mean: Tensor, d: Tensor, w: Tensor, mass: Tensor) -> Callable[..., Tensor]:
    """min |(y - mean) / deviation|^2 subject to w . y = mass, as a layer of cvxpylayers, with a choice of solver."""
    import cvxpy
    from cvxpylayers.torch import CvxpyLayer

    n = mean.shape[1]
    y, total = cvxpy.Variable(n), cvxpy.Parameter()
    weight, shifted = cvxpy.Parameter(n), cvxpy.Parameter(n)
    objective = cvxpy.Minimize(cvxpy.sum_squares(cvxpy.multiply(weight, y) - shifted))
    problem = cvxpy.Problem(objective, [w.numpy() @ y == total])
    layer = CvxpyLayer(problem, parameters=[weight, shifted, total], variables=[y])
    deviation = d.sqrt()

    def solve(method: str | None = None) -> Tensor:
        chosen = {} if method is None else {"solve_method": method}
        (answer,) = layer(1 / deviation, mean / deviation, mass, solver_args=chosen)
        return answer

    return solve


def resident_kib(which: str) -> int:
    """Memory of this process: held now, `VmRSS`, or the most since `forget_peak`, `VmHWM`. Linux only."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(which))


def forget_peak() -> None:
    """From here on the high-water mark is that of what comes, not of what the input took while it was made."""
    Path("/proc/self/clear_refs").write_text("5")


def large_field() -> None:
    """One field of a million points, in a process of its own: CPU seconds, bytes a point above the input, violation."""
    for n in (LARGE // 100, LARGE):  # the small one first: libraries set themselves up
        mean, d, mass, x = fields(1, n)
        known = LinearConstraint.quadrature(x, mass)
        forget_peak()
        begun, start = resident_kib("VmRSS"), time.process_time()
        posterior = condition(mean, Diagonal(d), known)
        held = (posterior.mean, posterior.variance, posterior.sample(1, torch.Generator().manual_seed(0)))
        spent, own = time.process_time() - start, (resident_kib("VmHWM") - begun) * 1024 / n
    violation = max(float(known.residual(field).abs().max()) for field in (held[0], held[2]))
    print(spent, own, sum(part.untyped_storage().nbytes() for part in held) / LARGE, violation)


def large_fields(processes: int = 5) -> None:
    """The median time of some processes, and the memory of one that gives back to the system what it frees."""
    if not Path("/proc/self/clear_refs").exists():
        print(f"\n{LARGE} points are left out: no high-water mark of memory here")
        return
    command = [sys.executable, __file__, "--large"]
    # Freed memory that glibc keeps counts as held before, and what is put there later would not be seen.
    exact = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    found = [
        [float(word) for word in subprocess.run(command, check=True, capture_output=True, env=env).stdout.split()]
        for env in (exact, *[None] * processes)
    ]
    _, own, results, _ = found[0]
    spent, _, _, violation = zip(*found[1:], strict=True)
    print(
        f"\n{LARGE} points, mean, variances and a draw: {1e3 * statistics.median(spent):.0f} ms; peak memory "
        f"{own:.0f} bytes a point above the input, {results:.0f} of them the results; violation of mean and "
        f"draw {max(violation):.1e}"
    )


class Both(io.StringIO):
    """Keeps what is printed, and shows it at once."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true", help=f"write the tables to benchmarks/results/{RESULTS.name}")
    parser.add_argument("--large", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.large:
        large_field()
        return
    day = time.strftime("%Y-%m-%d")
    print(f"{day}, {platform.machine()}, one thread, torch {torch.__version__}; CPU time, medians\n")
    shown = Both()
    with contextlib.redirect_stdout(shown):
        against_dense(chosen.rounds)
        against_optimisers(max(3, chosen.rounds // 5))
        large_fields()
    if chosen.write:
        heading = f"# Conditioning on conservation laws\n\n`python benchmarks/conservation.py --write`, {day}, "
        machine = f"{platform.machine()}, one thread, torch {torch.__version__}; CPU time, medians.\n\n"
        RESULTS.write_text(heading + machine + shown.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()
