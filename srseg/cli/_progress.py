"""Progress bars with an ETA on stderr, where that is a terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from srseg.texts import shown

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from srseg.progress import Task


@contextmanager
def progress_bars() -> Iterator[None]:
    """Show every task that is opened inside the block, unless stderr is no terminal."""
    from srseg.progress import reporting

    # of several processes that a launcher started, one shows how far they are
    if not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0":
        yield
        return
    with reporting(RichReporter()):
        yield


class RichReporter:
    """Shows tasks as bars; those opened inside others stand below them."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._open = 0

    @contextmanager
    def open(self, description: str, total: float | None) -> "Iterator[Task]":
        """Show a new bar until its block ends."""
        progress = self._shown()
        self._open += 1
        ahead = "" if total is None else "ETA"
        bar = progress.add_task(_plain(description), total=total, status="", ahead=ahead)
        try:
            yield _Bar(progress, bar)
        finally:
            progress.remove_task(bar)
            self._open -= 1
            if not self._open:
                progress.stop()
                self._progress = None

    def _shown(self) -> "Progress":
        if self._progress is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[ahead]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[status]}"),
                console=Console(stderr=True),
                transient=True,
                # lines of the answer stand above the bars; a file or a pipe gets them as they are
                redirect_stdout=sys.stdout.isatty(),
            )
            self._progress.start()
        return self._progress


class _Bar:
    def __init__(self, progress: "Progress", bar: "TaskID") -> None:
        self._progress = progress
        self._bar = bar

    def advance(self, amount: float = 1, status: str = "") -> None:
        """Move the bar on."""
        self._progress.advance(self._bar, amount)
        if status:
            self._progress.update(self._bar, status=_plain(status))


def _plain(text: str) -> str:
    """Give a text of which a bar takes no part for a style or an end of its line."""
    from rich.markup import escape

    return escape(shown(text, line=True))
