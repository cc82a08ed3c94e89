"""Signals that ask a command to stop between two steps of its work."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CODES = {"SIGTERM": 143, "SIGUSR1": 75, "SIGINT": 130}
"""With which code a command ends that a signal stopped; 75 (EX_TEMPFAIL) says: start it again."""

_ALWAYS = ("SIGTERM", "SIGUSR1")


class StopRequest:
    """Which signal asked for it; the last one, where several came."""

    signal = "SIGTERM"

    @property
    def code(self) -> int:
        """The exit code that tells it."""
        return CODES[self.signal]


@contextmanager
def stopping_on_signals() -> Iterator[StopRequest]:
    """Let the step at hand be finished when SIGTERM or SIGUSR1 comes, and then stop.

    Batch systems send SIGTERM when time is up, and SIGUSR1 as long before as a job asks for. A
    second signal stops at once, as does one while no long work is going on.
    """
    from srseg.progress import stoppable

    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread takes signals
        return
    with stoppable() as stop:

        def ask(number: int, _: object) -> None:
            request.signal = signal.Signals(number).name
            # a print could interrupt another print
            begin = "\n" if os.isatty(2) else ""  # after a bar
            os.write(2, f"{begin}srseg: {request.signal}: finishing the step at hand\n".encode())
            stop()

        # not every system has SIGUSR1
        numbers = [getattr(signal, name) for name in _ALWAYS if hasattr(signal, name)]
        before = {number: signal.signal(number, ask) for number in numbers}
        try:
            yield request
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def stopping_on_interrupt() -> Iterator[None]:
    """Let Ctrl-C, too, finish the step at hand, for work that keeps what it has done so far.

    Inside `stopping_on_signals`; a second Ctrl-C stops at once.
    """
    ask = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(ask):
        yield
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
