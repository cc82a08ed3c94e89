"""A file that training goes on from after it was stopped or killed."""

from __future__ import annotations

import json
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg._version import __version__
from srseg.errors import StorageError
from srseg.storage import locked
from srseg.training._history import History
from srseg.training._sealed import read_document, read_sealed, write_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

_KIND = "srseg-checkpoint"
_VERSION = 1
_LONGEST = 60  # letters of a value in a message
_MOST = 8  # differences in a message
_AGAIN = "begin anew with --restart (from Python: remove the file)"


class Checkpoint:
    """A file with all that training needs to go on, bit by bit.

    Weights, their running average, the best ones so far, the state of the optimizer, the schedule
    and the history lie in one safetensors file, sealed with a checksum and written whole or not at
    all. It says which training it is of; that of another one is refused.

    Parameters
    ----------
    path : path
        The file; its folder must exist.
    identity : mapping
        What training depends on, as plain data for JSON. Where any of it differs, a checkpoint is
        refused.
    circumstances : mapping, default={}
        What changes nothing but the last bits of numbers, such as the version of torch. Where any
        of it differs, training goes on with a warning.
    every : float, default=10.0
        Minutes between two times that it is written; 0 for after each iteration.
    advice : mapping of str to str, default={}
        What is said, beside the rest, where it is refused because this name in `identity` differs.
    """

    def __init__(
        self,
        path: Path | str,
        identity: Mapping[str, Any],
        *,
        circumstances: Mapping[str, Any] | None = None,
        every: float = 10.0,
        advice: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        # lists for tuples, as they are read back
        self._identity = _plain(identity)
        self._circumstances = _plain(circumstances or {})
        self._every = 60 * every
        self._advice = dict(advice or {})
        self._last = time.monotonic()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training on it for the time of a ``with`` block.

        Yields
        ------
        None
            Nothing.

        Raises
        ------
        InUseError
            If another process holds it.
        """
        with locked(self.path, 0.0):
            try:
                yield
            finally:
                with suppress(OSError):  # an empty file more, and the error that led here is told
                    self.path.with_name(f".{self.path.name}.lock").unlink(missing_ok=True)

    @property
    def due(self) -> bool:
        """Whether it is time to write it again."""
        return time.monotonic() - self._last >= self._every

    def write(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Write the file.

        Parameters
        ----------
        state : mapping
            Plain data for JSON.
        tensors : mapping of str to Tensor
            Weights and the like.

        Raises
        ------
        StorageError
            If it cannot be written; what was there is kept, and it is `due` only after as long
            again.
        """
        document = {
            "version": _VERSION,
            "srseg": __version__,
            "identity": self._identity,
            "circumstances": self._circumstances,
            "state": dict(state),
        }
        try:
            write_sealed(self.path, _KIND, document, tensors)
        finally:
            self._last = time.monotonic()

    def read(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
        """Read the file, if there is one.

        Returns
        -------
        tuple of dict and dict of str to Tensor, or None
            State and tensors as they were written; None where there is no file.

        Raises
        ------
        StorageError
            If it is damaged, something else, or of another training.

        Warns
        -----
        UserWarning
            If numbers will differ in their last bits from those of an uninterrupted training.
        """
        if not self.path.exists():
            return None
        with _saying_what_to_do():
            document, tensors = read_sealed(self.path, _KIND)
        self._require_same(document)
        return document["state"], tensors

    def check(self) -> None:
        """Refuse what `read` would refuse, looking at the description only.

        Raises
        ------
        StorageError
            If the file is there and of another training.
        """
        if self.path.exists():
            self._require_same(_document(self.path))

    def _require_same(self, document: Mapping[str, Any]) -> None:
        if document.get("version") != _VERSION:
            raise StorageError(
                f"{self.path} was written by srseg {document.get('srseg')}, this is {__version__}; "
                f"go on with that, or {_AGAIN}"
            )
        old = document["identity"]
        different = _differences(old, self._identity)
        if different:
            advice = [
                f". {text}"
                for name, text in self._advice.items()
                if old.get(name) != self._identity.get(name)
            ]
            raise StorageError(
                f"{self.path} is of another training: {different}. Give what it was begun with to "
                f"go on, name another file, or {_AGAIN}{''.join(advice)}"
            )
        different = _differences(document["circumstances"], self._circumstances)
        if different:
            warnings.warn(
                f"training goes on, but not bit by bit as without a stop: {different}",
                stacklevel=3,
            )


def kept_history(path: Path | str) -> History | None:
    """Tell how far the training of a checkpoint came.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    History or None
        Its history up to there; None where there is no file.

    Raises
    ------
    StorageError
        If it is no checkpoint.
    """
    path = Path(path)
    if not path.exists():
        return None
    # a plugin's may tell the iterations alone
    return History.from_dict({"records": [], **_document(path)["state"]["history"]})


def iterations_done(path: Path | str) -> int | None:
    """Tell how many iterations the training of a checkpoint has done.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    int or None
        Iterations; None where there is no file.

    Raises
    ------
    StorageError
        If it is no checkpoint.
    """
    history = kept_history(path)
    return None if history is None else history.n_iter


def _document(path: Path) -> dict[str, Any]:
    with _saying_what_to_do():
        return read_document(path, _KIND)


@contextmanager
def _saying_what_to_do() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise StorageError(
            f"{error}. To go on from it is not possible: {_AGAIN}, or name another file"
        ) from error


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        json.dumps(dict(data), allow_nan=False, default=lambda value: value.item())
    )
    return found


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say what differs, key by key."""
    found = list(_each_difference(old, new))
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return "; ".join([*found[:_MOST], *more])


def _each_difference(
    old: Mapping[str, Any], new: Mapping[str, Any], inside: str = ""
) -> Iterator[str]:
    for key in [*new, *(key for key in old if key not in new)]:
        name = f"{inside}{key}"
        if key not in old:
            yield f"{name} is new"
        elif key not in new:
            yield f"{name} is missing"
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from _each_difference(old[key], new[key], f"{name}, ")
        elif old[key] != new[key]:
            yield f"{name} was {_short(old[key])}, is {_short(new[key])}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
