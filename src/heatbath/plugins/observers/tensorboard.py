"""TensorBoard events, for runs started with `--tensorboard True`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from heatbath.core.errors import MissingExtra
from heatbath.core.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

    from heatbath.core.runs import Run


class TensorBoard:
    """Writes every metric under `<run>/tensorboard`; a resumed run cuts what lies behind its checkpoint."""

    def __init__(self) -> None:
        self._writers: WeakKeyDictionary[Run, SummaryWriter] = WeakKeyDictionary()

    @hookimpl
    def run_started(self, run: Run) -> None:
        if not run.watched.get("tensorboard"):
            return
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise MissingExtra("--tensorboard True needs: pip install 'heatbath[tensorboard]'") from error
        self._writers[run] = SummaryWriter(str(run.directory / "tensorboard"), purge_step=run.clock.step + 1)

    @hookimpl
    def run_metrics(self, run: Run, step: int, metrics: Mapping[str, float]) -> None:
        if writer := self._writers.get(run):
            for name, value in metrics.items():
                writer.add_scalar(name, value, step)

    @hookimpl
    def run_finished(self, run: Run) -> None:
        if writer := self._writers.pop(run, None):
            writer.close()


plugin = TensorBoard()
