"""Which forcing strength? A small grid over alpha and seeds: medians, and how many models collapsed.

python compare_forcing.py [STEPS]
"""

import sys
from statistics import median

import heatbath

ALPHAS, SEEDS = (0.0, 0.15, 1.0), (1, 2)
OPTIONS = {"model": {"hidden": 50}, "points": 20_000}

if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print("alpha  D_stsp  D_H    collapsed")
    for alpha in ALPHAS:
        runs = [heatbath.run("gtf.lorenz63", **OPTIONS, alpha=alpha, seed=seed, steps=steps) for seed in SEEDS]
        d_stsp, d_hellinger = (median(run.metrics[name] for run in runs) for name in ("d_stsp", "d_hellinger"))
        collapsed = sum(run.status == "collapsed" for run in runs)
        print(f"{alpha:5.2f}  {d_stsp:6.2f}  {d_hellinger:.3f}  {collapsed} of {len(runs)}")
