"""QARL's curriculum and exact games beside what they replace, in one run: CPU time on one thread, and ratios.

    python benchmarks/qarl_envs.py                     # all parts
    python benchmarks/qarl_envs.py --only curriculum

Peers: the update of the curriculum by scipy's trust-constr on the same program, with the tolerances of the authors'
code (gtol 1e-4, xtol 1e-6), here with exact derivatives; equilibria by Gambit's path following (`pip install
pygambit`, left out where it is absent) and by extragradient mirror ascent; Nash equilibria by scipy's HiGHS. Accuracy
stands beside every time. Gates are printed with what was measured; where one fails the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measuring import Report, cpu_seconds
from numpy.typing import NDArray

Array = NDArray[np.float64]


# The update of the curriculum ----------------------------------------------------------------------------------------


def trust_constr(
    k_old: float, target: float, max_kl: float, threshold: float, alphas: Array, returns: Array, rate: float = 1000.0
) -> float:
    """The same update by a general solver, from the same start."""
    from scipy.optimize import NonlinearConstraint, minimize
    from scipy.special import digamma, gammaln, polygamma

    logarithms = np.log(rate * alphas)

    def kl(k: Array, k0: float) -> float:
        return float((k[0] - k0) * digamma(k[0]) - gammaln(k[0]) + gammaln(k0))

    def kl_slope(k: Array, k0: float) -> Array:
        return np.array([(k[0] - k0) * polygamma(1, k[0])])

    def earned(k: Array) -> float:
        return float(np.mean(np.exp((k[0] - k_old) * logarithms - gammaln(k[0]) + gammaln(k_old)) * returns))

    def earned_slope(k: Array) -> Array:
        weights = np.exp((k[0] - k_old) * logarithms - gammaln(k[0]) + gammaln(k_old))
        return np.array([np.mean(weights * returns * (logarithms - digamma(k[0])))])

    found = minimize(
        kl,
        np.array([k_old]),
        args=(target,),
        jac=kl_slope,
        method="trust-constr",
        bounds=[(1e-8, None)],
        constraints=[
            NonlinearConstraint(lambda k: kl(k, k_old), -np.inf, max_kl, jac=lambda k: kl_slope(k, k_old)[None]),
            NonlinearConstraint(earned, threshold, np.inf, jac=lambda k: earned_slope(k)[None]),
        ],
        options={"gtol": 1e-4, "xtol": 1e-6},
    )
    return float(found.x[0])


def curriculum(report: Report) -> None:
    """One update from 30 pairs: where the trust region binds, where the returns do, where nothing does."""
    from scipy.optimize import brentq
    from scipy.special import digamma, gammaln

    from heatbath.plugins.qarl.self_paced import gamma_log_weights, next_shape

    alphas = np.linspace(0.035, 0.065, 30)
    steep, flat = 10 * (alphas / 0.05) ** 8, np.full(30, 20.0)

    def kl(k: float, k0: float) -> float:
        return float((k - k0) * digamma(k) - gammaln(k) + gammaln(k0))

    def earned(k: float) -> float:
        return float(np.mean(np.exp((k - 50) * np.log(1000 * alphas) - gammaln(k) + gammaln(50)) * steep))

    known = {
        "trust region binds": (50.0, 0.0, flat, brentq(lambda k: kl(k, 50.0) - 0.5, 1.0, 50.0, xtol=1e-13)),
        "returns bind": (50.0, 9.0, steep, brentq(lambda k: earned(k) - 9.0, 43.0, 50.0, xtol=1e-13)),
        "target in reach": (1.5, 0.0, flat, 1.0),
        "returns too low": (50.0, 30.0, steep, 50.0),
    }
    print("one update of the Gamma curriculum, 30 pairs (ms, and the error of k)")
    slowest, ratios = 0.0, []
    for name, (k_old, threshold, returns, exact) in known.items():

        def ours(k_old: float = k_old, threshold: float = threshold, returns: Array = returns) -> float:
            return next_shape(k_old, 1.0, 0.5, threshold, gamma_log_weights(alphas, 1000.0, k_old), returns)

        def peer(k_old: float = k_old, threshold: float = threshold, returns: Array = returns) -> float:
            return trust_constr(k_old, 1.0, 0.5, threshold, alphas, returns)

        fast = cpu_seconds(50, ours)
        slowest = max(slowest, fast)
        line = f"  {name:>18}: ours {fast * 1e3:6.3f} (error {abs(ours() - exact):.1e})"
        if returns.mean() >= threshold:  # below it neither the paper's code nor ours solves anything
            slow = cpu_seconds(5, peer)
            ratios.append(slow / fast)
            line += f", trust-constr {slow * 1e3:6.1f} ({slow / fast:.0f}x, error {abs(peer() - exact):.1e})"
        print(line)
    report.gate("slowest update", slowest * 1e3, 2.0, False, " ms")
    report.gate("least ratio to trust-constr", min(ratios), 5.0, True)


# Equilibria of matrix games ------------------------------------------------------------------------------------------


def residual(A: Array, mu: Array, nu: Array, t: float) -> float:
    """The largest difference of a probability from that of the answer."""
    from heatbath.solvers.games import responses

    answers = responses(A, mu / mu.sum(), nu / nu.sum(), t, t)
    return float(max(np.abs(mu - answers[0]).max(), np.abs(nu - answers[1]).max()))


def gambit(A: Array, t: float) -> tuple[Array, Array] | None:
    try:
        import pygambit
    except ImportError:
        return None
    game = pygambit.Game.from_arrays(A, -A)
    profile = pygambit.qre.logit_solve_lambda(game, [1 / t], use_strategic=True)[0].profile
    return tuple(np.array([float(p) for _, p in profile[player]]) for player in game.players)  # type: ignore[return-value]


def equilibria(report: Report, games: int = 8) -> None:
    """Logit equilibria of standard normal payoffs, each from a cold start; medians over games."""
    from heatbath.solvers.games import mirror_ascent, quantal_response

    rng = np.random.default_rng(0)
    print(f"quantal response equilibria, medians over {games} games (ms, and the largest residual)")
    for t in (1.0, 0.1, 0.01, 0.001):
        for n in (2, 3, 5, 10):
            A = rng.normal(size=(games, n, n))
            ours = float(np.median([cpu_seconds(10, quantal_response, one, t) for one in A]))
            off = max(float(quantal_response(one, t).residual) for one in A)
            many = rng.normal(size=(512, n, n))
            batch = cpu_seconds(2, quantal_response, many, t) / len(many)
            print(
                f"  t = {t:5g}, {n:>2} x {n:<2}: ours {ours * 1e3:6.3f} ({off:.0e}), in a batch {batch * 1e3:6.3f}",
                end="",
            )
            few = A[:3]
            found: list[Any] = [gambit(one, t) for one in few]
            if found[0] is not None:
                slow = float(np.median([cpu_seconds(1, gambit, one, t) for one in few]))
                off = max(residual(one, *pair, t) for one, pair in zip(few, found, strict=True))
                print(f", Gambit {slow * 1e3:7.1f} ({slow / ours:.0f}x, {off:.0e})", end="")
            if t >= 0.1:
                slow = float(np.median([cpu_seconds(1, mirror_ascent, one, t, t) for one in few]))
                off = max(float(mirror_ascent(one, t, t).residual) for one in few)
                print(f", mirror ascent {slow * 1e3:7.1f} ({slow / ours:.0f}x, {off:.0e})", end="")
            print()
            if t == 0.01:
                report.gate(f"{n} x {n} at t = 0.01", ours * 1e3, 1.0, False, " ms")


def linear_programs(report: Report) -> None:
    """Nash equilibria beside scipy's HiGHS."""
    from scipy.optimize import linprog

    from heatbath.solvers.games import exploitability, nash

    def highs(A: Array) -> tuple[Array, Array]:
        m, n = A.shape
        bounds = [(0.0, None)] * m + [(None, None)]
        found = linprog(
            np.r_[np.zeros(m), -1.0], np.c_[-A.T, np.ones(n)], np.zeros(n), np.r_[np.ones(m), 0.0][None], [1.0], bounds
        )
        return found.x[:m], -found.ineqlin.marginals

    rng = np.random.default_rng(0)
    print("Nash equilibria (ms, and the exploitability)")
    for n in (2, 5, 10, 30):
        A = rng.normal(size=(n, n))
        ours, peer = cpu_seconds(10, nash, A), cpu_seconds(5, highs, A)
        found = nash(A)
        off = float(exploitability(A, found.row, found.column))
        row, column = (np.maximum(part, 0) / np.maximum(part, 0).sum() for part in highs(A))
        other = float(exploitability(A, row, column))
        line = f"  {n:>2} x {n:<2}: ours {ours * 1e3:6.3f} ({off:.0e})"
        print(f"{line}, HiGHS {peer * 1e3:6.2f} ({peer / ours:.1f}x, {other:.0e})")


# Simulations of two players ------------------------------------------------------------------------------------------


def batched_simulations(report: Report) -> None:
    """See qarl_simulations.py, which can also wait for a quiet moment; wall time, since it is about threads."""
    import qarl_simulations

    measured = qarl_simulations.Report()
    qarl_simulations.simulations(measured, rounds=25, patience=0.0)
    report.failed += measured.failed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("curriculum", "equilibria", "programs", "simulations"), help="one part")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report = Report()
    parts: dict[str, Callable[[], None]] = {
        "curriculum": lambda: curriculum(report),
        "equilibria": lambda: equilibria(report),
        "programs": lambda: linear_programs(report),
        "simulations": lambda: batched_simulations(report),
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            part()
    print("all gates hold" if not report.failed else f"gates that fail: {', '.join(report.failed)}")
    return bool(report.failed)


if __name__ == "__main__":
    sys.exit(main())
