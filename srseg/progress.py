"""How long work tells how far it is, without knowing who listens.

Library code opens a :func:`task` and advances it. By default nobody listens; the command line
installs a reporter with bars and an ETA for the time of a command.

Examples
--------
>>> from srseg.progress import task
>>> with task("reading slabs", total=3) as step:
...     for _ in range(3):
...         step.advance()
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Reporter", "Task", "reporting", "task"]


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float = 1, status: str = "") -> None:
        """Say that some more is done.

        Parameters
        ----------
        amount : float, default=1
            Number of units done since the last time.
        status : str, default=""
            A few words to show: a loss, a file name.
        """


class Reporter(Protocol):
    """Something that shows tasks."""

    def open(self, description: str, total: float | None) -> AbstractContextManager[Task]:
        """Show a new task.

        Parameters
        ----------
        description : str
            What is being done.
        total : float or None
            Number of units until it is done; None where the end is not known.

        Returns
        -------
        context manager of Task
            The task, shown until the block ends.
        """


class _SilentTask:
    def advance(self, amount: float = 1, status: str = "") -> None:
        pass


class _SilentReporter:
    @contextmanager
    def open(self, description: str, total: float | None) -> Iterator[Task]:  # noqa: ARG002
        yield _SilentTask()


_reporter: ContextVar[Reporter] = ContextVar("srseg_reporter", default=_SilentReporter())  # noqa: B039


def task(description: str, total: float | None = None) -> AbstractContextManager[Task]:
    """Open a task with the reporter in force.

    Parameters
    ----------
    description : str
        What is being done, in a few words.
    total : float, optional
        Number of units until it is done; None where that is not known.

    Returns
    -------
    context manager of Task
        Advance the task it yields as the work goes on.
    """
    return _reporter.get().open(description, total)


@contextmanager
def reporting(reporter: Reporter) -> Iterator[None]:
    """Let `reporter` show every task opened inside the ``with`` block.

    Parameters
    ----------
    reporter : Reporter
        For example the command line's progress bars.

    Yields
    ------
    None
        Nothing; the reporter is in force until the block ends.
    """
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)
