"""Random streams: a generator for each place in the config, and the global ones, which a run owns while it steps."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator

GLOBAL = "global"
"""The stream of the global generators."""


class Streams:
    """Generators by name, each derived from (seed, name) alone, on the device that the run computes on.

    >>> one, two = Streams(0)("losses.fit"), Streams(0)("losses.fit")
    >>> torch.equal(torch.rand(3, generator=one), torch.rand(3, generator=two))
    True
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed, self.device = seed, torch.device(device)
        self._generators: dict[str, Generator] = {}
        self._global: dict[str, Any] | None = None

    def __call__(self, name: str) -> Generator:
        """The stream of that name; where it stands is part of a checkpoint."""
        if name not in self._generators:
            self._generators[name] = self.fresh(name)
        return self._generators[name]

    def fresh(self, name: str) -> Generator:
        """A generator at the start of a stream, not kept: for an evaluation."""
        return torch.Generator(device=self.device).manual_seed(self.seed_of(name))

    def seed_of(self, name: str) -> int:
        """The seed of a stream, in [0, 2^63)."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:8], "big") >> 1

    @contextmanager
    def scoped(self, name: str) -> Iterator[None]:
        """The global generators at the start of a stream, for code that knows no others (such as `nn.Linear`)."""
        before = global_state(self.device)
        seed_globally(self.seed_of(name), self.device)
        try:
            yield
        finally:
            set_global_state(before, self.device)

    @contextmanager
    def owning_globals(self) -> Iterator[None]:
        """The global generators continue where the run left them, and are given back as they were."""
        before = global_state(self.device)
        if self._global is None:
            seed_globally(self.seed_of(GLOBAL), self.device)
        else:
            set_global_state(self._global, self.device)
        try:
            yield
        finally:
            self._global = global_state(self.device)
            set_global_state(before, self.device)

    def state_dict(self) -> dict[str, Any]:
        """Where every stream stands; call it while the run owns the global generators."""
        streams = {name: generator.get_state() for name, generator in self._generators.items()}
        return {"device": self.device.type, "streams": streams, "global": global_state(self.device)}

    def load_state_dict(self, state: Mapping[str, Any], step: int) -> bool:
        """Put every stream where it stood. On another kind of device they start anew from `step`, and False returns."""
        same = bool(state["device"] == self.device.type)
        for name, value in state["streams"].items():
            if same:
                self(name).set_state(value)
            else:
                self(name).manual_seed(self.seed_of(f"{name}/resumed at {step}"))
        if same:
            self._global = dict(state["global"])
        else:
            with self.scoped(f"{GLOBAL}/resumed at {step}"):
                self._global = global_state(self.device)
        return same


def seed_globally(seed: int, device: torch.device) -> None:
    """Seed the global generators of torch, numpy and Python."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        accelerator_state = torch.Generator(device=device).manual_seed(seed).get_state()
        torch.get_device_module(device).set_rng_state(accelerator_state, device)
    np.random.seed(seed % 2**32)  # noqa: NPY002  somebody else's code may draw from it
    random.seed(seed)


def global_state(device: torch.device) -> dict[str, Any]:
    """Where the global generators stand, in tensors and plain Python."""
    _, key, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    assert not isinstance(key, str)
    state = {
        "torch": torch.get_rng_state(),
        "numpy": {"key": key.tolist(), "rest": (int(position), int(has_gauss), float(gauss))},
        "python": random.getstate(),
    }
    if device.type != "cpu":
        state[device.type] = torch.get_device_module(device).get_rng_state(device)
    return state


def set_global_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Undo what happened to the global generators since `global_state`."""
    torch.set_rng_state(state["torch"])
    numpy_state = state["numpy"]
    np.random.set_state(("MT19937", np.array(numpy_state["key"], dtype=np.uint32), *numpy_state["rest"]))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if device.type != "cpu" and device.type in state:
        torch.get_device_module(device).set_rng_state(state[device.type], device)
