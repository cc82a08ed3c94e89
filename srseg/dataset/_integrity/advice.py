"""What to do about a damaged file with voxels: it depends on what else there is of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._layout import LABELS, PREDICTION_PREFIX, PREPARED, parse_labels_name, sample_of
from srseg.dataset._sidecar import difference
from srseg.errors import SRSegError
from srseg.io import WHOLE_VOXELS
from srseg.storage import FileStamp, file_stamp

if TYPE_CHECKING:
    from srseg.dataset._integrity.scope import Scope

_BACKUP = "Take the file from a backup"


def advice_for(scope: Scope, path: Path, message: str) -> str:
    """Say in a line how to get a damaged file back."""
    derivative = path.relative_to(scope.layout.root).parts[:2]
    if derivative == ("derivatives", PREPARED):
        return "Delete the file and its sidecar, and make them again with: srseg preprocess."
    if derivative == ("derivatives", LABELS):
        return _labels(scope, path, message)
    if derivative[0] == "derivatives":
        model = derivative[1].removeprefix(PREDICTION_PREFIX)
        return f"{_BACKUP}, or predict again with {model} and --overwrite."
    return _scan(scope, path)


def _scan(scope: Scope, path: Path) -> str:
    """Look whether the file that it was copied from is still there."""
    key = sample_of(path.name)
    described = None if key is None else scope.described.get(key)
    with suppress(SRSegError, KeyError, TypeError, ValueError, OverflowError, AttributeError):
        source = described.sidecar["Source"]  # type: ignore[union-attr]
        file, stamp = Path(source["File"]), FileStamp.from_dict(source["Stamp"])
        if file != path and not difference(stamp, file_stamp(file), moved=True):
            return (
                f"{_BACKUP}; or, as what it was copied from is still there, move it and its "
                f"sidecar away and add that again with: srseg dataset add {file}."
            )
    return f"{_BACKUP}."


def _labels(scope: Scope, path: Path, message: str) -> str:
    parsed = parse_labels_name(path.name)
    if parsed is None:
        return f"{_BACKUP}."
    key, label_set, revision = parsed
    if WHOLE_VOXELS in message:
        return (
            f"{_BACKUP}; or, as its voxels are whole, copy it elsewhere and add it as a new "
            "revision with: srseg dataset label."
        )
    older = [n for n in scope.layout.revisions(key, label_set) if n != revision]
    if revision is not None or not older:
        return f"{_BACKUP}."
    return (
        f"{_BACKUP}; or go back to revision {max(older)} with: srseg dataset restore {key.name} "
        f"--set {label_set} --revision {max(older)}."
    )
