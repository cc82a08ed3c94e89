"""Jobs whose results lie in a folder, so that none is done twice."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from srseg.errors import InUseError
from srseg.progress import Stopped, task
from srseg.storage import locked, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class KeptJobs:
    """One kind of jobs in a folder: ``<name>.json`` for each that is done, ``<name>.log`` for all.

    The record is what says that a job is done, and it is written last. A job is locked while it
    runs, by the operating system: the lock ends with its process. Each begin and end stands as a
    line of JSON in the log.

    Parameters
    ----------
    folder : Path
        Made when the first job begins.
    holds : callable, optional
        Tells of a record whether it still counts; one that does not is made again.
    """

    def __init__(
        self, folder: Path, holds: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> None:
        self.folder = folder
        self._holds = holds

    def record(self, name: str) -> dict[str, Any] | None:
        """Give what a job left, or None where it is not done.

        Parameters
        ----------
        name : str
            The digest of what it is.

        Returns
        -------
        dict or None
            Its record.
        """
        path = self._path(name)
        found: dict[str, Any] | None = read_json(path) if path.is_file() else None
        if found is not None and self._holds is not None and not self._holds(found):
            return None
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the begins and ends of a job.

        Parameters
        ----------
        name : str
            The digest of what it is.

        Returns
        -------
        list of dict
            ``event`` is ``begun``, ``done``, ``failed`` or ``stopped``; one that was killed left
            no end. With ``time``, ``host``, ``pid``, and ``error`` of what failed.
        """
        try:
            lines = self._log(name).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        events = []
        for line in lines:
            with suppress(ValueError):  # one that a kill cut off
                events.append(json.loads(line))
        return events

    def failure(self, name: str) -> str | None:
        """Say why a job failed the last time.

        Parameters
        ----------
        name : str
            The digest of what it is.

        Returns
        -------
        str or None
            The error; None where it did not fail, or is done or under way since.
        """
        events = self.events(name)
        if events and events[-1]["event"] == "failed":
            return str(events[-1]["error"])
        return None

    def do(
        self, name: str, facts: Mapping[str, Any], work: Callable[[], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Do a job, unless it is done; wait while another process is at it.

        Parameters
        ----------
        name : str
            The digest of `facts`.
        facts : mapping
            What the job is of; kept with its result.
        work : callable
            Does it and gives its result, plain data.

        Returns
        -------
        dict
            The record: ``facts``, ``seconds``, and the result.
        """
        found = self.record(name)
        if found is not None:
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            self._lock(name, held)
            found = self.record(name)
            if found is not None:
                return found
            self._note(name, "begun")
            start = time.perf_counter()
            try:
                result = work()
            except Exception as error:
                words = str(error) or type(error).__name__
                self._note(name, "failed", error=words)
                raise
            except (KeyboardInterrupt, Stopped):
                self._note(name, "stopped")
                raise
            seconds = time.perf_counter() - start
            record = {"seconds": seconds, **result, "facts": facts}
            write_json(self._path(name), record, overwrite=True)
            self._note(name, "done")
        return read_json(self._path(name))

    def _lock(self, name: str, held: ExitStack) -> None:
        path = self._path(name)
        try:
            held.enter_context(locked(path, 0))
        except InUseError:
            with task("waiting for another process") as progress:
                # where it advances, a signal can stop it
                held.enter_context(locked(path, math.inf, lambda who: progress.advance(0, who)))

    def _note(self, name: str, event: str, **more: str) -> None:
        line = {
            "event": event,
            "time": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            **more,
        }
        # the lock makes this process the only one that writes; the line before may be cut off
        with self._log(name).open("a", encoding="utf-8") as log:
            log.write("\n" + json.dumps(line, ensure_ascii=False))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
