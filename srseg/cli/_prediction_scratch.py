"""Where an unfinished prediction is kept, and who works on it."""

import hashlib
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

_LONGEST = 7 * 24 * 3600.0  # s; who wants to give up sooner presses Ctrl-C
_PATIENCE = 10  # s, before a line says who is waited for


class ResultPlace:
    """The place of one result: its lock, and the folder in which an unfinished one is kept.

    Parameters
    ----------
    lock : Path
        What is locked while it is made: the result, or a file that stands for it.
    beside : Path
        The folder for an unfinished one, beside the result.
    chosen : Path or None
        The folder that a user chose for all unfinished ones.
    """

    def __init__(self, lock: Path, beside: Path, chosen: Path | None) -> None:
        from srseg.storage import SCRATCH

        self._lock = lock.absolute()
        self.folder = beside.absolute()
        if chosen is not None:
            # results of one name in several places may share a folder
            mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
            name = beside.name.strip(".").removesuffix(SCRATCH)
            self.folder = chosen.absolute() / f"srseg-{name}-{mark}{SCRATCH}"

    @contextmanager
    def held(self, *, wait: bool) -> Iterator[None]:
        """Let no other process make the same result, for the time of a ``with`` block.

        Raises
        ------
        InUseError
            If one does, and is not to be waited for.
        """
        from srseg.storage import locked

        path = self._lock
        place = self.folder.parent
        made = [folder for folder in (place, *place.parents) if not folder.exists()]
        place.mkdir(parents=True, exist_ok=True)
        with ExitStack() as shown:
            waiting = shown.enter_context(_waiting(path.name)) if wait else None
            with locked(path, _LONGEST if wait else 0.0, waiting):
                shown.close()
                try:
                    yield
                finally:
                    # while it is held: who waits for it finds that its name is gone, and makes it
                    # again
                    with suppress(OSError):  # an empty file more; the error that led here is told
                        path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
                    with suppress(OSError):  # until one in which something is kept
                        for folder in made:
                            folder.rmdir()

    def discard(self, *, before: datetime) -> bool:
        """Remove what is kept if it is older than the result; tell whether nothing is left."""
        files = list(self.folder.glob("srseg-*"))
        if any(file.stat().st_mtime > before.timestamp() for file in files):
            return False
        shutil.rmtree(self.folder, ignore_errors=True)
        return True


@contextmanager
def _waiting(name: str) -> Iterator[Callable[[str], None]]:
    from srseg.progress import task

    since, said = time.monotonic(), False
    with task(f"waiting for {name}") as progress:

        def show(who: str) -> None:
            nonlocal said
            progress.advance(0, status=f"in use by {who}")
            if not said and time.monotonic() - since > _PATIENCE:
                said = True
                warnings.warn(f"{name} is being made by {who}; waiting for it", stacklevel=2)

        yield show
