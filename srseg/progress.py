"""How long work tells how far it is, without knowing who listens.

Library code opens a :func:`task` and advances it. By default nobody listens; the command line
installs a reporter with bars and an ETA for the time of a command. Where a task advances is also
where work can be stopped from outside, between two steps of it.

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
    from collections.abc import Callable, Iterator

__all__ = ["Reporter", "Stopped", "Task", "reporting", "stoppable", "task"]


class Stopped(BaseException):
    """Work was asked to stop, and did so between two steps.

    Like KeyboardInterrupt it is no Exception: nothing that handles errors takes it for one.
    """


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


class _Stop:
    """Whether work was asked to stop, and how many tasks are open that will find out."""

    def __init__(self) -> None:
        self.open_tasks = 0
        self.asked = False

    def __call__(self) -> None:
        if self.asked or not self.open_tasks:
            raise Stopped
        self.asked = True


class _StoppableTask:
    def __init__(self, inner: Task, stop: _Stop) -> None:
        self._inner = inner
        self._stop = stop

    def advance(self, amount: float = 1, status: str = "") -> None:
        self._inner.advance(amount, status)
        if self._stop.asked:
            raise Stopped


_stop: ContextVar[_Stop | None] = ContextVar("srseg_stop", default=None)


@contextmanager
def task(description: str, total: float | None = None) -> Iterator[Task]:
    """Open a task with the reporter in force.

    Parameters
    ----------
    description : str
        What is being done, in a few words.
    total : float, optional
        Number of units until it is done; None where that is not known.

    Yields
    ------
    Task
        Advance it as the work goes on.

    Raises
    ------
    Stopped
        Where the task advances after it was asked to stop; see `stoppable`.
    """
    stop = _stop.get()
    with _reporter.get().open(description, total) as inner:
        if stop is None:
            yield inner
            return
        stop.open_tasks += 1
        try:
            yield _StoppableTask(inner, stop)
        finally:
            stop.open_tasks -= 1


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Let the work inside a ``with`` block be stopped between two steps, by a signal for example.

    Yields
    ------
    callable
        Asks the work to stop: the next `Task.advance` of this thread raises `Stopped`. It raises
        `Stopped` itself where no task is open, or on the second call.

    Examples
    --------
    >>> done = []
    >>> with stoppable() as stop, task("counting") as step:
    ...     try:
    ...         for number in range(100):
    ...             if number == 2:
    ...                 stop()
    ...             done.append(number)
    ...             step.advance()
    ...     except Stopped:
    ...         pass
    >>> done
    [0, 1, 2]
    """
    stop = _Stop()
    token = _stop.set(stop)
    try:
        yield stop
    finally:
        _stop.reset(token)


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
