"""Telling logs how training goes, which does not end because one of them cannot be written."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.training._history import History
    from srseg.training._log import TrainingLog


class Listeners:
    """The logs of a training.

    A log that cannot be begun ends a training that has done nothing yet: what was asked for would
    not come. Later, a full disk or a folder that is gone is a warning, once for each log; it is
    told of every further record, because space may be made.

    Parameters
    ----------
    logs : sequence of TrainingLog
        The logs.
    """

    def __init__(self, logs: Sequence[TrainingLog]) -> None:
        self._logs = logs
        self._failing: set[int] = set()

    def begin(self, history: History) -> None:
        """Tell all of them what was done before.

        Parameters
        ----------
        history : History
            The records so far; it grows as training goes on.
        """
        for log in self._logs:
            log.begin(history)

    def add(self, record: Mapping[str, float]) -> None:
        """Tell all of them the newest record.

        Parameters
        ----------
        record : mapping of str to float
            As in `History`.

        Warns
        -----
        UserWarning
            If one of them cannot be written, and could until now.
        """
        for number, log in enumerate(self._logs):
            try:
                log.add(record)
            except OSError as error:
                if number not in self._failing:
                    warnings.warn(f"{_words(log, error)}; training goes on", stacklevel=4)
                self._failing.add(number)
            else:
                self._failing.discard(number)


def _words(log: TrainingLog, error: OSError) -> str:
    where = getattr(log, "path", None) or type(log).__name__
    return f"the log {where} cannot be written: {error.strerror or error}"
