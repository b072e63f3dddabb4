"""Couplings beside what they replace, in one run: CPU time on one thread, and ratios.

    python benchmarks/coupling.py                # all sizes, a few minutes: the plain heaps take most of it
    python benchmarks/coupling.py --largest 1e5
    HEATBATH_NATIVE=0 python benchmarks/coupling.py --only step

Peers, written down here in their plainest form: the argmax loop as published research code has it (a dense joint law,
the mass left summed up at every step), the same loop with a list of atoms and a count of steps, which is the best
that can be made of it in numpy, and two `heapq`. Gates are printed with what was measured; where one fails the exit
code is 1.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Callable

import numpy as np
import torch
from measuring import Report, cpu_seconds

from heatbath.solvers.coupling import compiled, ebim_rows, greedy_mec, greedy_rows, mecb_rows, plain
from heatbath.solvers.coupling.compiled import descending
from heatbath.solvers.coupling.marginals import Masses


def dense_loop(p: Masses, q: Masses) -> Masses:
    """The greedy coupling as everybody writes it down first."""
    p, q, joint = p.copy(), q.copy(), np.zeros((len(p), len(q)))
    while p.sum() > 1e-8:
        i, j = np.argmax(p), np.argmax(q)
        mass = min(p[i], q[j])
        joint[i, j] = mass
        p[i] -= mass
        q[j] -= mass
    return joint


def argmax_loop(p: Masses, q: Masses) -> list[tuple[int, int, float]]:
    """The same without what it does not need."""
    p, q, atoms = p.copy(), q.copy(), []
    for _ in range(len(p) + len(q) - 1):
        i, j = int(p.argmax()), int(q.argmax())
        mass = min(p[i], q[j])
        if mass <= 0:
            break
        atoms.append((i, j, mass))
        p[i] -= mass
        q[j] -= mass
    return atoms


def two_heaps(p: Masses, q: Masses) -> list[tuple[int, int, float]]:
    """The greedy coupling with `heapq`."""
    heaps = [[(-mass, i) for i, mass in enumerate(side.tolist()) if mass > 0] for side in (p, q)]
    for heap in heaps:
        heapq.heapify(heap)
    atoms = []
    while all(heaps):
        (a, i), (b, j) = heaps[0][0], heaps[1][0]
        mass = min(-a, -b)
        atoms.append((i, j, mass))
        for heap, head, symbol in zip(heaps, (a, b), (i, j), strict=True):
            if -head > mass:
                heapq.heapreplace(heap, (head + mass, symbol))
            else:
                heapq.heappop(heap)
    return atoms


def merge_loop(p: Masses, rate: float) -> int:
    """EBIM as published, on the dense joint law of X and T: merge, measure, merge again."""
    joint = np.diag(p)
    while bits(joint.sum(0)) > rate + 1e-12:
        order = np.argsort(joint.sum(0))
        small = merged(joint, order[0], order[1])
        if bits(small.sum(0)) <= rate + 1e-12:
            return small.shape[1]
        joint = merged(joint, order[-1], order[-2])
    return joint.shape[1]


def merged(joint: Masses, a: int, b: int) -> Masses:
    together = joint.copy()
    together[:, a] += together[:, b]
    return np.delete(together, b, 1)


def bits(p: Masses) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def both_sides(report: Report, rng: np.random.Generator, largest: int) -> None:
    """n symbols on either side, Dirichlet(1)."""
    print("greedy_mec, n symbols on either side (ms)")
    seconds = {}
    for n in (10, 100, 1_000, 10_000, 100_000, 1_000_000):
        if n > largest:
            break
        p, q = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
        ours = seconds[n] = cpu_seconds(5 if n >= 10**5 else 100, greedy_mec, p, q)
        heaps = cpu_seconds(5 if n <= 10**4 else 1, two_heaps, p, q)
        print(f"  n = {n:>7}: ours {ours * 1e3:10.3f}, heapq {heaps * 1e3:11.2f} ({heaps / ours:.0f}x)", end="")
        loop = 0.0
        if n <= 10**4:
            loop = cpu_seconds(3 if n <= 10**3 else 1, dense_loop, p, q)
            lean = cpu_seconds(3, argmax_loop, p, q)
            print(
                f", argmax loop {loop * 1e3:9.2f} ({loop / ours:.0f}x), lean {lean * 1e3:7.2f} ({lean / ours:.0f}x)",
                end="",
            )
        print()
        if n >= 10**3:
            report.gate(f"against heapq at {n}", heaps / ours, 25, True)
        if n in (10**3, 10**4):
            report.gate(f"against the argmax loop at {n}", loop / ours, {10**3: 70, 10**4: 200}[n], True)
    if 10**6 in seconds:
        report.gate("a million symbols", seconds[10**6], 1.2, False, " s")
        report.gate("from 10^5 to 10^6", seconds[10**6] / seconds[10**5], 20, False)


def few_actions(rng: np.random.Generator) -> None:
    """Beliefs over n messages with A actions, B at once: a step of so many coding games."""
    print("greedy_rows (us a row)")
    for batch, n, actions in ((1, 512, 4), (256, 16, 4), (4096, 64, 4), (1024, 512, 4), (64, 4096, 4)):
        P, Q = rng.dirichlet(np.ones(n), batch), rng.dirichlet(np.ones(actions), batch)
        repeats = 100 if batch * n < 10**4 else 5
        ours = cpu_seconds(repeats, greedy_rows, P, Q) / batch
        loop = cpu_seconds(5, dense_loop, P[0], Q[0])
        heaps = cpu_seconds(5, two_heaps, P[0], Q[0])
        codes = cpu_seconds(repeats, ebim_rows, P, 2.0) / batch
        print(
            f"  {batch:>4} x {n:>4} x {actions}: ours {ours * 1e6:7.1f}, heapq {heaps * 1e6:8.1f} ({heaps / ours:.0f}x)"
            f", argmax loop {loop * 1e6:9.1f} ({loop / ours:.0f}x); ebim_rows {codes * 1e6:7.1f}"
        )


def devices(rng: np.random.Generator) -> None:
    """The path for accelerators, on the CPU: what it costs to have it there. Launches are counted in the tests."""
    from heatbath.solvers.coupling import devices as batched

    print("the torch path of devices.py on the CPU (us a row)")
    for batch, n, actions in ((256, 16, 4), (1024, 64, 4)):
        P = torch.from_numpy(rng.dirichlet(np.ones(n), batch))
        Q, rates = torch.from_numpy(rng.dirichlet(np.ones(actions), batch)), torch.full((batch,), 2.0).double()
        greedy = cpu_seconds(3, batched.greedy, P, Q) / batch
        codes = cpu_seconds(20, batched.ebim, P, rates) / batch
        print(f"  {batch:>4} x {n:>4} x {actions}: greedy {greedy * 1e6:7.1f}, ebim {codes * 1e6:7.1f}")


def bottlenecked_step(report: Report, rng: np.random.Generator) -> None:
    """One step of a coding game: encode the belief, couple the code with the policy, update the belief."""
    native = compiled.library() is not None
    print(f"bottlenecked step, 512 messages, 4 actions ({'kernel' if native else 'plain Python'})")
    uniform, policy = np.full((1, 512), 1 / 512), np.array([[0.55, 0.25, 0.15, 0.05]])
    for name, belief in (("uniform", uniform), ("posterior", rng.dirichlet(np.ones(512), 1))):
        for share in (0.9, 0.5, 0.3):
            rate = share * 9.0

            def step(belief: Masses = belief, rate: float = rate) -> Masses:
                joint = mecb_rows(belief, policy, rate)
                column = joint[0, :, 1]
                return np.asarray(column / column.sum())

            ours = cpu_seconds(200, step)
            peer = cpu_seconds(1, merge_loop, belief[0], rate)
            limit = 0.15 if native else 1.0
            print(
                f"  {name}, R/H = {share}: ours {ours * 1e3:.3f} ms, the merge loop of EBIM alone {peer * 1e3:.0f} ms"
            )
            report.gate(f"step, {name}, R/H = {share}", ours * 1e3, limit, False, " ms")


def closed_form(rng: np.random.Generator) -> None:
    print("ebim at half the source's entropy (ms)")
    for n in (10**3, 10**4, 10**5, 10**6):
        P = rng.dirichlet(np.ones(n))[None]
        rate = bits(P[0]) / 2
        ours = cpu_seconds(20 if n < 10**5 else 3, ebim_rows, P, rate)
        twin = cpu_seconds(1, plain.ebim, P[0].tolist(), rate)
        sort = cpu_seconds(5, descending, P)
        print(f"  n = {n:>7}: ours {ours * 1e3:8.3f} (of which sorting {sort * 1e3:.3f}), plain twin {twin * 1e3:9.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--largest", type=float, default=1e6, help="largest support of the couplings")
    parser.add_argument("--only", choices=("sides", "rows", "step", "ebim", "devices"), help="one part")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng, report = np.random.default_rng(0), Report()
    parts: dict[str, Callable[[], None]] = {
        "step": lambda: bottlenecked_step(report, rng),
        "rows": lambda: few_actions(rng),
        "ebim": lambda: closed_form(rng),
        "devices": lambda: devices(rng),
        "sides": lambda: both_sides(report, rng, int(arguments.largest)),
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            part()
    print("all gates hold" if not report.failed else f"gates that fail: {', '.join(report.failed)}")
    return bool(report.failed)


if __name__ == "__main__":
    sys.exit(main())
