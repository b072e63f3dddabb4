"""Where a run computes: `--device` to a torch device."""

from __future__ import annotations

import torch

from heatbath.core.errors import ConfigError


def resolve(name: str) -> torch.device:
    """The device of a name: `auto`, `cpu`, `cuda`, `cuda:INDEX`, or another that this torch knows.

    Raises:
        ConfigError: for a name that torch does not know, or a device that this machine or this torch lacks.

    >>> resolve("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"--device: expected auto, cpu, cuda or cuda:INDEX, got {name!r}") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise ConfigError(f"--device: got {name!r}, but torch {torch.__version__} sees {count} CUDA devices here")
        return torch.device("cuda", device.index if device.index is not None else torch.cuda.current_device())
    try:
        torch.Generator(device=device)  # a run needs one for each of its streams
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device: this torch cannot compute on {name!r}: {reason}") from None
    return device
