"""What is trained on and what is tested on: simulated from a system, or read from files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from heatbath.core.build import Setup
from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf import options as opt
from heatbath.plugins.gtf import series as files


@dataclass(frozen=True)
class Data:
    """A training and a test series, scaled, on the run's device.

    Args:
        train: shape `(points, N)`.
        test: shape `(points, N)`.
        time_step: time between points.
        lyapunov_max: the true largest exponent per unit of time, where it is known.
        second: makes another true series, shape `(points, N)`, to say how far two of them are apart.
        named: what that other series is.
        inputs: external inputs of the training series, shape `(points, K)`, or None.
        test_inputs: those of the test series.
        digest: of what was read from files, so that a run is not resumed on others.
    """

    train: Tensor
    test: Tensor
    time_step: float
    lyapunov_max: float | None
    second: Callable[[], Tensor]
    named: str
    inputs: Tensor | None = None
    test_inputs: Tensor | None = None
    digest: str = ""


@dataclass(frozen=True)
class Scale:
    """x -> (x - mean) / deviation, in the run's precision, on its device."""

    mean: Tensor
    deviation: Tensor
    device: torch.device

    @classmethod
    def of(cls, series: Tensor, device: torch.device) -> Scale:
        """That of a series of shape `(points, N)`, which it brings to mean 0 and standard deviation 1."""
        return cls(series.mean(0), series.std(0), device)

    def __call__(self, series: Tensor) -> Tensor:
        scaled = (series - self.mean) / self.deviation
        return scaled.to(device=self.device, dtype=torch.get_default_dtype())


def simulated(options: opt.Reconstruction, setup: Setup) -> Data:
    """A noisy training series and a clean test series of a system, from two random starts.

    Raises:
        ConfigError: when the system comes to rest.
    """
    system = setup.build("system", options.system)

    def generator(name: str) -> torch.Generator:
        return torch.Generator().manual_seed(setup.streams.seed_of(f"{setup.path}/{name}"))

    def clean(name: str) -> Tensor:
        made: Tensor = system.series(options.points, generator(name))
        return made

    train, test = clean("train"), clean("test")
    files.check(train, "--system", options.window + 1)
    scale = Scale.of(train, setup.device)
    noisy = train + noise(train, options.noise, generator("noise"))
    second = lambda: scale(clean("floor"))  # noqa: E731
    return Data(scale(noisy), scale(test), system.time_step, system.lyapunov_max, second, "two true series")


def measured(options: opt.Series, setup: Setup) -> Data:
    """The series of a file; what is wrong with it is said here, before training.

    Raises:
        ConfigError: for files that are missing, broken, or do not fit together.
    """
    train, test, inputs, test_inputs = _parts(options)
    needed = options.window + 1
    files.check(train, "--series", needed)
    files.check(test, "--test" if options.test else "--series, its test part", needed, train.shape[1])
    scale = Scale.of(train, setup.device)
    if not options.standardise:
        scale = Scale(torch.zeros_like(scale.mean), torch.ones_like(scale.mean), setup.device)
    seed = setup.streams.seed_of(f"{setup.path}/noise")
    noisy = train + noise(train, options.noise, torch.Generator().manual_seed(seed))
    shared = min(len(train), len(test))

    def put(values: Tensor | None) -> Tensor | None:
        return None if values is None else values.to(setup.device, torch.get_default_dtype())

    return Data(
        scale(noisy), scale(test), options.time_step, None, lambda: scale(train[:shared]), "training series",
        put(inputs), put(test_inputs), _digest(train, inputs),
    )  # fmt: skip


def _digest(*parts: Tensor | None) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if part is not None:
            digest.update(part.contiguous().numpy().tobytes())
    return digest.hexdigest()


def noise(series: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Gaussian noise of `level` standard deviations of each variable, shaped like `series`."""
    return level * series.std(0) * torch.randn(series.shape, generator=generator, dtype=series.dtype)


def _parts(options: opt.Series) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Training and test series, embedded, and their inputs."""
    whole, inputs = _read(options, "--series", options.series, "--inputs", options.inputs)
    if options.test:
        if bool(options.inputs) != bool(options.test_inputs):
            raise ConfigError("--inputs and --test-inputs go together where there is a --test file")
        test, test_inputs = _read(options, "--test", options.test, "--test-inputs", options.test_inputs)
        return whole, test, inputs, test_inputs
    if options.test_inputs:
        raise ConfigError("--test-inputs goes with --test; without a test file, the end of --inputs is used")
    cut = round(options.split * len(whole))
    ends = (None, None) if inputs is None else (inputs[:cut], inputs[cut:])
    return whole[:cut], whole[cut:], *ends


def _read(
    options: opt.Series, option: str, name: str, inputs_option: str, inputs_name: str
) -> tuple[Tensor, Tensor | None]:
    """A series, embedded, and the inputs at its points."""
    series = files.read(name, options.data)
    files.check_finite(series, option)
    embedded = files.embed(series, options.embedding, options.delay, option)
    if not inputs_name:
        return embedded, None
    inputs = files.read(inputs_name, options.data)
    files.check_finite(inputs, inputs_option)
    if len(inputs) != len(series):
        raise ConfigError(
            f"{inputs_option}: expected a row for each of the {len(series)} points of {option}, got {len(inputs)}"
        )
    return embedded, inputs[len(series) - len(embedded) :]
