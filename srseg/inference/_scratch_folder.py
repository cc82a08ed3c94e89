"""A folder that a prediction works in: whose it is, who holds it, when it goes."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from srseg._version import __version__
from srseg.errors import FileFormatError, MissingFileError, StorageError
from srseg.storage import AGAIN, PartFile, locked, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT = 1

_LONGEST = 60  # letters of a value in a message
_MOST = 8  # differences in a message


class ScratchFolder:
    """A folder that keeps one kind of a prediction's scratch files until its result stands.

    All its files are named ``srseg-<kind>.…``, and only these are ever removed.
    ``srseg-<kind>.json`` says what the others belong to; it is written last when they are made and
    removed first, so that without it they are worth nothing.

    Parameters
    ----------
    path : Path
        The folder.
    kind : str
        What it keeps: ``"votes"``, ``"image"``.
    identity : mapping
        What its files depend on, as plain data for JSON.
    """

    def __init__(self, path: Path, kind: str, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.kind = kind
        # lists for tuples, as they are read back
        self._identity: dict[str, Any] = json.loads(json.dumps(dict(identity), allow_nan=False))
        self.fresh = False
        self.discarded = False
        self._files: list[PartFile] = []

    @classmethod
    @contextmanager
    def open(
        cls,
        path: Path,
        kind: str,
        identity: Mapping[str, Any],
        *,
        restart: bool = False,
    ) -> Iterator[ScratchFolder]:
        """Open a folder for the time of a ``with`` block, against every other process.

        Where it is `fresh` inside the block, its files have to be made, and then `keep` called.

        Parameters
        ----------
        path : Path
            The folder; it is made if it is not there, the one above it must be.
        kind : str
            What it keeps.
        identity : mapping
            What its files depend on, as plain data for JSON.
        restart : bool, default=False
            Whether what is there is removed, and all begins anew.

        Yields
        ------
        ScratchFolder
            The folder.

        Raises
        ------
        StorageError
            If it belongs to something else, is damaged, or cannot be made or read.
        InUseError
            If another process holds it.
        MissingFileError
            If the folder above it does not exist.
        """
        folder = cls(path, kind, identity)
        made = folder._make()
        with locked(path / f"srseg-{kind}", timeout=0):
            if restart or not folder._fits():
                folder._refuse_others()
                folder._clear()
                folder.fresh = True
            try:
                yield folder
            except BaseException:
                with suppress(OSError):  # what led here is told, not what follows from it
                    folder._end(made)
                raise
            folder._end(made)

    def _end(self, made: bool) -> None:
        with ExitStack() as rest:  # from the last to the first, whatever one of them raises
            if self.discarded or (self.fresh and made):
                rest.callback(self._leave)
            if self.fresh and not self.discarded:  # it never became whole
                rest.callback(self._clear)
            for file in self._files:
                rest.callback(file.close)

    def file(self, name: str) -> PartFile:
        """Open one of its files, or make it where the folder is fresh.

        Parameters
        ----------
        name : str
            What it holds.

        Returns
        -------
        PartFile
            The file; it is closed with the folder.
        """
        file = PartFile(self.place(name), create=self.fresh)
        self._files.append(file)
        return file

    def place(self, name: str) -> Path:
        """Give the path of one of its files.

        Parameters
        ----------
        name : str
            What it holds.

        Returns
        -------
        Path
            ``srseg-<kind>.<name>`` in the folder.
        """
        return self.path / f"srseg-{self.kind}.{name}"

    def keep(self) -> None:
        """Say that all files of a fresh folder are made: from now on it is gone on with."""
        document = {
            "Format": FORMAT,
            "Kind": self.kind,
            "GeneratedBy": f"srseg {__version__}",
            "Identity": self._identity,
        }
        write_json(self.place("json"), document, seal=True)
        self.fresh = False

    def discard(self) -> None:
        """Remove the files, and with the end of the block the folder if nothing else is in it."""
        self.discarded = True
        self._clear()

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        for file in self._files:
            file.sync()

    def _make(self) -> bool:
        try:
            self.path.mkdir()
        except FileExistsError:
            if not self.path.is_dir():
                raise StorageError(f"{self.path} is a file; name a folder for --scratch") from None
            return False
        except FileNotFoundError:
            raise MissingFileError(
                f"the folder {self.path.parent} does not exist; make it, or name another for "
                "--scratch"
            ) from None
        except OSError as error:
            raise StorageError(error.errno, f"cannot make {self.path}: {error.strerror}") from error
        return True

    def _found(self) -> dict[str, Any] | None:
        """Read what the files belong to; what must not be touched is an error."""
        place = self.place("json")
        try:
            found = read_json(place)
        except MissingFileError:
            return None
        except FileFormatError as error:
            raise StorageError(f"{error}. Or {AGAIN}") from None
        version, kind, old = (found.get(key) for key in ("Format", "Kind", "Identity"))
        if not isinstance(version, int) or kind != self.kind or not isinstance(old, dict):
            raise StorageError(
                f"{place} is not what srseg wrote there; name another folder with --scratch, or "
                f"{AGAIN}"
            )
        if version != FORMAT:
            raise StorageError(
                f"{place} was made by another version ({found.get('GeneratedBy')}); go on with "
                f"that, name another folder with --scratch, or {AGAIN}"
            )
        return old

    def _fits(self) -> bool:
        """Tell whether there is something to go on with; that of another prediction is an error."""
        old = self._found()
        if old is None:
            return False
        differences = list(_differences(old, self._identity))
        if differences:
            more = len(differences) - _MOST
            listed = "; ".join(differences[:_MOST]) + (f"; and {more} more" if more > 0 else "")
            raise StorageError(
                f"{self.path} holds the {self.kind} of another prediction: {listed}. Give the "
                "command as it was to go on with that, name another folder with --scratch, or "
                f"{AGAIN}"
            )
        return True

    def _refuse_others(self) -> None:
        """Refuse a folder that holds files of others and was never ours."""
        if self.place("json").exists():
            return
        others = sorted(
            path.name
            for path in self.path.iterdir()
            if not path.name.startswith(("srseg-", ".srseg-"))
        )
        if others:
            more = ", …" if len(others) > 3 else ""
            raise StorageError(
                f"{self.path} holds other files ({', '.join(others[:3])}{more}); name a new or an "
                "empty folder for --scratch. Nothing was changed"
            )

    def _own(self) -> list[Path]:
        names = (f"srseg-{self.kind}.", f".srseg-{self.kind}.")
        return sorted(path for path in self.path.iterdir() if path.name.startswith(names))

    def _clear(self) -> None:
        """Remove its files but the lock; without the first they are worth nothing."""
        try:
            self.place("json").unlink(missing_ok=True)
            for path in self._own():
                if path.suffix not in (".lock", ".holder"):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                error.errno, f"cannot remove {self.path}: {error.strerror}; remove it by hand"
            ) from error

    def _leave(self) -> None:
        """Remove the lock while it is held: whoever waits for it sees that its name is gone."""
        with suppress(OSError):
            for path in self._own():
                path.unlink(missing_ok=True)
            self.path.rmdir()


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key in {**old, **new}:
        if key not in new:
            yield f"{before}{key} was {_short(old[key])} and is no more"
        elif key not in old:
            yield f"{before}{key} was not there and is {_short(new[key])}"
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from _differences(old[key], new[key], f"{before}{key}, ")
        elif old[key] != new[key]:
            yield f"{before}{key} was {_short(old[key])} and is {_short(new[key])}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
