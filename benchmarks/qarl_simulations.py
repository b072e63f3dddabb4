"""Two-player simulations beside what they replace, in one run, as ratios.

    python benchmarks/qarl_simulations.py [--rounds 25] [--patience 0] [--write]

Hopper under random moves, resets included, in control steps per second of wall time, since threads and
worker processes are among what is compared; the best of several rounds taken in turns, so that a disturbance meets all.
gymnasium's vector environments are measured both ways of resetting: in the same step, as ours do, and in the next one,
their default, where every episode has a step that simulates nothing and is counted all the same. Ours also carry an
adversary, who pushes at random; the others cannot. Gates compare with the faster of the two ways. `mujoco.batch alone`
only steps: no moves written, no observations, rewards or resets (so its Hoppers soon lie on the ground). It is about
the most that can be had, and says whether a second core was free. With patience, every measurement waits that many
seconds at most for a moment in which nobody else computes.

Gates are printed with what was measured; where one fails the exit code is 1.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import mujoco.batch
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from heatbath.envs.adversarial.environments import HalfCheetah, Hopper, InvertedPendulum
from heatbath.envs.adversarial.locomotion import HOPPER
from heatbath.envs.adversarial.mujoco_game import MujocoGame
from heatbath.envs.adversarial.options import HalfCheetah as HalfCheetahOptions
from heatbath.envs.adversarial.options import Hopper as HopperOptions
from heatbath.envs.adversarial.options import InvertedPendulum as InvertedPendulumOptions
from heatbath.envs.adversarial.simulations import no_log_file

RESULTS = Path(__file__).with_name("results") / "qarl_simulations.md"
DRAWN = 200
"""Vector steps of random moves, drawn before the clock starts and repeated."""


@dataclass
class Report:
    """What is printed, and what was asked and not reached."""

    lines: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)

    def gate(self, what: str, value: float, limit: float, at_least: bool = True, unit: str = "x") -> None:
        holds = value >= limit if at_least else value <= limit
        sign = ">=" if at_least else "<="
        self.say(f"- gate, {what}: {value:.3g}{unit} {sign} {limit:g}{unit}, {'holds' if holds else 'FAILS'}")
        if not holds:
            self.failed.append(what)


@dataclass
class Runner:
    """Something that can be stepped, and how many control steps one call of it makes."""

    name: str
    count: int
    step: Callable[[int], Any]
    close: Callable[[], Any]
    best: float = 0.0

    def run(self, seconds: float) -> None:
        """Step for about so long; keep the best rate, control steps/s."""
        begin, calls = time.perf_counter(), 0
        while (spent := time.perf_counter() - begin) < seconds or calls < 2:
            self.step(calls % DRAWN)
            calls += 1
        self.best = max(self.best, calls * self.count / spent)


def ours(name: str, game: MujocoGame) -> Runner:
    rng, n = np.random.default_rng(0), game.num_envs
    low, high = game.protagonist_space.low, game.protagonist_space.high
    actions = rng.uniform(low, high, (DRAWN, n, *low.shape))
    pushes = rng.uniform(-1, 1, (DRAWN, n, *game.adversary_space.shape))
    game.reset(0)
    return Runner(name, n, lambda i: game.step(actions[i], pushes[i]), game.close)


def bare(name: str, count: int, threads: int) -> Runner:
    simulations = mujoco.batch.Batch(HOPPER.load(), count, threads)
    simulations.reset()
    return Runner(name, count, lambda i: simulations.step(nstep=HOPPER.frame_skip), lambda: None)


def vector(name: str, kind: Callable[..., Any], identifier: str, mode: AutoresetMode, count: int = 8) -> Runner:
    environments = kind([lambda: gymnasium.make(identifier)] * count, autoreset_mode=mode)
    space = environments.single_action_space
    actions = np.random.default_rng(0).uniform(space.low, space.high, (DRAWN, count, *space.shape)).astype(np.float32)
    environments.reset(seed=0)
    return Runner(name, count, lambda i: environments.step(actions[i]), environments.close)


def single(identifier: str) -> Runner:
    environment = gymnasium.make(identifier)
    space = environment.action_space
    actions = np.random.default_rng(0).uniform(space.low, space.high, (DRAWN, *space.shape)).astype(np.float32)
    environment.reset(seed=0)

    def step(i: int) -> None:
        *_, terminated, truncated, _ = environment.step(actions[i])
        if terminated or truncated:
            environment.reset()

    return Runner("gymnasium, one environment", 1, step, environment.close)


def busy_ticks() -> int:
    """Ticks that all cores have computed so far; 0 where there is no /proc."""
    if not Path("/proc/stat").is_file():
        return 0
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return user + nice + system


def wait_for_quiet(patience: float) -> None:
    """Until all cores together have been idle for a tenth of a second, or patience is at its end."""
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        before = busy_ticks()
        time.sleep(0.1)
        if busy_ticks() - before <= 1:
            return


def race(runners: list[Runner], rounds: int, patience: float, seconds: float = 0.25) -> dict[str, float]:
    """Control steps/s by name, the best of the rounds."""
    for _ in range(rounds):
        for runner in runners:
            wait_for_quiet(patience)
            runner.run(seconds)
    for runner in runners:
        runner.close()
    return {runner.name: runner.best for runner in runners}


def simulations(report: Report, rounds: int, patience: float) -> None:
    """Hopper against gymnasium's three ways of stepping; then how other bodies gain."""
    same, following = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP
    hopper = {
        f"ours, {n} simulations, {threads} thread{'s' * (threads > 1)}": (n, threads)
        for n in (8, 64)
        for threads in (1, 2)
    }
    runners = [
        single("Hopper-v5"),
        vector("SyncVectorEnv(8), reset in the same step", SyncVectorEnv, "Hopper-v5", same),
        vector("SyncVectorEnv(8), in the next", SyncVectorEnv, "Hopper-v5", following),
        vector("AsyncVectorEnv(8), reset in the same step", AsyncVectorEnv, "Hopper-v5", same),
        vector("AsyncVectorEnv(8), in the next", AsyncVectorEnv, "Hopper-v5", following),
        *(ours(name, Hopper(HopperOptions(threads=t), simulations=n)) for name, (n, t) in hopper.items()),
        *(bare(f"mujoco.batch alone, 64 simulations, {t} thread{'s' * (t > 1)}", 64, t) for t in (1, 2)),
        ours("ours, 8 simulations in a Python loop", Hopper(HopperOptions(serial=True), simulations=8)),
    ]
    rates = race(runners, rounds, patience)
    sync = max(rate for name, rate in rates.items() if name.startswith("SyncVectorEnv"))
    asynchronous = max(rate for name, rate in rates.items() if name.startswith("AsyncVectorEnv"))
    report.say("| Hopper | control steps/s | of SyncVectorEnv(8) |")
    report.say("|---|---|---|")
    for name, rate in rates.items():
        report.say(f"| {name} | {rate:.0f} | {rate / sync:.2f} |")
    report.say("")
    best = rates["ours, 64 simulations, 2 threads"]
    report.gate("64 simulations on two threads against SyncVectorEnv(8)", best / sync, 2.5)
    report.gate("64 simulations on two threads against AsyncVectorEnv(8)", best / asynchronous, 2.5)
    report.gate("64 simulations on two threads against one environment", best / rates[runners[0].name], 2.5)
    report.say("")
    report.say("| 64 simulations | one environment | ours, 1 thread | ours, 2 threads | ratios |")
    report.say("|---|---|---|---|---|")
    for name, target, options in (
        ("InvertedPendulum", InvertedPendulum, InvertedPendulumOptions),
        ("HalfCheetah", HalfCheetah, HalfCheetahOptions),
    ):
        rates = race(
            [
                single(f"{name}-v5"),
                *(ours(f"{t}", target(options(threads=t), simulations=64)) for t in (1, 2)),
            ],
            rounds,
            patience,
        )
        one, first, second = rates.values()
        report.say(f"| {name} | {one:.0f} | {first:.0f} | {second:.0f} | {first / one:.2f}, {second / one:.2f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="of which the best counts")
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for a quiet moment")
    parser.add_argument("--write", action="store_true", help=f"also into results/{RESULTS.name}")
    arguments = parser.parse_args()
    report = Report()
    report.say(
        f"{dt.date.today()}, {platform.processor() or platform.machine()}, MuJoCo {mujoco.__version__}, "
        f"gymnasium {gymnasium.__version__}, numpy {np.__version__}; best of {arguments.rounds} rounds"
    )
    report.say("")
    with no_log_file():
        simulations(report, arguments.rounds, arguments.patience)
    report.say("")
    report.say("All gates hold." if not report.failed else f"Gates that fail: {'; '.join(report.failed)}.")
    if arguments.write:
        RESULTS.parent.mkdir(exist_ok=True)
        body = "\n".join(report.lines)
        RESULTS.write_text(f"# Two-player simulations\n\n{__doc__.split(chr(10), 2)[2]}\n{body}\n", encoding="utf-8")
    return bool(report.failed)


if __name__ == "__main__":
    sys.exit(main())
