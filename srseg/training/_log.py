"""What training writes down while it runs, and who reads it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from srseg.errors import MissingPackageError, StorageError
from srseg.storage import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from srseg.training._history import History

_COLUMNS = ("iteration", "loss", "learning_rate", "validation_loss", "validation_iou", "seconds")


class TrainingLog(Protocol):
    """Something that is told how training goes.

    An `OSError` of `add` is a warning, in which a `path` of the log is named, and training goes on.
    Any other exception ends training.
    """

    def begin(self, history: History) -> None:
        """Take what was done before: nothing, or what a checkpoint holds.

        Parameters
        ----------
        history : History
            The records so far; it grows as training goes on.
        """

    def add(self, record: Mapping[str, float]) -> None:
        """Take the newest record.

        Parameters
        ----------
        record : mapping of str to float
            As in `History`.
        """


_logs: ContextVar[tuple[TrainingLog, ...]] = ContextVar("srseg_training_logs", default=())


@contextmanager
def logging_to(*logs: TrainingLog) -> Iterator[None]:
    """Let logs be told of every training inside the ``with`` block.

    Parameters
    ----------
    *logs : TrainingLog
        For example a `CsvLog`.

    Yields
    ------
    None
        Nothing; the logs are in force until the block ends.
    """
    token = _logs.set(logs)
    try:
        yield
    finally:
        _logs.reset(token)


def current_logs() -> tuple[TrainingLog, ...]:
    """Give the logs in force.

    Returns
    -------
    tuple of TrainingLog
        Those of `logging_to`.
    """
    return _logs.get()


class CsvLog:
    """A table with a row for each validation, which is on the disk before training goes on.

    Nothing reads it again. After a row that could not be written, the next one that can is written
    with all that are missing.

    Parameters
    ----------
    path : path
        The file; one that is there is replaced when training begins. Where training goes on from a
        checkpoint, it has the rows until there, and none twice.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._history: History | None = None
        self._behind = False

    def begin(self, history: History) -> None:
        """Write the rows of what was done before.

        Parameters
        ----------
        history : History
            The records so far.
        """
        self._history = history
        lines = [",".join(_COLUMNS) + "\n", *(_row(record) for record in history.records)]
        write_text(self.path, "".join(lines), overwrite=True)

    def add(self, record: Mapping[str, float]) -> None:
        """Append a row.

        Parameters
        ----------
        record : mapping of str to float
            As in `History`; what it lacks is left empty.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self._behind and self._history is not None:
            self.begin(self._history)  # which has this record; the last row may be half a one
        else:
            self._behind = True
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_row(record))
                file.flush()
                os.fsync(file.fileno())
        self._behind = False


class TensorBoardLog:
    """Curves in TensorBoard, where that is installed.

    Parameters
    ----------
    folder : path
        The folder of the run.

    Raises
    ------
    MissingPackageError
        If tensorboard is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingPackageError(
                "the package tensorboard is not installed; install it with: pip install "
                "tensorboard, or leave out --tensorboard"
            ) from error
        self._make = SummaryWriter

    def begin(self, history: History) -> None:
        """Open the run, and take out what was written after the point that training goes on from.

        Parameters
        ----------
        history : History
            The records so far.
        """
        done = history.records[-1]["iteration"] if history.records else 0
        self._writer = self._make(str(self.path), purge_step=int(done) + 1)

    def add(self, record: Mapping[str, float]) -> None:
        """Add a point to each curve.

        Parameters
        ----------
        record : mapping of str to float
            As in `History`.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        try:
            for name, value in record.items():
                if name != "iteration":
                    self._writer.add_scalar(name, value, int(record["iteration"]))
            self._writer.flush()
        except Exception as error:  # its file systems have errors of their own
            raise StorageError(str(error) or type(error).__name__) from error


def _row(record: Mapping[str, float]) -> str:
    # as many digits as tell the numbers apart: no row of a training that goes on differs
    cells = (f"{record[name]:.9g}" if name in record else "" for name in _COLUMNS)
    return ",".join(cells) + "\n"
