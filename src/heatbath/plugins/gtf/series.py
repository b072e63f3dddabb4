"""Series from files: reading them, and finding out before training what is wrong with them."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heatbath.core.data import locate
from heatbath.core.errors import ConfigError, MissingExtra

LASER = "laser"
"""The Santa Fe time-series competition's laser, 10 093 intensities (Huebner, Abraham, Weiss, Phys. Rev. A 40, 1989)."""
ADVICE = "a `.npy` or `.csv` file with a row a point; docs/methods/gtf.md says where the published ones are from"


def read(name: str, folder: str = "") -> Tensor:
    """A series by the name of its file, or `laser`.

    Args:
        name: `.npy` (points or points x variables, of numbers) or `.csv` (commas, at most one line of headings).
        folder: where to look beside the usual places.

    Returns:
        Shape `(points, variables)`, float64.

    Raises:
        ConfigError: when there is no such file, or it does not hold a table of numbers.
        MissingExtra: for the laser, where reservoirpy is not installed.
    """
    if name == LASER:
        return torch.from_numpy(_laser())
    path = locate(name, folder, ADVICE)
    readers: dict[str, Callable[[Path], np.ndarray]] = {".npy": _npy, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise ConfigError(f"{path}: expected a `.npy` or `.csv` file")
    array = readers[path.suffix.lower()](path)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or 0 in array.shape:
        raise ConfigError(f"{path}: expected an array of points x variables, got one of shape {array.shape}")
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))


def _npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ConfigError(f"{path}: expected real numbers, got an array of {array.dtype}")
    return array  # type: ignore[no-any-return]


def _csv(path: Path) -> np.ndarray:
    rows: list[list[float]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            for number, cells in enumerate(csv.reader(handle), 1):
                if not cells or (number == 1 and not _are_numbers(cells)):
                    continue
                rows.append([_number(cell, path, number, i) for i, cell in enumerate(cells, 1)])
                if len(rows[-1]) != len(rows[0]):
                    raise ConfigError(
                        f"{path}, line {number}: expected {len(rows[0])} columns as before, got {len(rows[-1])}"
                    )
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    return np.array(rows)


def _are_numbers(cells: list[str]) -> bool:
    try:
        [float(cell) for cell in cells if cell.strip()]
    except ValueError:
        return False
    return True


def _number(cell: str, path: Path, line: int, column: int) -> float:
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        raise ConfigError(f"{path}, line {line}, column {column}: expected a number, got {cell!r}") from None


def _laser() -> np.ndarray:
    """Read out of the package, which need not be imported for it."""
    spec = find_spec("reservoirpy")
    if spec is None or spec.origin is None:
        raise MissingExtra("`laser` needs: pip install 'heatbath[data]' (missing: reservoirpy)")
    path = Path(spec.origin).parent / "datasets" / "santafe_laser.npy"
    if not path.is_file():
        raise ConfigError(f"the installed reservoirpy has no {path.name}; 0.4.2 has")
    return _npy(path).astype(np.float64).reshape(-1, 1)


def embed(series: Tensor, copies: int, delay: int, option: str = "--series") -> Tensor:
    """Delay embedding: row t holds x_t, x_{t - delay}, .., x_{t - (copies - 1) delay}.

    Args:
        series: shape `(points, variables)`.
        copies: in a row.
        delay: in points.
        option: that the series came by, for the message.

    Returns:
        Shape `(points - (copies - 1) delay, copies variables)`.

    Raises:
        ConfigError: for too short a series.

    >>> embed(torch.arange(5.0).unsqueeze(1), 2, 3).tolist()
    [[3.0, 0.0], [4.0, 1.0]]
    """
    lost = (copies - 1) * delay
    if lost >= len(series):
        raise ConfigError(
            f"{option}: {copies} copies {delay} points apart need more than {lost} points, got {len(series)}"
        )
    return torch.cat([series[lost - i * delay : len(series) - i * delay] for i in range(copies)], 1)


def check_finite(series: Tensor, option: str) -> None:
    """Refuse values that are NaN or infinite.

    Raises:
        ConfigError: saying how many there are, and where the first is.
    """
    bad = ~series.isfinite()
    if bool(bad.any()):
        point, variable = bad.nonzero()[0].tolist()
        raise ConfigError(
            f"{option}: {int(bad.sum())} of {series.numel()} values are not finite, the first at point {point}, "
            f"variable {variable + 1}; fill the gaps, or cut them out"
        )


def check(series: Tensor, option: str, needed: int, dim: int | None = None) -> None:
    """Refuse what cannot be learned from.

    Args:
        series: shape `(points, variables)`.
        option: that it came by.
        needed: fewest points.
        dim: number of variables that it must have.

    Raises:
        ConfigError: for values that are not finite, constant variables, too few points, another number of variables.
    """
    check_finite(series, option)
    if dim is not None and series.shape[1] != dim:
        raise ConfigError(f"{option}: expected {dim} variables as in the training series, got {series.shape[1]}")
    if len(series) < needed:
        raise ConfigError(
            f"{option}: {len(series)} points are fewer than the {needed} of one window; a shorter --window needs fewer"
        )
    reach = series.amax(0) - series.amin(0)
    still = reach <= 1e-9 * series.abs().amax(0)
    if bool(still.any()):
        number = int(still.nonzero()[0]) + 1
        raise ConfigError(f"{option}: variable {number} is constant, which leaves nothing to learn; leave it out")
