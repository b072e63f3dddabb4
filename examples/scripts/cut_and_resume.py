"""Stop a run in the middle, go on with it, and see that nothing of it shows: the weights are equal in every bit.

python cut_and_resume.py [STEPS]
"""

import sys

import torch

import heatbath


class Impatient:
    """A plugin that presses Ctrl-C."""

    @heatbath.hookimpl
    def run_metrics(self, run, step):
        if step > run.clock.total // 2:
            raise KeyboardInterrupt


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    options = {"steps": steps, "checkpoint_every": steps // 4, "points": 20_000, "runs": "runs/cut-and-resume"}
    whole = heatbath.run("gtf.lorenz63", **options, name="whole")
    host = heatbath.Host().load()
    host.add(Impatient(), "impatient")
    try:
        heatbath.run("gtf.lorenz63", host=host, **options, name="cut")
    except KeyboardInterrupt:
        print("interrupted at step", heatbath.load_run("runs/cut-and-resume/gtf.lorenz63/cut").history()[-1]["step"])
    resumed = heatbath.resume("runs/cut-and-resume/gtf.lorenz63/cut")
    pairs = zip(whole.task.model.parameters(), resumed.task.model.parameters(), strict=True)
    print("equal in every bit:", all(torch.equal(mine, its) for mine, its in pairs))
