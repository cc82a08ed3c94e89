"""What ``srseg train`` leaves beside the model while it runs."""

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srseg.training import History, TrainingLog

_EVERY = 60.0  # seconds between two pictures: each takes half of one


class CurveLog:
    """A picture of how training goes, drawn again now and then.

    Parameters
    ----------
    path : Path
        The PNG; one that is there is replaced.
    title : str
        A line above it.
    """

    def __init__(self, path: Path, title: str) -> None:
        self.path = path
        self._title = title
        self._history: History | None = None
        self._last = -_EVERY

    def begin(self, history: "History") -> None:
        """Take what was done before."""
        self._history = history

    def add(self, record: Mapping[str, float]) -> None:
        """Draw, unless that was just done."""
        del record  # it is in the history
        if time.monotonic() - self._last >= _EVERY:
            self.draw()

    def finish(self) -> None:
        """Draw for the last time; the model is worth more than its picture."""
        try:
            self.draw()
        except OSError as error:
            warnings.warn(f"{self.path} cannot be written: {error.strerror or error}", stacklevel=2)

    def draw(self) -> None:
        """Draw all records there are."""
        from srseg.reports import save_figure, training_curve

        if self._history is not None and self._history.records:
            save_figure(training_curve(self._history, self._title), self.path)
            self._last = time.monotonic()


def training_logs(model: Path, tensorboard: Path | None) -> "tuple[list[TrainingLog], CurveLog]":
    """Give the logs of a training, and of them the picture."""
    from srseg.training import CsvLog, TensorBoardLog

    # of m.1 and m.2 each has its own
    name = model.stem if model.suffix == ".srseg" else model.name
    curve = CurveLog(model.with_name(f"{name}.train.png"), name)
    logs: list[TrainingLog] = [CsvLog(model.with_name(f"{name}.train.csv")), curve]
    if tensorboard is not None:
        logs.append(TensorBoardLog(tensorboard))
    return logs, curve
