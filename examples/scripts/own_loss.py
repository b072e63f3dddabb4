"""A loss of one's own, swapped into an experiment by name, without a distribution: hand the plugin to the host.

python own_loss.py [STEPS]
"""

import sys

import heatbath
from heatbath.core.contracts import Term


class Roughness:
    """Mean squared second difference of the prediction in time; prediction `(batch, time, dim)`."""

    needs, reduced = frozenset({"prediction"}), False

    def __init__(self, options, setup): ...

    def __call__(self, context):
        return Term(context["prediction"].diff(n=2, dim=1).square().flatten(1).mean(1))


class Plugin:
    @heatbath.hookimpl
    def register_losses(self, register):
        register(heatbath.Component("own/roughness", "second differences", f"{__name__}:Roughness"))


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    host = heatbath.Host().load()
    host.add(Plugin(), "own")
    losses = {"smooth": {"use": "own/roughness", "weight": {"use": "linear", "start": 0.1, "end": 0.0}}}
    run = heatbath.run("gtf.lorenz63", host=host, losses=losses, steps=steps, points=20_000)
    first, last = run.history()[0], run.history()[-1]
    print(f"roughness of predictions: {first['loss/smooth']:.3g} at first, {last['loss/smooth']:.3g} at last")
    print("made with", run.result["components"]["losses:own/roughness"])
