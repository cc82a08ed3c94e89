"""Work in a process of its own: how much memory it takes is then its own, and so is its end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError, SRSegError, TrainingError
from srseg.machine import resident_memory
from srseg.progress import Stopped, reporting, stoppable, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from srseg.progress import Task

_LOOK_EVERY = 0.2  # seconds between two looks at the memory of the processes that it started
_GRACE = 120.0  # seconds that the step at hand may take when it is asked to stop
_TELL_EVERY = 0.1  # seconds between two messages of a task that advances


def in_own_process(
    work: Callable[..., Mapping[str, Any]], arguments: Mapping[str, Any], log: Path, what: str
) -> dict[str, Any]:
    """Call a function in a new process, and tell how far it is as if it were here.

    Parameters
    ----------
    work : callable
        A function of a module, with an answer of plain data.
    arguments : mapping
        What it is called with.
    log : path
        Takes what the process prints; removed where all went well.
    what : str
        What it does, for the user.

    Returns
    -------
    dict
        The answer, and ``peak_bytes``: the most memory that the process had, with those that it
        started, everything included; 0 where the system does not say it.

    Raises
    ------
    TrainingError
        If it failed, or its process ended without a word.
    ParameterError
        If what it needs cannot be sent to another process.
    Stopped
        Where this process was asked to stop; the other is stopped too.
    """
    context = _context()
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there, work, dict(arguments), str(log)))
    try:
        process.start()
    except (AttributeError, TypeError, ValueError) as error:
        raise ParameterError(
            f"{what} cannot be sent to a process of its own ({error}); use classes and functions "
            "of modules that can be imported"
        ) from error
    there.close()
    tasks = _Mirrored()
    peak = 0
    try:
        with task(what) as alive, tasks:
            while True:
                ended = not process.is_alive()
                while here.poll(0 if ended else _LOOK_EVERY):
                    try:
                        event, *said = here.recv()
                    except EOFError:
                        ended = True
                        break
                    if event == "done":
                        process.join()
                        log.unlink(missing_ok=True)
                        answer: dict[str, Any] = said[0]
                        return answer | {"peak_bytes": max(peak, int(answer["peak_bytes"]))}
                    if event == "failed":
                        words, foreseen = said
                        raise TrainingError(words if foreseen else f"{words}; see {log}")
                    tasks.take(event, *said)
                    alive.advance(0)
                if ended:
                    process.join()
                    raise TrainingError(_words_of_end(process.exitcode, log))
                peak = max(peak, _family_memory(process.pid))
                alive.advance(0)  # where it advances, a signal can stop it
    finally:
        _end(process, here)


def _context() -> Any:
    """Give what starts processes: on Linux copies of one that has loaded what all of them need."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    # it has done nothing with what it loaded, and so has no threads that a copy would lack
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["srseg.evaluation._compare_work"])
    # Ctrl-C reaches it too, and would end it in the seconds in which it loads
    resource_tracker.ensure_running()  # or it is started within, and lets signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _words_of_end(code: int | None, log: Path) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        guess = ", as where memory is short" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{guess}; see {log}"
    return f"its process ended with code {code} without a word; see {log}"


def _end(process: Any, connection: Any) -> None:
    """Let a process that is still at work finish its step, and then end it."""
    try:
        if process.is_alive():
            with suppress(OSError):
                connection.send("stop")
            end = time.monotonic() + _GRACE
            while process.is_alive() and time.monotonic() < end:
                with suppress(OSError, EOFError):
                    while connection.poll(_LOOK_EVERY):  # it must not wait for a reader
                        connection.recv()
                process.join(0.01)
    finally:  # a second Ctrl-C
        if process.is_alive():
            process.kill()
        process.join()
        connection.close()


class _Mirrored:
    """Shows the tasks of the other process here."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[AbstractContextManager[Task], Task]] = {}

    def take(self, event: str, *said: Any) -> None:
        if event == "open":
            number, description, total = said
            opened = task(description, total)
            self._open[number] = opened, opened.__enter__()
        elif event == "advance":
            number, amount, status = said
            if number in self._open:
                self._open[number][1].advance(amount, status)
        elif event == "close":
            self._open.pop(said[0])[0].__exit__(None, None, None)
        elif event == "warning":
            warnings.warn(said[0], stacklevel=2)

    def __enter__(self) -> _Mirrored:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popitem()[1][0].__exit__(None, None, None)


class _Told:
    """Tells the other end of a pipe of tasks."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._last = 0

    def send(self, *event: Any) -> None:
        with self._lock, suppress(OSError):
            self._connection.send(event)

    @contextmanager
    def open(self, description: str, total: float | None) -> Iterator[Task]:
        self._last += 1
        number = self._last
        self.send("open", number, description, total)
        told = _ToldTask(self, number)
        try:
            yield told
        finally:
            told.tell()
            self.send("close", number)


class _ToldTask:
    def __init__(self, told: _Told, number: int) -> None:
        self._told, self._number = told, number
        self._amount, self._status, self._when = 0.0, "", 0.0

    def advance(self, amount: float = 1, status: str = "") -> None:
        self._amount += amount
        self._status = status or self._status
        if time.monotonic() - self._when > _TELL_EVERY:
            self.tell()

    def tell(self) -> None:
        self._told.send("advance", self._number, self._amount, self._status)
        self._amount, self._when = 0.0, time.monotonic()


def _child(
    connection: Any, work: Callable[..., Mapping[str, Any]], arguments: dict[str, Any], log: str
) -> None:
    """Do the work; this is the new process."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it says when to stop
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(output, stream.fileno())
    told = _Told(connection)
    warnings.simplefilter("default", UserWarning)
    warnings.showwarning = lambda message, *_, **__: told.send("warning", str(message))
    with stoppable() as stop, reporting(told):
        threading.Thread(target=_watch, args=(connection, stop), daemon=True).start()
        try:
            answer = dict(work(**arguments))
        except Stopped:
            pass
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            told.send("failed", *_words(error))
        else:
            answer.setdefault("peak_bytes", peak_so_far())
            told.send("done", answer)


def _words(error: Exception) -> tuple[str, bool]:
    """Say what went wrong, and whether those words are all that a user needs."""
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    foreseen = isinstance(error, SRSegError)
    return text if foreseen else f"{type(error).__name__}: {text}", foreseen


def _watch(connection: Any, stop: Callable[[], None]) -> None:
    """Stop when that is asked for, and end when there is nobody left to ask."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)
    while True:
        try:
            stop()
        except Stopped:  # no task is open that could find out
            time.sleep(0.05)
        else:
            return


def peak_so_far() -> int:
    """Tell the most memory that this process had since it began.

    Returns
    -------
    int
        Bytes; 0 where the system does not say it.
    """
    # not what the system keeps for wait(): that has in it what the process was started from
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return resident_memory()


def _family_memory(process: int | None) -> int:
    """Tell how much memory a process and those that it started have; 0 where nothing says it."""
    numbers = [] if process is None else [process]
    for number in numbers:
        for children in Path(f"/proc/{number}/task").glob("*/children"):
            with suppress(OSError, ValueError):  # it ended meanwhile
                numbers += [int(word) for word in children.read_text("ascii").split()]
    total = 0
    for number in numbers:
        with suppress(OSError, ValueError, IndexError, AttributeError):
            pages = int(Path(f"/proc/{number}/statm").read_text("ascii").split()[1])
            total += pages * os.sysconf("SC_PAGE_SIZE")
    return total
