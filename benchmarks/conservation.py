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
import platform
import resource
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


def peak_kib() -> int:
    """Most memory that this process has held; `ru_maxrss` on Linux is not less than the parent's was."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def large_field() -> None:
    """One field of a million points, in a process of its own: its time, and the memory it came to need."""
    before = peak_kib()
    mean, d, mass, x = fields(1, LARGE)
    known = LinearConstraint.quadrature(x, mass)
    begun = peak_kib()
    start = time.process_time()
    posterior = condition(mean, Diagonal(d), known)
    draw = posterior.sample(1, torch.Generator().manual_seed(0))
    spent = time.process_time() - start + 0 * float(posterior.variance.sum())
    peak = peak_kib()
    violation = max(float(posterior.residual().abs().max()), float(known.residual(draw).abs().max()))
    own, given = ((peak - begun) * 1024 / LARGE, (begun - before) * 1024 / LARGE)
    print(
        f"\n{LARGE} points, mean, variances and a draw: {1e3 * spent:.0f} ms; peak memory {own:.0f} bytes a point "
        f"above the input's {given:.0f}; violation of mean and draw {violation:.1e}"
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
        large = subprocess.run([sys.executable, __file__, "--large"], check=True, capture_output=True, text=True)
        print(large.stdout, end="")
    if chosen.write:
        heading = f"# Conditioning on conservation laws\n\n`python benchmarks/conservation.py --write`, {day}, "
        machine = f"{platform.machine()}, one thread, torch {torch.__version__}; CPU time, medians.\n\n"
        RESULTS.write_text(heading + machine + shown.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()
