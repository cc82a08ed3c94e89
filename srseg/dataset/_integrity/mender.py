"""One step of a repair: under the lock of what it changes, and told of."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from srseg.dataset._locks import lock_of
from srseg.errors import InUseError, SRSegError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey


@dataclass(frozen=True)
class Repair:
    """Something that a repair did, or would do, or could not do.

    Parameters
    ----------
    action : {"finished", "removed", "remade", "accepted", "left"}
        What was done; ``left`` where nothing was.
    path : Path
        The file or folder.
    message : str
        What it was, and why it was left.
    """

    action: Literal["finished", "removed", "remade", "accepted", "left"]
    path: Path
    message: str

    def to_dict(self) -> dict[str, str]:
        """Give the repair as plain data for JSON.

        Returns
        -------
        dict
            Keys ``action``, ``path``, ``message``.
        """
        return {k: str(v) for k, v in asdict(self).items()}

    def __str__(self) -> str:
        return " ".join(f"{self.action}: {self.path}: {self.message}".splitlines())


class Mender:
    """Does, or only tells, what mends a dataset.

    Parameters
    ----------
    layout : Layout
        The dataset folder.
    dry_run : bool
        Whether to tell only.
    """

    def __init__(self, layout: Layout, *, dry_run: bool) -> None:
        self.layout = layout
        self.dry_run = dry_run
        self.repairs: list[Repair] = []
        self.removed: set[Path] = set()  # by a dry run, in words
        self.planned: dict[SampleKey, dict[str, Any]] = {}

    def do(
        self,
        action: Literal["finished", "removed", "remade", "accepted"],
        path: Path,
        message: str,
        work: Callable[[], object],
    ) -> None:
        """Do a step, unless this is a dry run, and note it; an error is noted too."""
        if not self.dry_run:
            try:
                work()
            except (SRSegError, OSError) as error:
                self.leave(path, str(error))
                return
        elif action == "removed":
            self.removed.add(path)
        self.repairs.append(Repair(action, path, message))

    def plan(self, key: SampleKey, sidecar: dict[str, Any]) -> None:
        """Note the sidecar that a sample gets, for what a dry run tells of the tables."""
        if self.dry_run:
            self.planned[key] = sidecar

    def leave(self, path: Path, why: str) -> None:
        """Note what cannot be mended."""
        self.repairs.append(Repair("left", path, why))

    @contextmanager
    def holding(self, path: Path, *, of: Path | None = None) -> Iterator[bool]:
        """Hold the lock of a file, or of another one; give False where somebody else holds it."""
        lock = lock_of(self.layout, of or path)
        if lock is None:
            yield True
            return
        try:
            held = self.layout.lock(lock, timeout=0)
            held.__enter__()
        except InUseError as error:
            self.leave(path, str(error))
            yield False
            return
        try:
            yield True
        finally:
            held.__exit__(None, None, None)
