"""Train a model of Lorenz-63 with a stronger forcing than the default, and say what came out.

python first_run.py [STEPS]
"""

import sys

import heatbath

if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    run = heatbath.run("gtf.lorenz63", alpha=0.2, steps=steps, checkpoint_every=steps)
    for name, value in run.metrics.items():
        print(f"{name:22} {value:.4g}")
    for name, path in run.figures.items():
        print(f"{name:22} {path}")
    print(f"{run.status}; read it again with heatbath.load_run({str(run.directory)!r})")
