"""ODE solvers: ours beside torchdiffeq's dopri5 and torchode's tsit5 at one tolerance.

One run on one thread; CPU time, best of several rounds taken in turns, relative to torchdiffeq. `error` is the largest
at the end time against a solution at 1e-13. `E+S`: error and stiffness of every step are recorded and differentiated,
which the others cannot. Controllers are I, except in the rows that say PI.

    python benchmarks/ode.py [--no-compile] [--rounds 7] [--write]
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn

from heatbath.core.contracts import InitialValue, Solution
from heatbath.plugins.neural_ode.models import VectorField
from heatbath.plugins.neural_ode.options import VectorField as VectorFieldOptions
from heatbath.solvers.ode.explicit import ExplicitRungeKutta
from heatbath.solvers.ode.options import Adaptive
from heatbath.solvers.ode.tableaux import ADAPTIVE

try:
    import torchode
except ModuleNotFoundError:
    torchode = None

RESULTS = Path(__file__).with_name("results") / "ode.md"
RECORD = frozenset({"error", "stiffness"})


class LotkaVolterra(nn.Module):
    """x' = a x - b x y, y' = d x y - c y."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = nn.Parameter(torch.tensor([1.5, 1.0, 3.0, 1.0], dtype=torch.float64))

    def forward(self, t: Any, u: Tensor) -> Tensor:
        a, b, c, d = self.rates.unbind()
        x, y = u[..., 0], u[..., 1]
        xy = x * y
        return torch.stack([a * x - b * xy, d * xy - c * y], -1)


class VanDerPol(nn.Module):
    """x' = y, y' = mu (1 - x^2) y - x."""

    def __init__(self) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, t: Any, u: Tensor) -> Tensor:
        x, y = u[..., 0], u[..., 1]
        return torch.stack([y, self.mu * (1 - x * x) * y - x], -1)


@dataclass
class Problem:
    """What is solved, and the ratios of time to torchdiffeq's that are asked for, by row: forward, both."""

    name: str
    f: nn.Module
    y0: Tensor
    end: float
    tolerance: float
    gates: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def reference(self) -> Tensor:
        """The end at 1e-13, in float64."""
        f = self.f.double() if self.y0.dtype == torch.float32 else self.f
        with torch.no_grad():
            end = _ours("dopri8", rtol=1e-13, atol=1e-13)(f, self.y0.double(), self.end).value[-1]
        f.to(self.y0.dtype)
        return end


def problems() -> list[Problem]:
    """Two small systems in float64, and a network on images in float32."""
    generator = torch.Generator().manual_seed(0)
    small = {
        "tsit5": (0.45, 0.8),
        "tsit5 E+S": (None, 1.1),
        "tsit5 compiled": (0.2, 0.3),
        "tsit5 compiled E+S": (0.2, 0.3),
    }
    lotka = 0.5 + 1.5 * torch.rand(256, 2, generator=generator, dtype=torch.float64)
    pol = 2 * torch.randn(256, 2, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    net = VectorField(VectorFieldOptions(hidden=100), None, state_size=784)
    images = torch.rand(512, 784, generator=generator).mul(1.5).sub(0.5).clamp_min(0.0)
    return [
        Problem("Lotka-Volterra, batch 256", LotkaVolterra(), lotka, 10.0, 1e-6, small),
        Problem("van der Pol, mu 2, batch 256", VanDerPol(), pol, 10.0, 1e-6, small),
        Problem("784-100-784, batch 512, float32", net, images, 1.0, 1e-5, {"tsit5": (0.45, 0.6)}),
    ]


Solve = Callable[[nn.Module, Tensor, float], Any]


def _ours(method: str = "tsit5", **options: Any) -> Callable[[nn.Module, Tensor, float], Solution]:
    record = options.pop("record", frozenset())
    solver = ExplicitRungeKutta(ADAPTIVE[method], Adaptive(**options))
    return lambda f, y0, end: solver.solve(InitialValue(f, y0, (0.0, end)), record=record)


def _torchdiffeq(tolerance: float) -> Solve:
    def solve(f: nn.Module, y0: Tensor, end: float) -> Tensor:
        return torchdiffeq.odeint(f, y0, torch.tensor([0.0, end]), rtol=tolerance, atol=tolerance, method="dopri5")[-1]

    return solve


def _torchode(tolerance: float) -> Solve:
    def solve(f: nn.Module, y0: Tensor, end: float) -> Tensor:
        term = torchode.ODETerm(lambda t, y: f(t.unsqueeze(1).to(y), y))
        controller = torchode.IntegralController(tolerance, tolerance, term=term)
        adjoint = torchode.AutoDiffAdjoint(
            torchode.Tsit5(term=term), controller, backprop_through_step_size_control=False
        )
        batch = len(y0)
        t = torch.zeros(batch, dtype=y0.dtype), torch.full((batch,), end, dtype=y0.dtype)
        return adjoint.solve(torchode.InitialValueProblem(y0=y0, t_start=t[0], t_end=t[1])).ys[:, -1]

    return solve


def rows(tolerance: float, compiled: bool) -> dict[str, Solve]:
    """What is compared, by name; the first is what the others are held against."""
    how = {"rtol": tolerance, "atol": tolerance}
    found: dict[str, Solve] = {"torchdiffeq dopri5": _torchdiffeq(tolerance)}
    if torchode is not None:
        found["torchode tsit5"] = _torchode(tolerance)
    found |= {
        "tsit5": _ours(**how),
        "tsit5 E+S": _ours(record=RECORD, **how),
        "tsit5 PI E+S": _ours(record=RECORD, controller="pi", **how),
        "tsit5 checkpointed E+S": _ours(record=RECORD, backward="checkpointed", **how),
        "tsit5 a step size a sample": _ours(steps="sample", **how),
        "dopri5": _ours("dopri5", **how),
        "dopri5, torchdiffeq's steps": _ours("dopri5", controller="torchdiffeq", **how),
    }
    if compiled:
        found["tsit5 compiled"] = _ours(compile=True, **how)
        found["tsit5 compiled E+S"] = _ours(record=RECORD, compile=True, **how)
    return found


def end_of(answer: Any) -> Tensor:
    """The state at the end time."""
    return answer.value[-1] if isinstance(answer, Solution) else answer


def loss_of(answer: Any) -> Tensor:
    """Squares of the end, and the sums of what was recorded."""
    loss = end_of(answer).square().sum()
    if isinstance(answer, Solution):
        for recorded in answer.trace.values():
            loss = loss + recorded.sum()
    return loss


def least_times(works: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Least CPU seconds of each; in turns, so that a disturbance meets all."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(rounds):
        for work, found in zip(works, times, strict=True):
            began = time.process_time()
            work()
            found.append(time.process_time() - began)
    return [min(found) for found in times]


class _Counted(nn.Module):
    def __init__(self, f: nn.Module) -> None:
        super().__init__()
        self.f, self.count = f, 0

    def forward(self, t: Any, u: Tensor) -> Tensor:
        self.count += 1
        return self.f(t, u)


def measure(problem: Problem, compiled: bool, rounds: int) -> list[str]:
    """Lines of the table for one problem."""
    solvers, f, y0 = rows(problem.tolerance, compiled), problem.f, problem.y0
    parameters, reference = list(f.parameters()), problem.reference()
    accuracy = {}
    with torch.no_grad():
        for name, solve in solvers.items():
            counted = _Counted(f)
            twin = solvers[name.replace(" compiled", "")] if "compiled" in name else solve
            error = float((end_of(twin(counted, y0, problem.end)).double() - reference).abs().max())
            accuracy[name] = (counted.count, error)
        forward = least_times([lambda s=s: s(f, y0, problem.end) for s in solvers.values()], rounds)
    both = least_times(
        [lambda s=s: torch.autograd.grad(loss_of(s(f, y0, problem.end)), parameters) for s in solvers.values()], rounds
    )
    lines = []
    base_calls, base_error = accuracy["torchdiffeq dopri5"]
    for i, (name, (calls, error)) in enumerate(accuracy.items()):
        ratios = forward[i] / forward[0], both[i] / both[0]
        gates = problem.gates.get(name, (None, None))
        checks = [
            f"{what} <= {gate:g}: {'yes' if ratio <= gate else 'NO'}"
            for what, gate, ratio in zip(("forward", "both"), gates, ratios, strict=True)
            if gate is not None
        ]
        if name == "tsit5":
            better = calls <= base_calls and error <= base_error
            checks.append(f"no more NFE, no larger error: {'yes' if better else 'NO'}")
        lines.append(
            f"| {problem.name if i == 0 else ''} | {name} | {calls} | {error:.1e} | {1e3 * forward[i]:.1f} | "
            f"{ratios[0]:.2f} | {1e3 * both[i]:.1f} | {ratios[1]:.2f} | {'; '.join(checks)} |"
        )
    return lines


def main() -> None:
    """Print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-compile", action="store_true", help="leave out the compiled steps")
    parser.add_argument("--rounds", type=int, default=7, help="of which the best counts")
    parser.add_argument("--write", action="store_true", help=f"also into {RESULTS.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of the compiler and of torchode, about themselves
    lines = [
        f"{dt.date.today()}, {platform.processor() or platform.machine()}, one thread, torch {torch.__version__}, "
        f"torchdiffeq {torchdiffeq.__version__ if hasattr(torchdiffeq, '__version__') else ''}, "
        f"torchode {'beside' if torchode is not None else 'absent'}; CPU time, best of {options.rounds}",
        "",
        "| problem | solver | NFE | error | forward ms | ratio | forward + backward ms | ratio | asked for |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        print(line, flush=True)
    for problem in problems():
        for line in measure(problem, not options.no_compile, options.rounds):
            lines.append(line)
            print(line, flush=True)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
