"""Telling how far a search is, by what its jobs leave in the folder."""

import contextvars
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.cli._output import note

if TYPE_CHECKING:
    from srseg.evaluation import SearchJob

_LOOK_EVERY = 1.0  # seconds between two looks into the folder


@dataclass(frozen=True)
class Watched:
    """A fit with its score, and what is known of it before.

    Parameters
    ----------
    job : SearchJob
        The jobs.
    words : str
        What it is, for the user.
    seconds : float
        How long it is reckoned to take.
    """

    job: "SearchJob"
    words: str
    seconds: float


class Watch:
    """Looks into the folder of a search for what is done.

    Parameters
    ----------
    folder : Path
        The folder.
    watched : sequence of Watched
        All that may be done; with successive halving only a part of it is.
    total : float
        Seconds that all that will be done is reckoned to take.
    count : int
        How many fits that is.
    parallel : int
        How many run at a time.
    """

    def __init__(
        self, folder: Path, watched: Sequence[Watched], total: float, count: int, parallel: int
    ) -> None:
        from srseg.evaluation import fits_in, scores_in

        self._fits, self._scores = fits_in(folder), scores_in(folder)
        self._waiting = list(watched)
        self._total, self._count, self._parallel = total, count, parallel
        self._reckoned = 0.0  # of what is done since the start, as it was planned
        self._taken = 0.0  # and what it took
        self.done_before = 0
        for one in self._landed():
            self.done_before += 1
            self._total -= one.seconds
        self._done = self.done_before

    def look(self) -> Iterator[tuple[Watched, str]]:
        """Give what was done since the last look, with a line for each.

        Yields
        ------
        watched : Watched
            What is done.
        line : str
            What it found, and how long the rest will take.
        """
        for one in self._landed():
            fit, score = self._fits.record(one.job.fit), self._scores.record(one.job.score)
            if fit is None or score is None:
                continue
            self._done += 1
            self._reckoned += one.seconds
            self._taken += fit["seconds"] + score["seconds"]
            pace = self._taken / self._reckoned if self._reckoned else 1.0
            left = max(0.0, self._total - self._reckoned) * pace / self._parallel
            text = f"fit {self._done} of {self._count}: {one.words}: IoU {score['score']:.3f}, "
            text += f"{duration(fit['seconds'])}"
            if self._done < self._count:
                text += f"; about {duration(left)} left"
            yield one, text

    def _landed(self) -> list[Watched]:
        with suppress(FileNotFoundError):
            there = {path.stem for path in self._scores.folder.glob("*.json")}
            landed = [one for one in self._waiting if one.job.score in there]
            self._waiting = [one for one in self._waiting if one.job.score not in there]
            return landed
        return []


@contextmanager
def watching(watch: Watch, total: float) -> Iterator[None]:
    """Show how far a search is while a ``with`` block runs it.

    Parameters
    ----------
    watch : Watch
        What looks.
    total : float
        Seconds that all is reckoned to take, of which a bar shows the share that is done.

    Yields
    ------
    None
        Nothing; a thread looks until the block ends.
    """
    from srseg.progress import stoppable, task

    ended = threading.Event()

    def work() -> None:
        # a task of its own to be stopped: a signal is for what the main thread does
        with stoppable(), task("fits", total) as progress:
            while True:
                last = ended.wait(_LOOK_EVERY)
                for one, line in watch.look():
                    note(f"srseg: {line}")
                    progress.advance(one.seconds, one.words)
                if last:
                    return

    context = contextvars.copy_context()  # which knows who shows bars
    thread = threading.Thread(target=context.run, args=(work,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def duration(seconds: float) -> str:
    """Give a time for reading: ``12 s``, ``3 min``, ``4.5 h``."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
