"""What a process says that waits for another one."""

from __future__ import annotations

import time
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from srseg.progress import task

if TYPE_CHECKING:
    from srseg.progress import Task

# where no bar is shown, such as in the log of a job, a line is written after as many seconds
_PATIENCE = 10


class Waiting:
    """Says for whom is waited, while a ``with`` block lasts.

    Parameters
    ----------
    what : str
        What is waited for.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = ExitStack()
        self._task: Task | None = None
        self._since = time.monotonic()
        self._warned = False

    def __call__(self, who: str) -> None:
        """Show who holds it."""
        if self._task is None:
            self._task = self._shown.enter_context(task(f"waiting for {self._what}"))
        self._task.advance(0, status=f"in use by {who}")
        if not self._warned and time.monotonic() - self._since > _PATIENCE:
            self._warned = True
            warnings.warn(
                f"waiting for {who}, which holds {self._what}; Ctrl-C gives up", stacklevel=6
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()
